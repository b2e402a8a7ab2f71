//! Storage that is attached from elsewhere: disks of clouds, network file systems, drivers.
//!
//! Nothing of it can be used on this cluster; Pods that name it are judged as everywhere.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{descending_path, in_range, invalid_each, list, names, required, text};
use crate::field::{Fault, FieldError, Path};

const DISK_URIS: [&str; 2] = [
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
    "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd",
];
const HOST_PORTS: &str = "must be a host:port pair or multiple pairs separated by commas";

/// Formats of iSCSI names by their prefix. They are constants, so that they always compile.
static ISCSI_NAMES: LazyLock<Vec<(&str, Option<Regex>)>> = LazyLock::new(|| {
    [
        (
            "iqn",
            r"iqn\.\d{4}-\d{2}\.([[:alnum:]\-.]+)(:[^,;*&$|\s]+)$",
        ),
        ("eui", r"^eui.[[:alnum:]]{16}$"),
        ("naa", r"^naa.[[:alnum:]]{32}$"),
    ]
    .map(|(prefix, pattern)| (prefix, Regex::new(pattern).ok()))
    .into()
});

/// The faults of one source of the kind `kind`.
pub(super) fn source(kind: &str, source: &Value, path: &Path) -> Vec<FieldError> {
    let needed = |fields: &[&str]| -> Vec<FieldError> {
        let missing = |field: &&str| required(&path.child(field), text(source, field));
        fields.iter().filter_map(missing).collect()
    };
    match kind {
        "gitRepo" => {
            let mut out = needed(&["repository"]);
            let directory = text(source, "directory");
            out.extend(descending_path(&path.child("directory"), directory));
            out
        }
        "gcePersistentDisk" => disk(source, "pdName", path),
        "awsElasticBlockStore" => disk(source, "volumeID", path),
        "nfs" => nfs(source, path),
        "iscsi" => iscsi(source, path),
        "glusterfs" => needed(&["endpoints", "path"]),
        "flocker" => flocker(source, path),
        "rbd" => {
            let mut out = monitors(source, path);
            out.extend(needed(&["image"]));
            out
        }
        "cinder" => {
            let mut out = needed(&["volumeID"]);
            out.extend(secret_name(source, "secretRef", path));
            out
        }
        "cephfs" => monitors(source, path),
        "quobyte" => quobyte(source, path),
        "fc" => fibre_channel(source, path),
        "flexVolume" => flex_volume(source, path),
        "azureFile" => needed(&["secretName", "shareName"]),
        "vsphereVolume" => needed(&["volumePath"]),
        "photonPersistentDisk" => needed(&["pdID"]),
        "portworxVolume" => needed(&["volumeID"]),
        "azureDisk" => azure_disk(source, path),
        "storageos" => storage_os(source, path),
        "scaleIO" => needed(&["gateway", "system", "volumeName"]),
        "csi" => csi(source, path),
        _ => Vec::new(),
    }
}

/// The name of a volume and its portal must fit together where an initiator is named.
pub(super) fn iscsi_length(volume: &Value, path: &Path) -> Option<FieldError> {
    let (name, iscsi) = (text(volume, "name"), &volume["iscsi"]);
    let length = name.len() + 1 + text(iscsi, "targetPortal").len();
    (iscsi["initiatorName"].is_string() && length > 64).then(|| {
        let detail = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
        FieldError::invalid(&path.child("name"), name, detail)
    })
}

fn disk(source: &Value, name: &str, path: &Path) -> Vec<FieldError> {
    let partition = source["partition"]
        .as_i64()
        .filter(|n| !(0..=255).contains(n));
    let out_of_range = partition.map(|number| {
        let detail = "must be between 1 and 255, inclusive";
        FieldError::invalid(&path.child("partition"), number, detail)
    });
    required(&path.child(name), text(source, name))
        .into_iter()
        .chain(out_of_range)
        .collect()
}

