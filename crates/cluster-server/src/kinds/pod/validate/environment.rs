//! Environment variables of a container.

use serde_json::Value;

use super::{descending_path, invalid_each, list, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;
use crate::kinds::quantity::Quantity;

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
pub(super) fn variables(env: &Value, volumes: &[&Value], path: &Path) -> Vec<FieldError> {
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

fn value_from(from: &Value, has_value: bool, volumes: &[&Value], path: &Path) -> Vec<FieldError> {
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
            false,
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
        let key = match of {
            "metadata.annotations" => key.to_lowercase(),
            "metadata.labels" => key.to_owned(),
            _ => {
                let detail = format!(
                    "error converting fieldPath: field label does not support subscript: {field}"
                );
                return vec![FieldError::invalid(&at, field, detail)];
            }
        };
        return invalid_each(path, &key, names::qualified(&key));
    }
    // What version 1 called it once.
    let field = if field == "spec.host" {
        "spec.nodeName"
    } else {
        field
    };
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

/// The faults of a `resourceFieldRef`; in a volume it must name a container.
pub(super) fn resource_ref(reference: &Value, in_volume: bool, path: &Path) -> Vec<FieldError> {
    let resource = text(reference, "resource");
    let huge = ["limits.hugepages-", "requests.hugepages-"]
        .iter()
        .any(|prefix| resource.starts_with(prefix));
    let field = path.child("resource");
    let mut out = Vec::new();
    if in_volume && text(reference, "containerName").is_empty() {
        out.push(FieldError::required(&path.child("containerName"), ""));
    } else if resource.is_empty() {
        out.push(FieldError::required(&field, ""));
    } else if !huge && !RESOURCES.contains(&resource) {
        out.push(FieldError::not_supported(&field, resource, RESOURCES));
    }
    let named = match resource.split_once('.').unwrap_or_default().1 {
        "cpu" => "cpu",
        "memory" => "memory",
        "ephemeral-storage" => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return out,
    };
    out.extend(divisor(reference, resource, named, &path.child("divisor")));
    out
}

/// What an amount may be divided by. The value in the message is the resource, as in Kubernetes.
fn divisor(reference: &Value, resource: &str, named: &str, field: &Path) -> Option<FieldError> {
    let divisor: Quantity = text(reference, "divisor").parse().ok()?;
    let supported = if named == "cpu" {
        "1m and 1"
    } else {
        "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
    };
    let printed = divisor.to_string();
    let mut known = supported.split(", ").flat_map(|part| part.split(" and "));
    (!divisor.is_zero() && !known.any(|one| one == printed)).then(|| {
        let detail =
            format!("only divisor's values {supported} are supported with the {named} resource");
        FieldError::invalid(field, resource, detail)
    })
}

fn key_ref(reference: &Value, path: &Path) -> Vec<FieldError> {
    let name = text(reference, "name");
    let mut out = invalid_each(&path.child("name"), name, names::dns_subdomain(name));
    let (key, field) = (text(reference, "key"), path.child("key"));
    match key {
        "" => out.push(FieldError::required(&field, "")),
        key => out.extend(invalid_each(&field, key, names::config_key(key))),
    }
    out
}

fn file_ref(reference: &Value, volumes: &[&Value], path: &Path) -> Vec<FieldError> {
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
                out.extend(source_name(&source[name], &item.child(name).child("name")));
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

/// The name of a ConfigMap or Secret, which may be a prefix of one that is still to be generated.
fn source_name(source: &Value, field: &Path) -> Vec<FieldError> {
    let name = text(source, "name");
    if name.is_empty() {
        return vec![FieldError::required(field, "")];
    }
    invalid_each(field, name, names::dns_subdomain(&names::prefix(name)))
}
