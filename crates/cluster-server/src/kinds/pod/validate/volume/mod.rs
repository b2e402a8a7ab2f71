//! Volumes of a Pod (`ValidateVolumes`): one source each, and what the sources must hold.

mod attached;
mod claim;
mod projected;

use std::collections::HashSet;

use serde_json::Value;

use super::{descending_path, in_range, invalid_each, list, no_backsteps, required, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;
use crate::kinds::quantity::Quantity;

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

/// The volumes without fault, which containers may mount, and the faults of the others.
pub(super) fn volumes<'a>(
    volumes: &'a [Value],
    pod: &str,
    path: &Path,
) -> (Vec<&'a Value>, Vec<FieldError>) {
    let (mut sound, mut out) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    let created: HashSet<String> = volumes
        .iter()
        .filter(|volume| !pod.is_empty() && volume["ephemeral"].is_object())
        .map(|volume| format!("{pod}-{}", text(volume, "name")))
        .collect();
    for (at, volume) in volumes.iter().enumerate() {
        let path = path.index(at);
        let (name, field) = (text(volume, "name"), path.child("name"));
        let mut faults = source(volume, pod, &path);
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
            sound.push(volume);
        }
        out.extend(faults);
        let claim = text(&volume["persistentVolumeClaim"], "claimName");
        if created.contains(claim) {
            out.push(FieldError::invalid(
                &path.child("persistentVolumeClaim.claimName"),
                claim,
                "must not reference a PVC that gets created for an ephemeral volume",
            ));
        }
    }
    (sound, out)
}

fn source(volume: &Value, pod: &str, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut held = 0;
    for kind in SOURCES.iter().filter(|kind| volume[**kind].is_object()) {
        held += 1;
        if held == 1 {
            out.extend(one_source(kind, volume, pod, path));
        } else {
            // Two names that differ from the field's are Kubernetes' own.
            let field = match *kind {
                "cephfs" => "cephFS",
                "downwardAPI" => "downwarAPI",
                other => other,
            };
            out.push(FieldError::forbidden(
                &path.child(field),
                "may not specify more than 1 volume type",
            ));
        }
        if *kind == "iscsi" {
            out.extend(attached::iscsi_length(volume, path));
        }
    }
    if held == 0 {
        out.push(FieldError::required(path, "must specify a volume type"));
    }
    out
}

fn one_source(kind: &str, volume: &Value, pod: &str, path: &Path) -> Vec<FieldError> {
    let (source, field) = (&volume[kind], path.child(kind));
    match kind {
        "emptyDir" => empty_dir(source, &field),
        "hostPath" => host_path(source, &field),
        "secret" => required(&field.child("secretName"), text(source, "secretName"))
            .into_iter()
            .chain(default_mode(source, &field))
            .chain(items(source, &field))
            .collect(),
        "configMap" => required(&field.child("name"), text(source, "name"))
            .into_iter()
            .chain(default_mode(source, &field))
            .chain(items(source, &field))
            .collect(),
        "persistentVolumeClaim" => required(&field.child("claimName"), text(source, "claimName"))
            .into_iter()
            .collect(),
        "image" => required(&field.child("reference"), text(source, "reference"))
            .into_iter()
            .chain(pull_policy(source, &field))
            .collect(),
        "downwardAPI" => default_mode(source, &field)
            .into_iter()
            .chain(projected::downward(source, &field))
            .collect(),
        "projected" => default_mode(source, &field)
            .into_iter()
            .chain(projected::sources(source, &field))
            .collect(),
        "ephemeral" => claim::ephemeral(volume, pod, path),
        // The path of this one differs from its field, as in Kubernetes.
        "gcePersistentDisk" => attached::source(kind, source, &path.child("persistentDisk")),
        _ => attached::source(kind, source, &field),
    }
}

fn empty_dir(source: &Value, path: &Path) -> Vec<FieldError> {
    let limit = source["sizeLimit"]
        .as_str()
        .and_then(|text| text.parse::<Quantity>().ok());
    limit
        .filter(Quantity::is_negative)
        .map(|_| {
            let detail = "SizeLimit field must be a valid resource quantity";
            FieldError::forbidden(&path.child("sizeLimit"), detail)
        })
        .into_iter()
        .collect()
}

fn pull_policy(source: &Value, path: &Path) -> Option<FieldError> {
    let policy = source["pullPolicy"].as_str()?;
    let field = path.child("pullPolicy");
    super::one_of(&field, policy, &["Always", "IfNotPresent", "Never"])
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

fn mode(holder: &Value, name: &str, path: &Path) -> Option<FieldError> {
    let mode = holder[name]
        .as_i64()
        .filter(|mode| !(0..=0o777).contains(mode))?;
    Some(FieldError::invalid(&path.child(name), mode, MODE))
}

fn default_mode(source: &Value, path: &Path) -> Option<FieldError> {
    mode(source, "defaultMode", path)
}

fn items(source: &Value, path: &Path) -> Vec<FieldError> {
    let items = list(&source["items"]).iter().enumerate();
    items
        .flat_map(|(at, item)| key_to_path(item, &path.child("items").index(at)))
        .collect()
}

/// `validateKeyToPath`.
fn key_to_path(item: &Value, path: &Path) -> Vec<FieldError> {
    let mut out: Vec<FieldError> = required(&path.child("key"), text(item, "key"))
        .into_iter()
        .collect();
    out.extend(file_path(item, path));
    out.extend(mode(item, "mode", path));
    out
}

/// The path of a file within a volume.
fn file_path(item: &Value, path: &Path) -> Vec<FieldError> {
    let (name, field) = (text(item, "path"), path.child("path"));
    required(&field, name)
        .into_iter()
        .chain(non_reserved_path(&field, name))
        .collect()
}

/// `ValidateLocalNonReservedPath`: relative, without `..`, and not starting with two dots.
fn non_reserved_path(field: &Path, name: &str) -> Vec<FieldError> {
    let mut out = descending_path(field, name);
    if name.starts_with("..") && !name.starts_with("../") {
        let detail = "must not start with '..'";
        out.push(FieldError::invalid(field, name, detail));
    }
    out
}
