//! Structural schemas (`apiextensions.k8s.io/v1 JSONSchemaProps`), worked on as the JSON that was stored.

mod combined;
mod default;
mod embedded;
mod format;
mod lists;
mod outcome;
mod prune;
mod scalar;
mod validate;
mod walk;

use serde_json::Value;

pub(super) use default::{default, drop_nulls};
pub(super) use embedded::check_embedded;
pub(super) use format::of as format_of;
pub(super) use lists::check_lists;
pub(super) use prune::prune;
pub(super) use validate::{validate, validate_at, validate_status};

/// Whether an extension field such as `x-kubernetes-preserve-unknown-fields` is on.
fn flag(schema: &Value, name: &str) -> bool {
    schema[name] == true
}

/// The schema of the field `key` of an object: its own, or that of all additional ones.
fn field<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema["properties"].get(key).or_else(|| {
        schema
            .get("additionalProperties")
            .filter(|one| one.is_object())
    })
}

/// The schema of a list's elements.
fn element(schema: &Value) -> Option<&Value> {
    schema.get("items").filter(|items| items.is_object())
}

/// `parent.key`, or `key` at the root.
fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
