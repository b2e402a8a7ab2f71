//! Images without a registry: an OCI image layout in a folder, filled from archives and from programs
//! of this machine. Usable without a running runtime; writers exclude each other by a lock file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::durable::{self, Sync};
use crate::reference::Reference;
use crate::runtime::ImageStatus;

mod archive;
mod elf;
mod host;
mod layer;
mod manifest;

pub use archive::ArchiveError;
pub use host::HostError;
pub use layer::LayerError;

pub(crate) use manifest::Settings;
use manifest::{Descriptor, ImageConfig, Index, Manifest, annotation};

/// What kept the store from doing what was asked. The texts are for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file of the store.
    #[error("image store: {path}: {source}")]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name is none.
    #[error("{name:?} is no image name: {reason}")]
    Name {
        /// As given.
        name: String,
        /// Why not.
        reason: String,
    },
    /// No such image.
    #[error("image {0} is not here")]
    NotFound(String),
    /// The archive was refused, and left nothing.
    #[error("{path} was refused: {source}")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        source: ArchiveError,
    },
    /// The programs cannot be made an image.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A layer that is here can no longer be unpacked.
    #[error("layer {digest} of an image that is here: {source}")]
    Layer {
        /// Its digest.
        digest: String,
        /// Why.
        source: LayerError,
    },
}

/// An image ready to be run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runnable {
    pub(crate) settings: Settings,
    /// Unpacked layers, topmost first.
    pub(crate) layers: Vec<PathBuf>,
    /// `<repository>@<manifest digest>`, or the image's id if it has no name.
    pub(crate) image_id: String,
    /// Its first tag, or its id.
    pub(crate) image_ref: String,
}

/// The images in one folder.
#[derive(Debug, Clone)]
pub struct ImageStore {
    folder: PathBuf,
}

