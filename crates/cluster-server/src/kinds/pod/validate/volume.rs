//! Volumes of a Pod.

use std::collections::HashSet;

use serde_json::Value;

use super::{descending_path, environment, invalid_each, list, no_backsteps, required, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;

/// Kinds of volumes in the order in which they are looked at: the second one present is one too many.
const SOURCES: &[&str] = &[
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];
const HOST_PATH_TYPES: &[&str] = &[
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];
const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// The faults of `volumes` (`ValidateVolumes`).
pub(super) fn volumes(volumes: &[Value], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (at, volume) in volumes.iter().enumerate() {
        let path = path.index(at);
        let (name, field) = (text(volume, "name"), path.child("name"));
        let mut faults = source(volume, &path);
        if name.is_empty() {
            faults.push(FieldError::required(&field, ""));
        } else {
            faults.extend(invalid_each(&field, name, names::dns_label(name)));
        }
        if seen.contains(name) {
            faults.push(FieldError::duplicate(&field, name));
        }
        if faults.is_empty() {
            seen.insert(name);
        }
        out.extend(faults);
    }
    out
}

fn source(volume: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut held = 0;
    for kind in SOURCES.iter().filter(|kind| volume[**kind].is_object()) {
        held += 1;
        let field = path.child(kind);
        if held > 1 {
            out.push(FieldError::forbidden(
                &field,
                "may not specify more than 1 volume type",
            ));
        } else {
            out.extend(one_source(kind, &volume[*kind], &field));
        }
    }
    if held == 0 {
        out.push(FieldError::required(path, "must specify a volume type"));
    }
    out
}

fn one_source(kind: &str, source: &Value, path: &Path) -> Vec<FieldError> {
    let named = |field: &str| required(&path.child(field), text(source, field)).into_iter();
    match kind {
        "hostPath" => host_path(source, path),
        "secret" => named("secretName").chain(items(source, path)).collect(),
        "configMap" => named("name").chain(items(source, path)).collect(),
        "persistentVolumeClaim" => named("claimName").collect(),
        "nfs" => named("server").chain(named("path")).collect(),
        "image" => named("reference").collect(),
        "csi" => named("driver").collect(),
        "downwardAPI" => default_mode(source, path)
            .into_iter()
            .chain(downward(source, path))
            .collect(),
        "projected" => projected(source, path),
        "ephemeral" if !source["volumeClaimTemplate"].is_object() => {
            vec![FieldError::required(&path.child("volumeClaimTemplate"), "")]
        }
        _ => Vec::new(),
    }
}

fn host_path(source: &Value, path: &Path) -> Vec<FieldError> {
    let host = text(source, "path");
    let field = path.child("path");
    if host.is_empty() {
        return vec![FieldError::required(&field, "")];
    }
    let mut out: Vec<FieldError> = no_backsteps(&field, host).into_iter().collect();
    let kind = text(source, "type");
    if !HOST_PATH_TYPES.contains(&kind) {
        out.push(FieldError::not_supported(
            &path.child("type"),
            kind,
            HOST_PATH_TYPES,
        ));
    }
    out
}

fn default_mode(source: &Value, path: &Path) -> Option<FieldError> {
    let mode = source["defaultMode"]
        .as_i64()
        .filter(|mode| !(0..=0o777).contains(mode))?;
    Some(FieldError::invalid(&path.child("defaultMode"), mode, MODE))
}

fn items(source: &Value, path: &Path) -> Vec<FieldError> {
    let mut out: Vec<FieldError> = default_mode(source, path).into_iter().collect();
    for (at, item) in list(&source["items"]).iter().enumerate() {
        let path = path.child("items").index(at);
        out.extend(required(&path.child("key"), text(item, "key")));
        out.extend(file(item, &path));
    }
    out
}

/// A file's path within a volume, and its mode.
fn file(item: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let (name, field) = (text(item, "path"), path.child("path"));
    if name.is_empty() {
        out.push(FieldError::required(&field, ""));
    } else {
        out.extend(descending_path(&field, name));
        if name.starts_with("..") && !name.starts_with("../") && name != ".." {
            out.push(FieldError::invalid(
                &field,
                name,
                "must not start with '..'",
            ));
        }
    }
    if let Some(mode) = item["mode"]
        .as_i64()
        .filter(|mode| !(0..=0o777).contains(mode))
    {
        out.push(FieldError::invalid(&path.child("mode"), mode, MODE));
    }
    out
}

fn downward(source: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for item in list(&source["items"]) {
        // Kubernetes gives these paths no index.
        out.extend(file(item, path));
        let (field, resource) = (
            item["fieldRef"].is_object(),
            item["resourceFieldRef"].is_object(),
        );
        match (field, resource) {
            (true, true) => {
                out.push(FieldError::invalid(
                    path,
                    "resource",
                    "fieldRef and resourceFieldRef can not be specified simultaneously",
                ));
            }
            (true, false) => out.extend(environment::volume_field_ref(
                &item["fieldRef"],
                &path.child("fieldRef"),
            )),
            (false, true) => {
                let path = path.child("resourceFieldRef");
                let of = &item["resourceFieldRef"];
                out.extend(required(
                    &path.child("containerName"),
                    text(of, "containerName"),
                ));
                out.extend(environment::resource_ref(of, &path));
            }
            (false, false) => out.push(FieldError::required(
                path,
                "one of fieldRef and resourceFieldRef is required",
            )),
        }
    }
    out
}

fn projected(source: &Value, path: &Path) -> Vec<FieldError> {
    let mut out: Vec<FieldError> = default_mode(source, path).into_iter().collect();
    for (at, projection) in list(&source["sources"]).iter().enumerate() {
        let path = path.child("sources").index(at);
        let mut held = 0;
        for kind in [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
            "podCertificate",
        ] {
            let part = &projection[kind];
            if !part.is_object() {
                continue;
            }
            held += 1;
            let field = path.child(kind);
            if held > 1 {
                out.push(FieldError::forbidden(
                    &field,
                    "may not specify more than 1 volume type",
                ));
                continue;
            }
            match kind {
                "secret" | "configMap" => {
                    out.extend(required(&field.child("name"), text(part, "name")));
                    out.extend(items(part, &field));
                }
                "downwardAPI" => out.extend(downward(part, &field)),
                "serviceAccountToken" => out.extend(token(part, &field)),
                _ => {}
            }
        }
        if held == 0 {
            out.push(FieldError::required(
                &path,
                "must specify at least one volume source",
            ));
        }
    }
    out
}

fn token(part: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let seconds = part["expirationSeconds"].as_i64().unwrap_or(0);
    let field = path.child("expirationSeconds");
    if seconds < 10 * 60 {
        out.push(FieldError::invalid(
            &field,
            seconds,
            "may not specify a duration less than 10 minutes",
        ));
    } else if seconds > 1 << 32 {
        out.push(FieldError::invalid(
            &field,
            seconds,
            "may not specify a duration larger than 2^32 seconds",
        ));
    }
    match text(part, "path") {
        "" => out.push(FieldError::required(&path.child("path"), "")),
        name => out.extend(descending_path(&path.child("path"), name)),
    }
    out
}
