//! Volume mounts and devices of a container.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{descending_path, list, no_backsteps, required, text};
use crate::field::{FieldError, Path};

/// The faults of `volumeMounts` (`ValidateVolumeMounts`). Some paths carry no index, as in Kubernetes.
pub(super) fn mounts(container: &Value, volumes: &[&Value], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    let devices = list(&container["volumeDevices"]);
    for (at, mount) in list(&container["volumeMounts"]).iter().enumerate() {
        let item = path.index(at);
        let (name, mount_path) = (text(mount, "name"), text(mount, "mountPath"));
        out.extend(required(&item.child("name"), name));
        if !volumes.iter().any(|volume| volume["name"] == name) {
            out.push(FieldError::not_found(&item.child("name"), name));
        }
        out.extend(required(&item.child("mountPath"), mount_path));
        if !seen.insert(mount_path) {
            out.push(FieldError::invalid(
                &item.child("mountPath"),
                mount_path,
                "must be unique",
            ));
        }
        if devices.iter().any(|device| device["name"] == name) {
            out.push(FieldError::invalid(
                &item.child("name"),
                name,
                "must not already exist in volumeDevices",
            ));
        }
        if paths_by_name(devices, "devicePath")
            .values()
            .any(|path| *path == mount_path)
        {
            let detail = "must not already exist as a path in volumeDevices";
            out.push(FieldError::invalid(
                &item.child("mountPath"),
                mount_path,
                detail,
            ));
        }
        out.extend(sub_paths(mount, &item, path));
        out.extend(propagation(
            mount,
            container,
            &path.child("mountPropagation"),
        ));
        out.extend(recursive_read_only(mount, &path.child("recursiveReadOnly")));
    }
    out
}

/// The path of each volume; of several the last one.
fn paths_by_name<'a>(entries: &'a [Value], field: &str) -> HashMap<&'a str, &'a str> {
    let pairs = entries
        .iter()
        .map(|one| (text(one, "name"), text(one, field)));
    pairs.collect()
}

fn sub_paths(mount: &Value, item: &Path, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let (sub, expr) = (text(mount, "subPath"), text(mount, "subPathExpr"));
    if !sub.is_empty() {
        out.extend(descending_path(&path.child("subPath"), sub));
    }
    if !expr.is_empty() {
        if !sub.is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            out.push(FieldError::invalid(
                &item.child("subPathExpr"),
                expr,
                detail,
            ));
        }
        out.extend(descending_path(&path.child("subPathExpr"), expr));
    }
    out
}

fn propagation(mount: &Value, container: &Value, field: &Path) -> Option<FieldError> {
    let mode = mount["mountPropagation"].as_str()?;
    let supported = ["Bidirectional", "HostToContainer", "None"];
    if !supported.contains(&mode) {
        return Some(FieldError::not_supported(field, mode, &supported));
    }
    let privileged = container["securityContext"]["privileged"] == true;
    (mode == "Bidirectional" && !privileged).then(|| {
        FieldError::forbidden(
            field,
            "Bidirectional mount propagation is available only to privileged containers",
        )
    })
}

fn recursive_read_only(mount: &Value, field: &Path) -> Vec<FieldError> {
    let Some(mode) = mount["recursiveReadOnly"].as_str() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    match mode {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if mount["readOnly"] != true {
                out.push(FieldError::forbidden(
                    field,
                    "may only be specified when readOnly is true",
                ));
            }
            if mount["mountPropagation"]
                .as_str()
                .is_some_and(|mode| mode != "None")
            {
                let detail = "may only be specified when mountPropagation is None or not specified";
                out.push(FieldError::forbidden(field, detail));
            }
        }
        mode => out.push(FieldError::not_supported(
            field,
            mode,
            &["Disabled", "Enabled", "IfPossible"],
        )),
    }
    out
}

/// The faults of `volumeDevices` (`ValidateVolumeDevices`).
pub(super) fn devices(container: &Value, volumes: &[&Value], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let (mut names, mut paths) = (HashSet::new(), HashSet::new());
    let mounts = list(&container["volumeMounts"]);
    for (at, device) in list(&container["volumeDevices"]).iter().enumerate() {
        let item = path.index(at);
        let (name_field, path_field) = (item.child("name"), item.child("devicePath"));
        let (name, device_path) = (text(device, "name"), text(device, "devicePath"));
        out.extend(required(&name_field, name));
        if names.contains(name) {
            out.push(FieldError::invalid(&name_field, name, "must be unique"));
        }
        match volumes.iter().find(|volume| volume["name"] == name) {
            None => out.push(FieldError::not_found(&name_field, name)),
            Some(volume)
                if !volume["persistentVolumeClaim"].is_object()
                    && !volume["ephemeral"].is_object() =>
            {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                out.push(FieldError::invalid(&name_field, name, detail));
            }
            Some(_) => {}
        }
        out.extend(required(&path_field, device_path));
        if paths.contains(device_path) {
            out.push(FieldError::invalid(
                &path_field,
                device_path,
                "must be unique",
            ));
        }
        if no_backsteps(&path_field, device_path).is_some() {
            out.push(FieldError::invalid(
                &path_field,
                device_path,
                "can not contain backsteps ('..')",
            ));
        } else {
            paths.insert(device_path);
        }
        if mounts.iter().any(|mount| mount["name"] == name) {
            out.push(FieldError::invalid(
                &name_field,
                name,
                "must not already exist in volumeMounts",
            ));
        }
        if paths_by_name(mounts, "mountPath")
            .values()
            .any(|path| *path == device_path)
        {
            let detail = "must not already exist as a path in volumeMounts";
            out.push(FieldError::invalid(&path_field, device_path, detail));
        }
        if !name.is_empty() {
            names.insert(name);
        }
    }
    out
}
