//! What `docker save` writes: `manifest.json` beside layers and configs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::super::manifest::{Descriptor, Manifest, media};
use super::files::Files;
use super::{ArchiveError, Found, document, finish, full_name, hash, parse};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// The images that `manifest.json` names.
pub(super) fn from_docker(files: &Files, staging: &Path) -> Result<Vec<Found>, ArchiveError> {
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
