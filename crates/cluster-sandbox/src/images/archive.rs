//! Image archives: an OCI image layout in a tar file, or what `docker save` writes.
//!
//! The archive's own names are never used as paths: its files are put aside under numbers, and every
//! blob counts only by its digest.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::ImageStore;
use super::layer::{self, Budget, LayerError};
use super::manifest::{Descriptor, ImageConfig, Index, Manifest, annotation, media};
use crate::reference::Reference;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// Its outer compression.
    #[error(transparent)]
    Outer(LayerError),
    /// It is no image.
    #[error("is no image archive: neither index.json nor manifest.json is in it")]
    NoImage,
    /// A document in it.
    #[error("its {name} is no such document: {source}")]
    Document {
        /// Which.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Something that it names is not in it.
    #[error("it names {0}, which is not in it")]
    Missing(String),
    /// Something is not what it is called.
    #[error("{expected} in it is really sha256:{found}")]
    Digest {
        /// The name.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A name that is none.
    #[error("it calls an image {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why it is none.
        reason: String,
    },
    /// For another kind of machine.
    #[error("it has no image for linux/{0}")]
    Platform(&'static str),
    /// Config and manifest do not fit.
    #[error("its config has {config} layers, its manifest {manifest}")]
    LayerCount {
        /// In the config.
        config: usize,
        /// In the manifest.
        manifest: usize,
    },
    /// A layer.
    #[error("layer {digest} {source}")]
    Layer {
        /// Its digest.
        digest: String,
        /// Why.
        source: LayerError,
    },
    /// Too much.
    #[error("it holds more than {0}")]
    TooBig(&'static str),
}

/// Largest document that is read into memory.
const DOCUMENT: u64 = 4 << 20;
/// Most bytes of all files together.
const TOTAL: u64 = 16 << 30;
/// Most files.
const FILES: usize = 10_000;

/// An image as it was found, nothing of it believed yet.
pub(super) struct Found {
    pub(super) manifest: Vec<u8>,
    pub(super) tags: Vec<String>,
    /// Files by digest.
    pub(super) blobs: BTreeMap<String, PathBuf>,
}

/// An image all of which was checked, ready to be moved into the store.
pub(super) struct Prepared {
    pub(super) id: String,
    pub(super) manifest: Descriptor,
    pub(super) tags: Vec<String>,
    pub(super) blobs: Vec<(String, PathBuf)>,
    /// Unpacked layers by diff id.
    pub(super) layers: Vec<(String, PathBuf)>,
    pub(super) unpacked: u64,
}

/// Files of an archive by name.
type Files = BTreeMap<String, PathBuf>;

/// Finds the images in an archive.
pub(super) fn read(path: &Path, staging: &Path) -> Result<Vec<Found>, ArchiveError> {
    let files = put_aside(path, staging)?;
    if files.contains_key("index.json") {
        return from_layout(&files);
    }
    if files.contains_key("manifest.json") {
        return from_docker(&files, staging);
    }
    Err(ArchiveError::NoImage)
}

fn put_aside(path: &Path, staging: &Path) -> Result<Files, ArchiveError> {
    let mut archive = tar::Archive::new(layer::open(path).map_err(ArchiveError::Outer)?);
    let (mut files, mut links, mut total) = (Files::new(), Vec::new(), 0);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let Some(name) = plain_name(&entry.path()?) else {
            continue;
        };
        match entry.header().entry_type() {
            tar::EntryType::Regular => {}
            tar::EntryType::Symlink | tar::EntryType::Link => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                links.push((name, target));
                continue;
            }
            _ => continue,
        }
        total += entry.size();
        if total > TOTAL || files.len() >= FILES {
            return Err(ArchiveError::TooBig("the 16 GiB or 10,000 files allowed"));
        }
        let aside = staging.join(format!("file-{}", files.len()));
        io::copy(&mut entry, &mut File::create(&aside)?)?;
        files.insert(name, aside);
    }
    // Older `docker save` archives name a layer that is there already by a link.
    for (name, target) in links {
        let beside = Path::new(&name)
            .parent()
            .unwrap_or(Path::new(""))
            .join(&target);
        if let Some(found) = resolved(&beside).and_then(|target| files.get(&target).cloned()) {
            files.insert(name, found);
        }
    }
    Ok(files)
}