fn nfs(source: &Value, path: &Path) -> Vec<FieldError> {
    let (export, field) = (text(source, "path"), path.child("path"));
    let mut out: Vec<FieldError> = required(&path.child("server"), text(source, "server"))
        .into_iter()
        .collect();
    out.extend(required(&field, export));
    if !export.starts_with('/') {
        let detail = "must be an absolute path";
        out.push(FieldError::invalid(&field, export, detail));
    }
    out
}

fn iscsi(source: &Value, path: &Path) -> Vec<FieldError> {
    let (iqn, field) = (text(source, "iqn"), path.child("iqn"));
    let portal = path.child("targetPortal");
    let mut out: Vec<FieldError> = required(&portal, text(source, "targetPortal"))
        .into_iter()
        .collect();
    if iqn.is_empty() {
        out.push(FieldError::required(&field, ""));
    } else {
        out.extend(iscsi_name(iqn, &field));
    }
    out.extend(in_range(&path.child("lun"), source["lun"].as_i64(), 0, 255));
    let authenticates = source["chapAuthDiscovery"] == true || source["chapAuthSession"] == true;
    if authenticates && !source["secretRef"].is_object() {
        out.push(FieldError::required(&path.child("secretRef"), ""));
    }
    if let Some(initiator) = source["initiatorName"].as_str() {
        out.extend(iscsi_name(initiator, &path.child("initiatorname")));
    }
    out
}

fn iscsi_name(name: &str, field: &Path) -> Option<FieldError> {
    let known = ISCSI_NAMES
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix));
    let Some((_, format)) = known else {
        let detail = "must be valid format starting with iqn, eui, or naa";
        return Some(FieldError::invalid(field, name, detail));
    };
    let holds = format.as_ref().is_some_and(|format| format.is_match(name));
    (!holds).then(|| FieldError::invalid(field, name, "must be valid format"))
}

fn flocker(source: &Value, path: &Path) -> Vec<FieldError> {
    let (name, uuid) = (text(source, "datasetName"), text(source, "datasetUUID"));
    let mut out = Vec::new();
    match (name.is_empty(), uuid.is_empty()) {
        (true, true) => {
            let detail = "one of datasetName and datasetUUID is required";
            out.push(FieldError::required(path, detail));
        }
        (false, false) => {
            let detail = "datasetName and datasetUUID can not be specified simultaneously";
            out.push(FieldError::invalid(path, "resource", detail));
        }
        _ => {}
    }
    if name.contains('/') {
        let field = path.child("datasetName");
        out.push(FieldError::invalid(&field, name, "must not contain '/'"));
    }
    out
}

fn monitors(source: &Value, path: &Path) -> Vec<FieldError> {
    let missing = list(&source["monitors"]).is_empty();
    let fault = missing.then(|| FieldError::required(&path.child("monitors"), ""));
    fault.into_iter().collect()
}

fn secret_name(source: &Value, field: &str, path: &Path) -> Option<FieldError> {
    let secret = source[field].is_object().then(|| &source[field])?;
    required(&path.child(field).child("name"), text(secret, "name"))
}

fn quobyte(source: &Value, path: &Path) -> Vec<FieldError> {
    let (registry, field) = (text(source, "registry"), path.child("registry"));
    let mut out = Vec::new();
    if registry.is_empty() {
        out.push(FieldError::required(&field, HOST_PORTS));
    } else if text(source, "tenant").len() >= 65 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        out.push(FieldError::required(&path.child("tenant"), detail));
    } else {
        let bad = registry.split(',').filter(|pair| !pair.contains(':'));
        out.extend(bad.map(|_| FieldError::invalid(&field, registry, HOST_PORTS)));
    }
    out.extend(required(&path.child("volume"), text(source, "volume")));
    out
}

