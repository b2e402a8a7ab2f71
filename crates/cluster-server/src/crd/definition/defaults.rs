//! Defaults hold themselves what the schema asks of values (`apiserver/schema/defaulting/validation.go`).

use serde_json::Value;

use crate::crd::schema;
use crate::field::{FieldError, Path};

/// What does not hold in the defaults of a structural schema.
pub(super) fn validate(given: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(given, path, &mut errors);
    errors
}

fn walk(given: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    if let Some(default) = given.get("default").filter(|default| !default.is_null()) {
        check(default, given, &path.child("default"), errors);
    }
    if let Some(items) = given.get("items").filter(|items| items.is_object()) {
        walk(items, &path.child("items"), errors);
    }
    for (name, below) in given["properties"].as_object().into_iter().flatten() {
        walk(below, &path.child("properties").key(name), errors);
    }
}

fn check(default: &Value, given: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    let embedded = given["x-kubernetes-embedded-resource"] == true;
    let mut pruned = default.clone();
    if !schema::prune(&mut pruned, given, embedded).is_empty() {
        let why = "must not have unknown fields";
        errors.push(FieldError::invalid(path, default.clone(), why));
    }
    let found = schema::validate_at(default, given, path);
    if found.is_empty() {
        errors.extend(schema::check_lists(default, given, Some(path)));
    }
    errors.extend(found);
}
