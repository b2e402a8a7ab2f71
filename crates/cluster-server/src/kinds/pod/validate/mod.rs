//! What a Pod must hold (`pkg/apis/core/validation/validation.go`). Every function returns one error
//! per fault, with Kubernetes' field paths and words, in Kubernetes' order.

mod affinity;
mod annotations;
mod container;
mod environment;
mod mounts;
mod network;
mod platform;
mod probe;
mod resources;
mod restart;
mod security;
mod selector;
mod spec;
#[cfg(test)]
mod tests;
mod volume;
mod windows;

use serde_json::Value;

use crate::field::{FieldError, Path};

pub(super) use annotations::{
    APP_ARMOR, MIRROR, SECCOMP, SECCOMP_POD, faults as annotation_faults,
};
pub(super) use network::address;
pub(super) use platform::each_container;
pub(super) use security::is_app_armor_profile;
pub(super) use spec::{Owner, metadata_and_spec, pod_tolerations, spec as pod_spec};

/// The faults of a Pod about to be created.
pub(super) fn create(pod: &Value) -> Vec<FieldError> {
    let mut out = metadata_and_spec(pod);
    if !list(&pod["spec"]["ephemeralContainers"]).is_empty() {
        out.push(FieldError::forbidden(
            &Path::new("spec.ephemeralContainers"),
            "cannot be set on create",
        ));
    }
    let gated = !list(&pod["spec"]["schedulingGates"]).is_empty();
    if gated && !text(&pod["spec"], "nodeName").is_empty() {
        let detail = "cannot be set until all schedulingGates have been cleared";
        out.push(FieldError::forbidden(&Path::new("spec.nodeName"), detail));
    }
    out.extend(annotations::match_fields(pod));
    out
}

/// The faults of a Pod template at `path` (EC-V-02).
pub(crate) fn template(template: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = super::super::metadata::validate_labels(
        &template["metadata"]["labels"],
        &path.child("labels"),
    );
    let spec_path = path.child("spec");
    out.extend(pod_spec(&template["spec"], Owner::Template, &spec_path));
    if !list(&template["spec"]["ephemeralContainers"]).is_empty() {
        let field = spec_path.child("ephemeralContainers");
        out.push(FieldError::forbidden(
            &field,
            "ephemeral containers not allowed in pod template",
        ));
    }
    out
}

/// A string, or `""`.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// A list, or an empty one.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// One `Invalid value` for each complaint about `value`.
fn invalid_each(field: &Path, value: &str, complaints: Vec<String>) -> Vec<FieldError> {
    complaints
        .into_iter()
        .map(|complaint| FieldError::invalid(field, value, complaint))
        .collect()
}

/// `Required value` if the string is empty.
fn required(field: &Path, value: &str) -> Option<FieldError> {
    value.is_empty().then(|| FieldError::required(field, ""))
}

/// `Unsupported value` unless the string is one of `supported`; an empty one is `Required value`.
fn one_of(field: &Path, value: &str, supported: &[&str]) -> Option<FieldError> {
    match value {
        "" => Some(FieldError::required(field, "")),
        value if supported.contains(&value) => None,
        value => Some(FieldError::not_supported(field, value, supported)),
    }
}

/// A path below something: relative and without `..`.
fn descending_path(field: &Path, path: &str) -> Vec<FieldError> {
    let mut out = Vec::new();
    if path.starts_with('/') {
        out.push(FieldError::invalid(field, path, "must be a relative path"));
    }
    out.extend(no_backsteps(field, path));
    out
}

/// A path without `..`.
fn no_backsteps(field: &Path, path: &str) -> Option<FieldError> {
    path.split('/')
        .any(|part| part == "..")
        .then(|| FieldError::invalid(field, path, "must not contain '..'"))
}

/// A number from `low` to `high`.
fn in_range(field: &Path, value: Option<i64>, low: i64, high: i64) -> Option<FieldError> {
    let value = value?;
    let detail = format!("must be between {low} and {high}, inclusive");
    (!(low..=high).contains(&value)).then(|| FieldError::invalid(field, value, detail))
}

/// A number that is not below zero.
fn not_negative(field: &Path, value: Option<i64>) -> Option<FieldError> {
    let value = value.filter(|value| *value < 0)?;
    Some(FieldError::invalid(
        field,
        value,
        "must be greater than or equal to 0",
    ))
}