fn fibre_channel(source: &Value, path: &Path) -> Vec<FieldError> {
    let (wwns, wwids) = (list(&source["targetWWNs"]), list(&source["wwids"]));
    let (field, lun) = (path.child("targetWWNs"), path.child("lun"));
    let mut out = Vec::new();
    if wwns.is_empty() && wwids.is_empty() {
        let detail = "must specify either targetWWNs or wwids, but not both";
        out.push(FieldError::required(&field, detail));
    }
    if !wwns.is_empty() && !wwids.is_empty() {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        out.push(FieldError::invalid(&field, wwns.to_vec(), detail));
    }
    if !wwns.is_empty() {
        match source["lun"].as_i64() {
            None => {
                let detail = "lun is required if targetWWNs is specified";
                out.push(FieldError::required(&lun, detail));
            }
            number => out.extend(in_range(&lun, number, 0, 255)),
        }
    }
    out
}

fn flex_volume(source: &Value, path: &Path) -> Vec<FieldError> {
    let mut out: Vec<FieldError> = required(&path.child("driver"), text(source, "driver"))
        .into_iter()
        .collect();
    for (key, _) in source["options"].as_object().into_iter().flatten() {
        let namespace = key.split('/').next().unwrap_or_default().to_lowercase();
        let normal = format!(".{namespace}");
        if normal.ends_with(".kubernetes.io") || normal.ends_with(".k8s.io") {
            let field = path.child("options").key(key);
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            out.push(FieldError::invalid(&field, key.as_str(), detail));
        }
    }
    out
}

fn azure_disk(source: &Value, path: &Path) -> Vec<FieldError> {
    let (uri, field) = (text(source, "diskURI"), path.child("diskURI"));
    let mut out: Vec<FieldError> = required(&path.child("diskName"), text(source, "diskName"))
        .into_iter()
        .collect();
    out.extend(required(&field, uri));
    for (name, supported) in [
        ("cachingMode", ["None", "ReadOnly", "ReadWrite"]),
        ("kind", ["Dedicated", "Managed", "Shared"]),
    ] {
        let value = source[name]
            .as_str()
            .filter(|value| !supported.contains(value));
        let unsupported = |value| FieldError::not_supported(&path.child(name), value, &supported);
        out.extend(value.map(unsupported));
    }
    match source["kind"].as_str() {
        Some("Managed") if !uri.starts_with("/subscriptions/") => {
            out.push(FieldError::not_supported(&field, uri, &DISK_URIS[..1]));
        }
        Some(kind) if kind != "Managed" && !uri.starts_with("https://") => {
            out.push(FieldError::not_supported(&field, uri, &DISK_URIS[1..]));
        }
        _ => {}
    }
    out
}

fn storage_os(source: &Value, path: &Path) -> Vec<FieldError> {
    let label = |field: &str| {
        let name = text(source, field);
        invalid_each(&path.child(field), name, names::dns_label(name))
    };
    let mut out = match text(source, "volumeName") {
        "" => vec![FieldError::required(&path.child("volumeName"), "")],
        _ => label("volumeName"),
    };
    if !text(source, "volumeNamespace").is_empty() {
        out.extend(label("volumeNamespace"));
    }
    out.extend(secret_name(source, "secretRef", path));
    out
}

fn csi(source: &Value, path: &Path) -> Vec<FieldError> {
    let (driver, field) = (text(source, "driver"), path.child("driver"));
    let mut out: Vec<FieldError> = required(&field, driver).into_iter().collect();
    if driver.len() > 63 {
        out.push(FieldError::new(&field, Fault::TooLong(63), ""));
    }
    let complaints = names::dns_subdomain(&driver.to_lowercase());
    out.extend(invalid_each(&field, driver, complaints));
    let secret = &source["nodePublishSecretRef"];
    if secret.is_object() {
        match text(secret, "name") {
            "" => out.push(FieldError::required(
                &path.child("nodePublishSecretRef.name"),
                "",
            )),
            name => {
                let complaints = names::dns_subdomain(name);
                out.extend(invalid_each(&path.child("name"), name, complaints));
            }
        }
    }
    out
}
