//! Volumes of kinds that are gone, and files of one volume that get into each other's way.

use std::fmt;

use serde_json::Value;

use super::{list, text};
use crate::field::Path;

/// Kinds in the order in which they are looked at, under the names that Kubernetes prints.
const GONE: &[(&str, &str, &str)] = &[
    (
        "photonPersistentDisk",
        "photonPersistentDisk",
        "deprecated in v1.11, non-functional in v1.16+",
    ),
    (
        "gitRepo",
        "gitRepo",
        "deprecated in v1.11, and disabled by default in v1.33+",
    ),
    (
        "scaleIO",
        "scaleIO",
        "deprecated in v1.16, non-functional in v1.22+",
    ),
    (
        "flocker",
        "flocker",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "storageos",
        "storageOS",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "quobyte",
        "quobyte",
        "deprecated in v1.22, non-functional in v1.25+",
    ),
    (
        "glusterfs",
        "glusterfs",
        "deprecated in v1.25, non-functional in v1.26+",
    ),
    (
        "cephfs",
        "cephfs",
        "deprecated in v1.28, non-functional in v1.31+",
    ),
    (
        "rbd",
        "rbd",
        "deprecated in v1.28, non-functional in v1.31+",
    ),
];

/// A file of a volume, and whence it comes.
#[derive(PartialEq)]
struct File {
    path: String,
    source: String,
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, source } = self;
        if source.is_empty() {
            write!(f, "{path:?}")
        } else {
            write!(f, "{path:?} ({source})")
        }
    }
}

impl File {
    fn collides_with(&self, other: &Self) -> bool {
        let below = |a: &str, b: &str| format!("{a}/").starts_with(&format!("{b}/"));
        let held = !self.path.is_empty() && !other.path.is_empty();
        held && (below(&self.path, &other.path) || below(&other.path, &self.path))
    }
}

/// Warns of them.
pub(super) fn warn(spec: &Value, path: &Path, out: &mut Vec<String>) {
    let volumes = list(spec, "volumes");
    for (at, volume) in volumes.iter().enumerate() {
        for (kind, printed, advice) in GONE {
            if volume[*kind].is_object() {
                let field = path.child("volumes").index(at).child(printed);
                out.push(format!("{field}: {advice}"));
            }
        }
    }
    for volume in volumes {
        let name = text(volume, "name");
        for (kind, named) in [
            ("configMap", "name"),
            ("secret", "secretName"),
            ("downwardAPI", ""),
        ] {
            let source = &volume[kind];
            let told = match kind {
                "configMap" => format!("ConfigMap {:?}", text(source, named)),
                "secret" => format!("Secret {:?}", text(source, named)),
                _ => "DownwardAPI".to_owned(),
            };
            collisions(name, &told, &files(source, ""), out);
        }
        projected(volume, out);
    }
}

fn files(source: &Value, told: &str) -> Vec<File> {
    let items = list(source, "items").iter();
    items.map(|item| file(text(item, "path"), told)).collect()
}

fn file(path: &str, source: &str) -> File {
    File {
        path: path.trim_end_matches('/').to_owned(),
        source: source.to_owned(),
    }
}

fn projected(volume: &Value, out: &mut Vec<String>) {
    let name = text(volume, "name");
    let mut all = Vec::new();
    for source in list(&volume["projected"], "sources") {
        if source.as_object().is_none_or(serde_json::Map::is_empty) {
            out.push(format!(
                "volume {name:?} (Projected) has no sources provided"
            ));
        }
        let (map, secret) = (&source["configMap"], &source["secret"]);
        let token = &source["serviceAccountToken"];
        if !list(map, "items").is_empty() {
            all.extend(files(map, &format!("ConfigMap {:?}", text(map, "name"))));
        } else if !list(secret, "items").is_empty() {
            all.extend(files(secret, &format!("Secret {:?}", text(secret, "name"))));
        } else if !list(&source["downwardAPI"], "items").is_empty() {
            all.extend(files(&source["downwardAPI"], "DownwardAPI"));
        } else if token.is_object() {
            all.push(file(text(token, "path"), "ServiceAccountToken"));
        }
    }
    collisions(name, "Projected", &all, out);
}

fn collisions(volume: &str, told: &str, files: &[File], out: &mut Vec<String>) {
    for (at, file) in files.iter().enumerate() {
        for other in files[..at].iter().filter(|other| file.collides_with(other)) {
            out.push(format!(
                "volume {volume:?} ({told}): overlapping paths: {file} with {other}"
            ));
        }
    }
}
