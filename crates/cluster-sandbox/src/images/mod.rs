//! Images without a registry: an OCI image layout in a folder, filled from archives and from programs
//! of this machine. Usable without a running runtime; writers exclude each other by a lock file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::reference::Reference;
use crate::runtime::ImageStatus;

mod archive;
mod commit;
mod documents;
mod elf;
mod host;
mod layer;
mod manifest;

pub use archive::ArchiveError;
pub use host::HostError;
pub use layer::LayerError;

use manifest::Descriptor;
pub(crate) use manifest::Settings;

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
