//! Resources within resources (`x-kubernetes-embedded-resource`) say what they are (`structural/objectmeta`).

use serde_json::Value;

use super::flag;
use super::walk::walk;
use crate::field::{FieldError, Path};
use crate::kinds::names::dns_1035_label;

/// What does not hold in the resources within `value`.
pub(in crate::crd) fn check_embedded(value: &Value, schema: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(
        value,
        schema,
        &Path::default(),
        &mut |value, schema, path| {
            if value.is_object() && flag(schema, "x-kubernetes-embedded-resource") {
                errors.extend(check(value, path));
            }
        },
    );
    errors
}

fn check(value: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in ["apiVersion", "kind"] {
        let at = path.child(key);
        match value.get(key) {
            None => errors.push(FieldError::required(&at, "")),
            Some(Value::String(text)) if text.is_empty() => {
                errors.push(FieldError::invalid(&at, "", "must not be empty"));
            }
            Some(Value::String(text)) => errors.extend(match key {
                "kind" => check_kind(text, &at),
                _ => check_version(text, &at),
            }),
            Some(other) => {
                errors.push(FieldError::invalid(&at, other.clone(), "must be a string"));
            }
        }
    }
    errors
}

fn check_kind(kind: &str, path: &Path) -> Option<FieldError> {
    let faults = dns_1035_label(&kind.to_lowercase());
    let why = format!(
        "may have mixed case, but should otherwise match: {}",
        faults.join(",")
    );
    (!faults.is_empty()).then(|| FieldError::invalid(path, kind, why))
}

fn check_version(version: &str, path: &Path) -> Option<FieldError> {
    let why = format!("unexpected GroupVersion string: {version}");
    (version.matches('/').count() > 1).then(|| FieldError::invalid(path, version, why))
}
