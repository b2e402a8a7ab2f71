//! Where the documents of the store lie, and reading them.

use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{Descriptor, ImageConfig, Index, Manifest, annotation};
use super::{ImageError, ImageStore};
use crate::durable::{self, Sync};
use crate::reference::Reference;
use crate::runtime::ImageStatus;

impl ImageStore {
    pub(super) fn describe(&self, descriptor: &Descriptor) -> Result<ImageStatus, ImageError> {
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

    pub(super) fn manifest(&self, descriptor: &Descriptor) -> Result<Manifest, ImageError> {
        Self::parse(&self.blob(&descriptor.digest))
    }

    pub(super) fn config(&self, manifest: &Manifest) -> Result<ImageConfig, ImageError> {
        Self::parse(&self.blob(&manifest.config.digest))
    }

    pub(super) fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ImageError> {
        let found = durable::read_json(path)
            .and_then(|value| value.ok_or_else(|| io::ErrorKind::NotFound.into()));
        found.map_err(|source| ImageError::Store {
            path: path.to_owned(),
            source,
        })
    }

    pub(super) fn index(&self) -> Result<Index, ImageError> {
        let path = self.folder.join("index.json");
        durable::read_json(&path)
            .map(Option::unwrap_or_default)
            .map_err(|source| ImageError::Store { path, source })
    }

    pub(super) fn write_index(&self, index: &Index) -> Result<(), ImageError> {
        let path = self.folder.join("index.json");
        durable::write_json(&path, index, Sync::Flushed)
            .map_err(|source| ImageError::Store { path, source })
    }

    pub(super) fn blob(&self, digest: &str) -> PathBuf {
        self.folder
            .join("blobs/sha256")
            .join(digest.trim_start_matches("sha256:"))
    }

    /// Half of the digest names the folder: all layers of an image must fit into one line of mount options.
    pub(super) fn layer_folder(&self, diff: &str) -> PathBuf {
        let digits = diff.trim_start_matches("sha256:");
        self.folder
            .join("layers")
            .join(digits.get(..32).unwrap_or(digits))
    }
}