fn plain_name(path: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    parts.map(|parts| parts.join("/"))
}

fn resolved(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}

fn document(path: &Path) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(DOCUMENT + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DOCUMENT {
        return Err(ArchiveError::TooBig("4 MiB in one document"));
    }
    Ok(bytes)
}

fn parse<'a, T: Deserialize<'a>>(name: &str, bytes: &'a [u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(bytes).map_err(|source| ArchiveError::Document {
        name: name.to_owned(),
        source,
    })
}

fn from_layout(files: &Files) -> Result<Vec<Found>, ArchiveError> {
    let blobs: BTreeMap<String, PathBuf> = files
        .iter()
        .filter_map(|(name, path)| {
            Some((
                format!("sha256:{}", name.strip_prefix("blobs/sha256/")?),
                path.clone(),
            ))
        })
        .collect();
    let path = files.get("index.json").ok_or(ArchiveError::NoImage)?;
    let index: Index = parse("index.json", &document(path)?)?;
    if index.manifests.is_empty() {
        return Err(ArchiveError::NoImage);
    }
    index
        .manifests
        .iter()
        .map(|descriptor| {
            let manifest = platform_manifest(descriptor, &blobs, 0)?;
            Ok(Found {
                manifest,
                tags: layout_name(descriptor)?.into_iter().collect(),
                blobs: blobs.clone(),
            })
        })
        .collect()
}

/// containerd writes the whole name; others only the tag, which names nothing by itself.
fn layout_name(descriptor: &Descriptor) -> Result<Option<String>, ArchiveError> {
    let whole = descriptor.annotations.get(annotation::CONTAINERD_NAME);
    let name = whole.or_else(|| {
        descriptor
            .reference()
            .filter(|name| name.contains(['/', ':']))
    });
    name.map(|name| full_name(name)).transpose()
}

fn full_name(name: &str) -> Result<String, ArchiveError> {
    let named = Reference::parse(name).map_err(|reason| ArchiveError::Name {
        name: name.to_owned(),
        reason,
    })?;
    // A digest in the name would have to be that of the manifest; the name alone is what is kept.
    Ok(Reference {
        digest: None,
        ..named
    }
    .full())
}

fn platform_manifest(
    descriptor: &Descriptor,
    blobs: &BTreeMap<String, PathBuf>,
    depth: u8,
) -> Result<Vec<u8>, ArchiveError> {
    let path = blobs
        .get(&descriptor.digest)
        .ok_or_else(|| ArchiveError::Missing(descriptor.digest.clone()))?;
    check_digest(path, &descriptor.digest)?;
    let bytes = document(path)?;
    if !matches!(
        descriptor.media_type.as_str(),
        media::INDEX | media::DOCKER_INDEX
    ) || depth > 2
    {
        return Ok(bytes);
    }
    let index: Index = parse("index of platforms", &bytes)?;
    let fits = |inner: &&Descriptor| {
        inner
            .platform
            .as_ref()
            .is_some_and(super::manifest::Platform::is_this_machine)
    };
    let inner = index
        .manifests
        .iter()
        .find(fits)
        .ok_or(ArchiveError::Platform(super::manifest::architecture()))?;
    platform_manifest(inner, blobs, depth + 1)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

fn from_docker(files: &Files, staging: &Path) -> Result<Vec<Found>, ArchiveError> {
    let path = files.get("manifest.json").ok_or(ArchiveError::NoImage)?;
    let images: Vec<DockerImage> = parse("manifest.json", &document(path)?)?;
    let mut found = Vec::new();
    for image in images {
        let mut blobs = BTreeMap::new();
        let mut describe = |name: &String, media_type: &str| {
            let path = files
                .get(name)
                .ok_or_else(|| ArchiveError::Missing(name.clone()))?;
            let digest = format!("sha256:{}", hash(path)?);
            blobs.insert(digest.clone(), path.clone());
            let media_type = media_type.to_owned();
            Ok::<_, ArchiveError>(Descriptor {
                media_type,
                digest,
                size: fs::metadata(path)?.len(),
                ..Descriptor::default()
            })
        };
        let config = describe(&image.config, media::CONFIG)?;
        let layers = image
            .layers
            .iter()
            .map(|name| describe(name, media::LAYER))
            .collect::<Result<Vec<_>, _>>()?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: media::MANIFEST.to_owned(),
            config,
            layers,
        };
        let tags = image
            .repo_tags
            .unwrap_or_default()
            .iter()
            .map(|name| full_name(name))
            .collect::<Result<_, _>>()?;
        found.push(finish(&manifest, tags, blobs, staging)?);
    }
    Ok(found)
}

