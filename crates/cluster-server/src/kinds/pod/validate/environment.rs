//! Environment variables of a container.

use serde_json::Value;

use super::{descending_path, invalid_each, list, required, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;

const TOO_MANY: &str = "may not have more than one field specified at a time";
/// What `fieldRef` may name in an environment variable, sorted.
const ENV_FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What `fieldRef` may name in a volume, sorted.
const VOLUME_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
/// What can be named at all.
const ALL_FIELDS: &[&str] = &[
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// What `resourceFieldRef` may name, sorted.
const RESOURCES: &[&str] = &[
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

/// The faults of `env` (`ValidateEnv`), and of references to files in volumes.
pub(super) fn variables(env: &Value, volumes: &[Value], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, variable) in list(env).iter().enumerate() {
        let path = path.index(at);
        let (name, field) = (text(variable, "name"), path.child("name"));
        if name.is_empty() {
            out.push(FieldError::required(&field, ""));
        } else {
            out.extend(invalid_each(&field, name, names::env_name(name)));
        }
        if variable["valueFrom"].is_object() {
            let has_value = !text(variable, "value").is_empty();
            out.extend(value_from(
                &variable["valueFrom"],
                has_value,
                volumes,
                &path.child("valueFrom"),
            ));
        }
    }
    out
}

fn value_from(from: &Value, has_value: bool, volumes: &[Value], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut sources = 0;
    let mut source = |name: &str| {
        let held = from[name].is_object();
        sources += usize::from(held);
        held
    };
    if source("fieldRef") {
        out.extend(field_ref(
            &from["fieldRef"],
            ENV_FIELDS,
            &path.child("fieldRef"),
        ));
    }
    if source("resourceFieldRef") {
        out.extend(resource_ref(
            &from["resourceFieldRef"],
            &path.child("resourceFieldRef"),
        ));
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if source(name) {
            out.extend(key_ref(&from[name], &path.child(name)));
        }
    }
    if source("fileKeyRef") {
        out.extend(file_ref(
            &from["fileKeyRef"],
            volumes,
            &path.child("fileKeyRef"),
        ));
    }
    if sources == 0 {
        let detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        out.push(FieldError::invalid(path, "", detail));
    } else if has_value {
        out.push(FieldError::invalid(
            path,
            "",
            "may not be specified when `value` is not empty",
        ));
    } else if sources > 1 {
        out.push(FieldError::invalid(path, "", TOO_MANY));
    }
    out
}

/// The faults of a downward-API file's `fieldRef`.
pub(super) fn volume_field_ref(reference: &Value, path: &Path) -> Vec<FieldError> {
    field_ref(reference, VOLUME_FIELDS, path)
}

fn field_ref(reference: &Value, supported: &[&str], path: &Path) -> Vec<FieldError> {
    let (version, field) = (text(reference, "apiVersion"), text(reference, "fieldPath"));
    if version.is_empty() {
        return vec![FieldError::required(&path.child("apiVersion"), "")];
    }
    if field.is_empty() {
        return vec![FieldError::required(&path.child("fieldPath"), "")];
    }
    let at = path.child("fieldPath");
    if version != "v1" {
        let detail = format!("error converting fieldPath: unsupported pod version: {version}");
        return vec![FieldError::invalid(&at, field, detail)];
    }
    if let Some((of, key)) = subscript(field) {
        let key_checked = match of {
            "metadata.annotations" => key.to_lowercase(),
            "metadata.labels" => key.to_owned(),
            _ => {
                let detail = format!(
                    "error converting fieldPath: field label does not support subscript: {field}"
                );
                return vec![FieldError::invalid(&at, field, detail)];
            }
        };
        return invalid_each(path, key, names::qualified(&key_checked));
    }
    if !ALL_FIELDS.contains(&field) {
        let detail = format!("error converting fieldPath: field label not supported: {field}");
        return vec![FieldError::invalid(&at, field, detail)];
    }
    if supported.contains(&field) {
        Vec::new()
    } else {
        vec![FieldError::not_supported(&at, field, supported)]
    }
}

/// `metadata.labels['a/b']` as its map and key.
fn subscript(path: &str) -> Option<(&str, &str)> {
    let (of, key) = path.strip_suffix("']")?.split_once("['")?;
    (!of.is_empty()).then_some((of, key))
}

/// The faults of a `resourceFieldRef`.
pub(super) fn resource_ref(reference: &Value, path: &Path) -> Vec<FieldError> {
    let resource = text(reference, "resource");
    if resource.is_empty() {
        return vec![FieldError::required(&path.child("resource"), "")];
    }
    let huge = ["limits.hugepages-", "requests.hugepages-"]
        .iter()
        .any(|prefix| resource.starts_with(prefix));
    if !huge && !RESOURCES.contains(&resource) {
        return vec![FieldError::not_supported(
            &path.child("resource"),
            resource,
            RESOURCES,
        )];
    }
    let divisor = text(reference, "divisor");
    let (supported, named): (&[&str], &str) = if resource.ends_with("cpu") {
        (&["", "0", "1m", "1"], "1m and 1")
    } else {
        (
            &[
                "", "0", "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti",
                "1Pi", "1Ei",
            ],
            "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei",
        )
    };
    if supported.contains(&divisor) {
        return Vec::new();
    }
    let of = resource.rsplit('.').next().unwrap_or_default();
    let of = if of == "ephemeral-storage" {
        "local ephemeral storage"
    } else {
        of
    };
    let detail = format!("only divisor's values {named} are supported with the {of} resource");
    vec![FieldError::invalid(&path.child("divisor"), divisor, detail)]
}

fn key_ref(reference: &Value, path: &Path) -> Vec<FieldError> {
    let mut out: Vec<FieldError> = required(&path.child("name"), text(reference, "name"))
        .into_iter()
        .collect();
    let (key, field) = (text(reference, "key"), path.child("key"));
    match key {
        "" => out.push(FieldError::required(&field, "")),
        key => out.extend(invalid_each(&field, key, names::config_key(key))),
    }
    out
}

fn file_ref(reference: &Value, volumes: &[Value], path: &Path) -> Vec<FieldError> {
    let (volume, field) = (text(reference, "volumeName"), path.child("volumeName"));
    let mut out = Vec::new();
    if volume.is_empty() {
        out.push(FieldError::required(&field, ""));
    }
    match text(reference, "key") {
        "" => out.push(FieldError::required(&path.child("key"), "")),
        key => out.extend(invalid_each(&path.child("key"), key, names::env_name(key))),
    }
    match text(reference, "path") {
        "" => out.push(FieldError::required(&path.child("path"), "")),
        file => out.extend(descending_path(&path.child("path"), file)),
    }
    if !volume.is_empty() {
        match volumes.iter().find(|candidate| candidate["name"] == volume) {
            None => out.push(FieldError::not_found(&field, volume)),
            Some(found) if !found["emptyDir"].is_object() => {
                out.push(FieldError::invalid(
                    &field,
                    volume,
                    "referenced volume must be of type emptyDir",
                ));
            }
            Some(_) => {}
        }
    }
    out
}

/// The faults of `envFrom` (`ValidateEnvFrom`). Errors about the number of sources carry no index.
pub(super) fn sources(env_from: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, source) in list(env_from).iter().enumerate() {
        let item = path.index(at);
        let prefix = text(source, "prefix");
        if !prefix.is_empty() {
            out.extend(invalid_each(
                &item.child("prefix"),
                prefix,
                names::env_name(prefix),
            ));
        }
        let mut held = 0;
        for name in ["configMapRef", "secretRef"] {
            if source[name].is_object() {
                held += 1;
                out.extend(required(
                    &item.child(name).child("name"),
                    text(&source[name], "name"),
                ));
            }
        }
        match held {
            0 => out.push(FieldError::invalid(
                path,
                "",
                "must specify one of: `configMapRef` or `secretRef`",
            )),
            1 => {}
            _ => out.push(FieldError::invalid(path, "", TOO_MANY)),
        }
    }
    out
}
