//! The kind CustomResourceDefinition itself: its defaults and what must hold in it.

use kube_cel::compile_schema;
use serde_json::{Value, json};

use super::register::FINALIZER;
use crate::field::{FieldError, Path};
use crate::kinds::Strategy;

/// The strategy of CustomResourceDefinitions.
pub struct Definition;

/// The one [`Definition`].
pub static DEFINITION: Definition = Definition;

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
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
            .collect();
        let status = json!({
            "acceptedNames": {"kind": "", "plural": ""}, "conditions": null, "storedVersions": stored,
        });
        object["status"] = status;
        object["metadata"]["generation"] = 1.into();
        // The objects of the kind go before it does.
        match object["metadata"]["finalizers"].as_array_mut() {
            Some(list) if list.iter().any(|one| one == FINALIZER) => {}
            Some(list) => list.push(FINALIZER.into()),
            None => object["metadata"]["finalizers"] = json!([FINALIZER]),
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = validate_names(object);
        errors.extend(validate_versions(object));
        errors
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        if subresource == "status" {
            new["spec"] = old["spec"].clone();
            new["metadata"]["generation"] = old["metadata"]["generation"].clone();
            return;
        }
        new["status"] = old["status"].clone();
        for version in versions(&new.clone()).filter(|one| one["storage"] == true) {
            if let Some(stored) = new["status"]["storedVersions"]
                .as_array_mut()
                .filter(|list| !list.contains(&version["name"]))
            {
                stored.push(version["name"].clone());
            }
        }
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(1);
        new["metadata"]["generation"] = (generation + i64::from(new["spec"] != old["spec"])).into();
    }

    fn validate_update(&self, subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        if subresource == "status" {
            return Vec::new();
        }
        let mut errors = validate_names(new);
        errors.extend(validate_versions(new));
        let path = Path::new("spec");
        for key in ["group", "scope"] {
            if new["spec"][key] != old["spec"][key] {
                errors.push(FieldError::invalid(
                    &path.child(key),
                    new["spec"][key].clone(),
                    "field is immutable",
                ));
            }
        }
        for key in ["plural", "kind"] {
            if new["spec"]["names"][key] != old["spec"]["names"][key] {
                let value = new["spec"]["names"][key].clone();
                errors.push(FieldError::invalid(
                    &path.child("names").child(key),
                    value,
                    "field is immutable",
                ));
            }
        }
        errors
    }
}

