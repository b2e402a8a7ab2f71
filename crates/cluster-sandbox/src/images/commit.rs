//! What changes the store: an image that was checked is taken in, and what no image names goes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::archive::Prepared;
use super::manifest::{Index, annotation};
use super::{ImageError, ImageStore};
use crate::durable;
use crate::runtime::ImageStatus;

impl ImageStore {
    /// Moves a checked image into the store and names it.
    pub(super) fn commit(&self, prepared: Prepared) -> Result<ImageStatus, ImageError> {
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
    pub(super) fn collect(&self, index: &Index) -> Result<(), ImageError> {
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
}