/// An image whose manifest was made here.
pub(super) fn finish(
    manifest: &Manifest,
    tags: Vec<String>,
    mut blobs: BTreeMap<String, PathBuf>,
    staging: &Path,
) -> Result<Found, ArchiveError> {
    let bytes = serde_json::to_vec(manifest).map_err(io::Error::from)?;
    let digest = hex::encode(Sha256::digest(&bytes));
    let path = staging.join(format!("manifest-{digest}"));
    io::Write::write_all(&mut File::create(&path)?, &bytes)?;
    blobs.insert(format!("sha256:{digest}"), path);
    Ok(Found {
        manifest: bytes,
        tags,
        blobs,
    })
}

/// Checks every digest of an image and unpacks its layers into `staging`.
pub(super) fn prepare(
    found: &Found,
    staging: &Path,
    store: &ImageStore,
) -> Result<Prepared, ArchiveError> {
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&found.manifest)));
    let manifest: Manifest = parse("manifest", &found.manifest)?;
    let file = |descriptor: &Descriptor| {
        let path = found
            .blobs
            .get(&descriptor.digest)
            .ok_or_else(|| ArchiveError::Missing(descriptor.digest.clone()))?;
        check_digest(path, &descriptor.digest)?;
        Ok::<_, ArchiveError>((descriptor.digest.clone(), path.clone()))
    };
    let (id, config_path) = file(&manifest.config)?;
    let config: ImageConfig = parse("image config", &document(&config_path)?)?;
    check_fit(&config, &manifest)?;
    let mut prepared = Prepared {
        manifest: Descriptor {
            media_type: media::MANIFEST.to_owned(),
            size: found.manifest.len() as u64,
            digest: digest.clone(),
            ..Descriptor::default()
        },
        tags: found.tags.clone(),
        blobs: vec![(id.clone(), config_path)],
        layers: Vec::new(),
        unpacked: 0,
        id,
    };
    let mut budget = Budget::default();
    for (layer, diff) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
        let (name, path) = file(layer)?;
        let own = tempfile::Builder::new()
            .prefix("layer-")
            .tempdir_in(staging)?;
        let folder = own.keep().join("root");
        let known = prepared.layers.iter().any(|(known, _)| known == diff);
        layer::unpack(&path, &folder, diff, &mut budget).map_err(|source| ArchiveError::Layer {
            digest: layer.digest.clone(),
            source,
        })?;
        prepared.blobs.push((name, path));
        if known || store.layer_folder(diff).exists() || !rustix::process::geteuid().is_root() {
            // It was unpacked to be checked; owners are only right if root does it.
            fs::remove_dir_all(&folder)?;
        } else {
            prepared.layers.push((diff.clone(), folder));
        }
    }
    prepared.unpacked = budget.used;
    let manifest_path = found
        .blobs
        .get(&digest)
        .ok_or_else(|| ArchiveError::Missing(digest.clone()))?;
    prepared.blobs.push((digest, manifest_path.clone()));
    Ok(prepared)
}

fn check_fit(config: &ImageConfig, manifest: &Manifest) -> Result<(), ArchiveError> {
    let architecture = super::manifest::architecture();
    if config.os != "linux" || config.architecture != architecture {
        return Err(ArchiveError::Platform(architecture));
    }
    let layers = config.rootfs.diff_ids.len();
    if layers != manifest.layers.len() {
        return Err(ArchiveError::LayerCount {
            config: layers,
            manifest: manifest.layers.len(),
        });
    }
    Ok(())
}

fn check_digest(path: &Path, digest: &str) -> Result<(), ArchiveError> {
    let found = hash(path)?;
    if digest.strip_prefix("sha256:") == Some(&found) {
        return Ok(());
    }
    Err(ArchiveError::Digest {
        expected: digest.to_owned(),
        found,
    })
}

pub(super) fn hash(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(hex::encode(hash.finalize()))
}
