//! The OCI image layout (image-spec, `image-layout.md`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::manifest::{self, Descriptor, Index, Platform, annotation, media};
use super::files::Files;
use super::{ArchiveError, Found, check_digest, document, full_name, parse};

/// The images that `index.json` names, each for this machine's platform.
pub(super) fn from_layout(files: &Files) -> Result<Vec<Found>, ArchiveError> {
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
            .is_some_and(Platform::is_this_machine)
    };
    let inner = index
        .manifests
        .iter()
        .find(fits)
        .ok_or(ArchiveError::Platform(manifest::architecture()))?;
    platform_manifest(inner, blobs, depth + 1)
}
