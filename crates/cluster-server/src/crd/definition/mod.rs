//! The kind CustomResourceDefinition itself: its defaults, what must hold in it, what an update may change.
//!
//! Source: `apiextensions-apiserver/pkg/registry/customresourcedefinition/strategy.go` and
//! `pkg/apis/apiextensions/validation/validation.go`. Conversion webhooks are out of scope and refused.

mod approval;
mod columns;
mod defaults;
mod internal;
mod names;
mod open_schema;
mod rules;
mod spec;
pub(super) mod structural;
mod warnings;

use serde_json::{Value, json};

use crate::field::{FieldError, Path};
use crate::kinds::Strategy;

pub(super) use approval::{Approval, approval, is_protected};

/// The strategy of CustomResourceDefinitions.
pub struct Definition;

/// The one [`Definition`].
pub static DEFINITION: Definition = Definition;

/// The entries of `spec.versions`.
pub(super) fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
}

/// A field as text; empty when it is not there.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A condition of the definition's status.
pub(super) fn condition<'a>(definition: &'a Value, kind: &str) -> Option<&'a Value> {
    let mut all = definition["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    all.find(|one| one["type"] == kind)
}

/// Whether a condition holds.
pub(super) fn holds(definition: &Value, kind: &str) -> bool {
    condition(definition, kind).is_some_and(|one| one["status"] == "True")
}

impl Strategy for Definition {
    fn default(&self, object: &mut Value) {
        let spec = &mut object["spec"];
        let kind = text(&spec["names"], "kind").to_owned();
        for (key, value) in [
            ("singular", kind.to_lowercase()),
            ("listKind", format!("{kind}List")),
        ] {
            if text(&spec["names"], key).is_empty() && !kind.is_empty() {
                spec["names"][key] = value.into();
            }
        }
        if spec["conversion"].is_null() {
            spec["conversion"] = json!({"strategy": "None"});
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        let stored: Vec<&Value> = versions(object)
            .filter(|one| one["storage"] == true)
            .map(|one| &one["name"])
            .take(1)
            .collect();
        let stored = if stored.is_empty() {
            Value::Null
        } else {
            json!(stored)
        };
        object["status"] = json!({
            "conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored,
        });
        object["metadata"]["generation"] = 1.into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = names::validate_name(object);
        errors.extend(validate(object));
        errors.extend(approval::validate(object, None));
        errors.extend(validate_preserve_unknown(object, None));
        errors
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        if subresource == "status" {
            new["spec"] = old["spec"].clone();
            for key in [
                "labels",
                "annotations",
                "finalizers",
                "ownerReferences",
                "generation",
            ] {
                keep(new, old, key);
            }
            return;
        }
        new["status"] = old["status"].clone();
        let storage = versions(new).find(|one| one["storage"] == true);
        let storage = storage.map(|version| version["name"].clone());
        if let Some(name) = storage {
            match new["status"]["storedVersions"].as_array_mut() {
                Some(stored) if stored.contains(&name) => {}
                Some(stored) => stored.push(name),
                None => new["status"]["storedVersions"] = json!([name]),
            }
        }
        if new["spec"] != old["spec"] {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
            new["metadata"]["generation"] = (generation + 1).into();
        }
    }

    fn validate_update(&self, subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        if subresource == "status" {
            return names::validate(&new["status"]["acceptedNames"], &accepted());
        }
        let mut errors = spec::validate(&new["spec"]);
        errors.extend(names::validate_kept(new, old));
        errors.extend(validate_status(new));
        errors.extend(approval::validate(new, Some(old)));
        errors.extend(validate_preserve_unknown(new, Some(old)));
        errors
    }

    fn warnings(&self, subresource: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
        if subresource.is_empty() {
            warnings::of(new, old)
        } else {
            Vec::new()
        }
    }
}

fn keep(new: &mut Value, old: &Value, key: &str) {
    match old["metadata"].get(key) {
        Some(value) => new["metadata"][key] = value.clone(),
        None => {
            if let Some(metadata) = new["metadata"].as_object_mut() {
                metadata.shift_remove(key);
            }
        }
    }
}

fn accepted() -> Path {
    Path::new("status").child("acceptedNames")
}

fn validate(object: &Value) -> Vec<FieldError> {
    let mut errors = spec::validate(&object["spec"]);
    errors.extend(validate_status(object));
    errors
}

fn validate_status(object: &Value) -> Vec<FieldError> {
    let mut errors = names::validate(&object["status"]["acceptedNames"], &accepted());
    let (path, stored) = (
        Path::new("status").child("storedVersions"),
        &object["status"]["storedVersions"],
    );
    let names: Vec<&Value> = stored.as_array().into_iter().flatten().collect();
    if names.is_empty() {
        let why = "must have at least one stored version";
        errors.push(FieldError::invalid(&path, stored.clone(), why));
        return errors;
    }
    for version in versions(object) {
        if version["storage"] == true && !names.contains(&&version["name"]) {
            let why = format!("must have the storage version {}", text(version, "name"));
            errors.push(FieldError::invalid(&path, stored.clone(), why));
        }
    }
    for (index, name) in names.into_iter().enumerate() {
        if !versions(object).any(|version| version["name"] == *name) {
            let shown = name.as_str().unwrap_or_default();
            let why = format!(
                "missing from spec.versions; {shown} was previously a storage version, and must remain in spec.versions until a \
                 storage migration ensures no data remains persisted in {shown} and removes {shown} from status.storedVersions"
            );
            errors.push(FieldError::invalid(&path.index(index), shown, why));
        }
    }
    errors
}

fn validate_preserve_unknown(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let on = |object: &Value| object["spec"]["preserveUnknownFields"] == true;
    if old.is_some_and(on) || !on(new) {
        return Vec::new();
    }
    let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
    vec![FieldError::invalid(
        &Path::new("spec").child("preserveUnknownFields"),
        true,
        why,
    )]
}

#[cfg(test)]
mod tests;