fn validate_names(object: &Value) -> Vec<FieldError> {
    let (mut errors, spec, path) = (Vec::new(), &object["spec"], Path::new("spec"));
    let (group, plural) = (text(spec, "group"), text(&spec["names"], "plural"));
    let name = text(&object["metadata"], "name");
    if name != format!("{plural}.{group}") {
        errors.push(FieldError::invalid(
            &Path::new("metadata.name"),
            name,
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    if group.is_empty() {
        errors.push(FieldError::required(&path.child("group"), ""));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid(
            &path.child("group"),
            group,
            "should be a domain with at least one dot",
        ));
    }
    if !matches!(text(spec, "scope"), "Namespaced" | "Cluster") {
        let field = path.child("scope");
        errors.push(match text(spec, "scope") {
            "" => FieldError::required(&field, ""),
            other => FieldError::not_supported(&field, other, &["Cluster", "Namespaced"]),
        });
    }
    for key in ["plural", "singular", "kind", "listKind"] {
        if text(&spec["names"], key).is_empty() {
            errors.push(FieldError::required(&path.child("names").child(key), ""));
        }
    }
    match text(&spec["conversion"], "strategy") {
        "None" => {}
        "Webhook" => errors.push(FieldError::forbidden(
            &path.child("conversion.strategy"),
            "conversion webhooks are not served here; versions may differ in apiVersion only",
        )),
        other => errors.push(FieldError::not_supported(
            &path.child("conversion.strategy"),
            other,
            &["None", "Webhook"],
        )),
    }
    errors
}

fn validate_versions(object: &Value) -> Vec<FieldError> {
    let (mut errors, path) = (Vec::new(), Path::new("spec.versions"));
    let all: Vec<&Value> = versions(object).collect();
    if all
        .iter()
        .filter(|version| version["storage"] == true)
        .count()
        != 1
    {
        let names: Vec<&Value> = all.iter().map(|version| &version["name"]).collect();
        errors.push(FieldError::invalid(
            &path,
            json!(names),
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in all.iter().enumerate() {
        let at = path.index(index);
        if all[..index]
            .iter()
            .any(|other| other["name"] == version["name"])
        {
            errors.push(FieldError::duplicate(
                &at.child("name"),
                version["name"].clone(),
            ));
        }
        let schema = &version["schema"]["openAPIV3Schema"];
        let at = at.child("schema.openAPIV3Schema");
        if !schema.is_object() {
            errors.push(FieldError::required(&at, "schemas are required"));
            continue;
        }
        match text(schema, "type") {
            "object" => {}
            "" => errors.push(FieldError::required(
                &at.child("type"),
                "must not be empty at the root",
            )),
            other => errors.push(FieldError::invalid(
                &at.child("type"),
                other,
                "must be object at the root",
            )),
        }
        validate_structure(schema, &at, &mut errors);
        for failure in compile_schema(schema).compilation_errors() {
            errors.push(FieldError::invalid(
                &at.child("x-kubernetes-validations"),
                failure.to_string(),
                "rule cannot be compiled",
            ));
        }
        validate_subresources(version, &path.index(index), &mut errors);
    }
    errors
}

/// Whether a value of this schema may have any of several types.
fn is_open(schema: &Value) -> bool {
    [
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
    ]
    .iter()
    .any(|key| schema[*key] == true)
}

/// What makes a schema structural, as far as pruning, defaulting and validation here rely on it.
fn validate_structure(schema: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    let additional = path.child("additionalProperties");
    if let Some(pattern) = schema["pattern"].as_str()
        && regex::Regex::new(pattern).is_err()
    {
        let why = "must be a valid regular expression";
        errors.push(FieldError::invalid(&path.child("pattern"), pattern, why));
    }
    if schema["properties"].is_object() && schema["additionalProperties"].is_object() {
        let why = "additionalProperties and properties are mutual exclusive";
        errors.push(FieldError::forbidden(&additional, why));
    }
    if schema["additionalProperties"] == false {
        errors.push(FieldError::forbidden(
            &additional,
            "additionalProperties cannot be set to false",
        ));
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let at = path.child("properties").key(name);
        validate_below(
            below,
            &at,
            "must not be empty for specified object fields",
            errors,
        );
    }
    match schema.get("items").filter(|items| items.is_object()) {
        Some(items) => {
            validate_below(
                items,
                &path.child("items"),
                "must not be empty for specified array items",
                errors,
            );
        }
        None if text(schema, "type") == "array" => {
            errors.push(FieldError::required(
                &path.child("items"),
                "must be specified",
            ));
        }
        None => {}
    }
    if let Some(below) = schema
        .get("additionalProperties")
        .filter(|one| one.is_object())
    {
        validate_structure(below, &additional, errors);
    }
}

/// A schema within a schema must say its type, unless it is open.
fn validate_below(schema: &Value, path: &Path, why: &str, errors: &mut Vec<FieldError>) {
    if text(schema, "type").is_empty() && !is_open(schema) {
        errors.push(FieldError::required(&path.child("type"), why));
    }
    validate_structure(schema, path, errors);
}

fn validate_subresources(version: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    if version["subresources"]["scale"].is_object() {
        let why = "the scale subresource is not served here; leave it out";
        errors.push(FieldError::forbidden(
            &path.child("subresources.scale"),
            why,
        ));
    }
}