impl ImageStore {
    /// Opens the store in `folder`, and makes it if it is not there.
    pub fn open(folder: &Path) -> Result<Self, ImageError> {
        let store = Self {
            folder: folder.to_owned(),
        };
        durable::private_folder(folder).map_err(|source| ImageError::Store {
            path: folder.to_owned(),
            source,
        })?;
        for name in ["blobs/sha256", "layers"] {
            let path = folder.join(name);
            fs::create_dir_all(&path).map_err(|source| ImageError::Store { path, source })?;
        }
        let layout = folder.join("oci-layout");
        if !layout.exists() {
            // Somebody else may be making it at the same time.
            let _held = store.lock()?;
            durable::write(&layout, br#"{"imageLayoutVersion":"1.0.0"}"#).map_err(|source| {
                ImageError::Store {
                    path: layout,
                    source,
                }
            })?;
        }
        Ok(store)
    }

    /// All images, by first tag.
    pub fn list(&self) -> Result<Vec<ImageStatus>, ImageError> {
        let mut found: Vec<ImageStatus> = Vec::new();
        for descriptor in self.index()?.manifests {
            let status = self.describe(&descriptor)?;
            match found.iter_mut().find(|known| known.id == status.id) {
                Some(known) => {
                    known.tags.extend(status.tags);
                    known.digests.extend(status.digests);
                }
                None => found.push(status),
            }
        }
        for status in &mut found {
            status.tags.sort();
            status.digests.sort();
            status.digests.dedup();
        }
        found.sort_by(|a, b| a.tags.cmp(&b.tags));
        Ok(found)
    }

    /// The image that a reference, a digest reference or an id names, if it is here.
    pub fn status(&self, reference: &str) -> Result<Option<ImageStatus>, ImageError> {
        let wanted = Reference::parse(reference).ok();
        let names = |status: &ImageStatus| {
            status.id == reference
                || status.id.strip_prefix("sha256:") == Some(reference)
                || wanted.as_ref().is_some_and(|wanted| match &wanted.digest {
                    Some(digest) => status
                        .digests
                        .contains(&format!("{}@{digest}", wanted.repository())),
                    None => status.tags.contains(&wanted.full()),
                })
        };
        Ok(self.list()?.into_iter().find(names))
    }

    /// Takes the images of an archive (OCI image layout or `docker save`) in; nothing of a refused one is left.
    pub fn load_archive(&self, path: &Path) -> Result<Vec<ImageStatus>, ImageError> {
        let refused = |source| ImageError::Archive {
            path: path.to_owned(),
            source,
        };
        let _lock = self.lock()?;
        let staging = self.staging()?;
        let images = archive::read(path, staging.path()).map_err(refused)?;
        let mut loaded = Vec::new();
        for image in images {
            let prepared = archive::prepare(&image, staging.path(), self).map_err(refused)?;
            loaded.push(prepared);
        }
        loaded
            .into_iter()
            .map(|prepared| self.commit(prepared))
            .collect()
    }

    /// Makes an image of programs, and folders, of this machine, with the libraries they need. The first
    /// program is its command. The same files give the same image.
    pub fn build_from_host(
        &self,
        name: &str,
        paths: &[PathBuf],
    ) -> Result<ImageStatus, ImageError> {
        let tag = Reference::parse(name)
            .map_err(|reason| ImageError::Name {
                name: name.to_owned(),
                reason,
            })?
            .full();
        let _lock = self.lock()?;
        let staging = self.staging()?;
        let image = host::build(&tag, paths, staging.path())?;
        let prepared = archive::prepare(&image, staging.path(), self).map_err(|source| {
            ImageError::Archive {
                path: PathBuf::from(name),
                source,
            }
        })?;
        self.commit(prepared)
    }

    /// Forgets a name, or an image by its id with all its names, and what no image needs any more.
    pub fn remove(&self, reference: &str) -> Result<(), ImageError> {
        let _lock = self.lock()?;
        let status = self
            .status(reference)?
            .ok_or_else(|| ImageError::NotFound(reference.to_owned()))?;
        let by_id = status.id == reference || status.id.strip_prefix("sha256:") == Some(reference);
        let named = Reference::parse(reference)
            .map(|reference| reference.full())
            .ok();
        let mut index = self.index()?;
        let mut kept = Vec::new();
        for descriptor in index.manifests {
            let is_it = if by_id {
                self.describe(&descriptor)?.id == status.id
            } else {
                let full_digest = self.describe(&descriptor)?.digests;
                descriptor.reference().map(ToOwned::to_owned) == named
                    || named
                        .as_ref()
                        .is_some_and(|named| full_digest.contains(named))
            };
            if !is_it {
                kept.push(descriptor);
            }
        }
        index.manifests = kept;
        self.write_index(&index)?;
        self.collect(&index)
    }

    /// An image's settings and unpacked layers, by id.
    pub(crate) fn runnable(&self, id: &str) -> Result<Runnable, ImageError> {
        for descriptor in self.index()?.manifests {
            let manifest = self.manifest(&descriptor)?;
            if manifest.config.digest != id {
                continue;
            }
            let config = self.config(&manifest)?;
            let mut layers = Vec::new();
            for (layer, diff) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
                layers.push(self.unpacked(layer, diff)?);
            }
            layers.reverse();
            let status = self
                .status(id)?
                .ok_or_else(|| ImageError::NotFound(id.to_owned()))?;
            return Ok(Runnable {
                settings: config.config.unwrap_or_default(),
                layers,
                image_id: status
                    .digests
                    .first()
                    .cloned()
                    .unwrap_or_else(|| id.to_owned()),
                image_ref: status
                    .tags
                    .first()
                    .cloned()
                    .unwrap_or_else(|| id.to_owned()),
            });
        }
        Err(ImageError::NotFound(id.to_owned()))
    }

    fn unpacked(&self, layer: &Descriptor, diff: &str) -> Result<PathBuf, ImageError> {
        let target = self.layer_folder(diff);
        if target.exists() {
            return Ok(target);
        }
        let _lock = self.lock()?;
        let staging = self.staging()?;
        let failed = |source| ImageError::Layer {
            digest: layer.digest.clone(),
            source,
        };
        let folder = staging.path().join("layer");
        layer::unpack(
            &self.blob(&layer.digest),
            &folder,
            diff,
            &mut layer::Budget::default(),
        )
        .map_err(failed)?;
        if !target.exists() {
            fs::rename(&folder, &target).map_err(|source| ImageError::Store {
                path: target.clone(),
                source,
            })?;
        }
        Ok(target)
    }

    fn commit(&self, prepared: archive::Prepared) -> Result<ImageStatus, ImageError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ImageError::Store { path, source }
        };
        for (diff, folder) in &prepared.layers {
            let target = self.layer_folder(diff);
            if !target.exists() {
                fs::rename(folder, &target).map_err(failed(&target))?;
            }
        }
        // Blobs before the index: a crash between leaves blobs that nobody names, which the next removal collects.
        for (digest, path) in &prepared.blobs {
            let target = self.blob(digest);
            if !target.exists() {
                fs::rename(path, &target).map_err(failed(&target))?;
                File::open(&target)
                    .and_then(|file| file.sync_all())
                    .map_err(failed(&target))?;
            }
        }
        let mut index = self.index()?;
        for tag in prepared
            .tags
            .iter()
            .map(Some)
            .chain(prepared.tags.is_empty().then_some(None))
        {
            let mut descriptor = prepared.manifest.clone();
            if let Some(tag) = tag {
                descriptor
                    .annotations
                    .insert(annotation::REFERENCE.to_owned(), tag.clone());
            }
            descriptor.annotations.insert(
                annotation::UNPACKED.to_owned(),
                prepared.unpacked.to_string(),
            );
            index.manifests.retain(|known| match tag {
                Some(tag) => known.reference() != Some(tag),
                None => known.reference().is_some() || known.digest != descriptor.digest,
            });
            index.manifests.push(descriptor);
        }
        self.write_index(&index)?;
        self.status(&prepared.id)?
            .ok_or(ImageError::NotFound(prepared.id))
    }

    /// Removes blobs and layers that no image names. A layer that a container still has mounted waits for the next time.
    fn collect(&self, index: &Index) -> Result<(), ImageError> {
        let (mut blobs, mut layers) = (Vec::new(), Vec::new());
        for descriptor in &index.manifests {
            let manifest = self.manifest(descriptor)?;
            let config = self.config(&manifest)?;
            blobs.push(self.blob(&descriptor.digest));
            blobs.push(self.blob(&manifest.config.digest));
            blobs.extend(manifest.layers.iter().map(|layer| self.blob(&layer.digest)));
            layers.extend(
                config
                    .rootfs
                    .diff_ids
                    .iter()
                    .map(|diff| self.layer_folder(diff)),
            );
        }
        let failed = |path: PathBuf| move |source| ImageError::Store { path, source };
        let mounts = Path::new("/proc/self/mounts");
        let mounts = fs::read_to_string(mounts).map_err(failed(mounts.to_owned()))?;
        for (folder, kept) in [("blobs/sha256", &blobs), ("layers", &layers)] {
            let folder = self.folder.join(folder);
            for entry in fs::read_dir(&folder)
                .map_err(failed(folder.clone()))?
                .flatten()
            {
                let path = entry.path();
                let name = entry.file_name();
                // A name is part of a digest: it means the same layer in every store, at worst one too many is kept.
                let mounted = name.to_str().is_some_and(|name| mounts.contains(name));
                if !mounted && !kept.contains(&path) {
                    let gone = if path.is_dir() {
                        durable::remove_tree(&path)
                    } else {
                        durable::remove_file(&path)
                    };
                    gone.map_err(failed(path))?;
                }
            }
        }
        Ok(())
    }

    fn describe(&self, descriptor: &Descriptor) -> Result<ImageStatus, ImageError> {
        let manifest = self.manifest(descriptor)?;
        let config = self.config(&manifest)?;
        let reference = descriptor
            .reference()
            .and_then(|reference| Reference::parse(reference).ok());
        let unpacked = descriptor
            .annotations
            .get(annotation::UNPACKED)
            .and_then(|size| size.parse().ok());
        Ok(ImageStatus {
            id: manifest.config.digest.clone(),
            tags: reference.iter().map(Reference::full).collect(),
            digests: reference
                .iter()
                .map(|named| format!("{}@{}", named.repository(), descriptor.digest))
                .collect(),
            size: unpacked.unwrap_or_else(|| manifest.layers.iter().map(|layer| layer.size).sum()),
            user: config
                .config
                .map(|settings| settings.user)
                .unwrap_or_default(),
        })
    }

    fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, ImageError> {
        Self::parse(&self.blob(&descriptor.digest))
    }

    fn config(&self, manifest: &Manifest) -> Result<ImageConfig, ImageError> {
        Self::parse(&self.blob(&manifest.config.digest))
    }

    fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ImageError> {
        let found = durable::read_json(path)
            .and_then(|value| value.ok_or_else(|| io::ErrorKind::NotFound.into()));
        found.map_err(|source| ImageError::Store {
            path: path.to_owned(),
            source,
        })
    }

    fn index(&self) -> Result<Index, ImageError> {
        let path = self.folder.join("index.json");
        durable::read_json(&path)
            .map(Option::unwrap_or_default)
            .map_err(|source| ImageError::Store { path, source })
    }

    fn write_index(&self, index: &Index) -> Result<(), ImageError> {
        let path = self.folder.join("index.json");
        durable::write_json(&path, index, Sync::Flushed)
            .map_err(|source| ImageError::Store { path, source })
    }

    fn blob(&self, digest: &str) -> PathBuf {
        self.folder
            .join("blobs/sha256")
            .join(digest.trim_start_matches("sha256:"))
    }

    /// Half of the digest names the folder: all layers of an image must fit into one line of mount options.
    fn layer_folder(&self, diff: &str) -> PathBuf {
        let digits = diff.trim_start_matches("sha256:");
        self.folder
            .join("layers")
            .join(digits.get(..32).unwrap_or(digits))
    }

    fn lock(&self) -> Result<File, ImageError> {
        let path = self.folder.join("lock");
        let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|source| ImageError::Store { path, source })
    }

    fn staging(&self) -> Result<tempfile::TempDir, ImageError> {
        let made = tempfile::Builder::new()
            .prefix(".staging-")
            .tempdir_in(&self.folder);
        made.map_err(|source| ImageError::Store {
            path: self.folder.clone(),
            source,
        })
    }
}
