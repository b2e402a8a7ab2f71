//! Image archives: an OCI image layout in a tar file, or what `docker save` writes.
//!
//! The archive's own names are never used as paths: its files are put aside under numbers, and every
//! blob counts only by its digest.

mod docker;
mod files;
mod layout;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::ImageStore;
use super::layer::{self, Budget, LayerError};
use super::manifest::{Descriptor, ImageConfig, Manifest, media};
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

/// Finds the images in an archive.
pub(super) fn read(path: &Path, staging: &Path) -> Result<Vec<Found>, ArchiveError> {
    let files = files::put_aside(path, staging)?;
    if files.contains_key("index.json") {
        return layout::from_layout(&files);
    }
    if files.contains_key("manifest.json") {
        return docker::from_docker(&files, staging);
    }
    Err(ArchiveError::NoImage)
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
