//! Whether a schema is structural: what pruning, defaulting and apply rely on (`apiserver/schema/validation.go`).

use serde_json::{Value, json};

use super::text;
use crate::field::{FieldError, Path};

/// Where a schema stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

fn flag(schema: &Value, name: &str) -> bool {
    schema[name] == true
}

fn below<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get(key).filter(|one| one.is_object())
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema["properties"].as_object().into_iter().flatten()
}

fn each<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    schema[key].as_array().into_iter().flatten().enumerate()
}

/// Why a schema cannot be taken for a structural one at all (`NewStructural`).
pub(in crate::crd) fn unreadable(schema: &Value) -> Option<String> {
    for key in [
        "id",
        "$schema",
        "$ref",
        "patternProperties",
        "dependencies",
        "additionalItems",
        "definitions",
    ] {
        let empty = match &schema[key] {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Object(fields) => key != "additionalItems" && fields.is_empty(),
            _ => false,
        };
        if !empty {
            let shown = if key == "$schema" { "schema" } else { key };
            return Some(format!("OpenAPIV3Schema '{shown}' is not supported"));
        }
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        return Some(
            "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
                .to_owned(),
        );
    }
    if schema["items"].is_array() {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    let nested = ["items", "additionalProperties", "not"]
        .into_iter()
        .filter_map(|key| below(schema, key))
        .chain(properties(schema).map(|(_, one)| one))
        .chain(
            ["allOf", "anyOf", "oneOf"]
                .into_iter()
                .flat_map(|key| each(schema, key).map(|(_, one)| one)),
        );
    nested.into_iter().find_map(unreadable)
}

/// What keeps a schema from being structural, in the order of the texts.
pub(in crate::crd) fn validate(schema: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    invariants(schema, Level::Root, path, &mut errors);
    complete(schema, schema, path, path, &mut errors);
    errors.sort_by_cached_key(ToString::to_string);
    errors
}

fn invariants(schema: &Value, level: Level, path: &Path, errors: &mut Vec<FieldError>) {
    if text(schema, "type") == "array" && !schema["items"].is_object() {
        errors.push(FieldError::required(
            &path.child("items"),
            "must be specified",
        ));
    }
    if let Some(items) = below(schema, "items") {
        invariants(items, Level::Item, &path.child("items"), errors);
    }
    for (name, one) in properties(schema) {
        let at = path.child("properties").key(name);
        invariants(one, Level::Field, &at, errors);
    }
    let additional = path.child("additionalProperties");
    if !schema["additionalProperties"].is_null() && level == Level::Root {
        errors.push(FieldError::forbidden(
            &additional,
            "must not be used at the root",
        ));
    }
    if let Some(one) = below(schema, "additionalProperties") {
        invariants(one, Level::Field, &additional, errors);
    }
    extensions(schema, path, errors);
    let any_of = schema["anyOf"] == int_or_string();
    let first = schema["allOf"][0]["anyOf"] == int_or_string();
    values(schema, any_of, first, path, errors);
    typed(schema, level, path, errors);
    embedded(schema, level, path, errors);
}

/// The pattern by which an int-or-string is told to older clients.
fn int_or_string() -> Value {
    json!([{"type": "integer"}, {"type": "string"}])
}

fn extensions(schema: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    if !flag(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for key in [
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource",
    ] {
        if flag(schema, key) {
            let why = "must be false if x-kubernetes-int-or-string is true";
            errors.push(FieldError::invalid(&path.child(key), true, why));
        }
    }
}

fn typed(schema: &Value, level: Level, path: &Path, errors: &mut Vec<FieldError>) {
    let (at, kind) = (path.child("type"), text(schema, "type"));
    let open = flag(schema, "x-kubernetes-int-or-string")
        || flag(schema, "x-kubernetes-preserve-unknown-fields");
    if flag(schema, "x-kubernetes-embedded-resource") && kind != "object" {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if kind.is_empty() {
            FieldError::required(&at, why)
        } else {
            FieldError::invalid(&at, kind, why)
        });
    } else if kind.is_empty() && !open {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(&at, why));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(FieldError::invalid(&at, kind, "must be object at the root"));
    }
}

/// What a whole resource, or one within another, says of `apiVersion`, `kind` and `metadata`.
fn embedded(schema: &Value, level: Level, path: &Path, errors: &mut Vec<FieldError>) {
    let within = flag(schema, "x-kubernetes-embedded-resource");
    if within && !schema["additionalProperties"].is_null() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        errors.push(FieldError::forbidden(
            &path.child("additionalProperties"),
            why,
        ));
    }
    let whole = level == Level::Root || within;
    for name in ["kind", "apiVersion"] {
        if let Some(one) = schema["properties"]
            .get(name)
            .filter(|one| whole && text(one, "type") != "string")
        {
            let at = path.child("properties").key(name).child("type");
            errors.push(FieldError::invalid(
                &at,
                text(one, "type"),
                "must be string",
            ));
        }
    }
    if let Some(metadata) = schema["properties"].get("metadata") {
        let at = path.child("properties").key("metadata");
        if whole && text(metadata, "type") != "object" {
            let kind = text(metadata, "type");
            errors.push(FieldError::invalid(
                &at.child("type"),
                kind,
                "must be object",
            ));
        }
        if level == Level::Root && !is_plain_metadata(metadata) {
            let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
            errors.push(FieldError::forbidden(&at, why));
        }
    }
    if within
        && !flag(schema, "x-kubernetes-preserve-unknown-fields")
        && properties(schema).next().is_none()
    {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(&path.child("properties"), why));
    }
}

/// The root's `metadata` may restrict the name, and nothing else.
fn is_plain_metadata(metadata: &Value) -> bool {
    let fields = metadata.as_object().into_iter().flatten();
    fields
        .filter(|(_, value)| !value.is_null() && *value != false && *value != "")
        .all(|(key, value)| match key.as_str() {
            "type" | "default" => true,
            "properties" => value.as_object().is_none_or(|all| {
                all.keys()
                    .all(|name| name == "name" || name == "generateName")
            }),
            _ => false,
        })
}

fn values(
    schema: &Value,
    skip_any_of: bool,
    skip_first: bool,
    path: &Path,
    errors: &mut Vec<FieldError>,
) {
    for (index, one) in each(schema, "anyOf").filter(|_| !skip_any_of) {
        nested(one, false, &path.child("anyOf").index(index), errors);
    }
    for (index, one) in each(schema, "allOf") {
        let at = path.child("allOf").index(index);
        nested(one, skip_first && index == 0, &at, errors);
    }
    for (index, one) in each(schema, "oneOf") {
        nested(one, false, &path.child("oneOf").index(index), errors);
    }
    if let Some(one) = below(schema, "not") {
        nested(one, false, &path.child("not"), errors);
    }
    let pattern = text(schema, "pattern");
    if let Err(error) = regex::Regex::new(pattern) {
        let why = format!(
            "must be a valid regular expression, but isn't: error parsing regexp: {}",
            error.to_string().lines().last().unwrap_or_default().trim()
        );
        errors.push(FieldError::invalid(&path.child("pattern"), pattern, why));
    }
}

/// A schema within `allOf` and its like restricts values; it says nothing of their shape.
fn nested(schema: &Value, skip_any_of: bool, path: &Path, errors: &mut Vec<FieldError>) {
    values(schema, skip_any_of, false, path, errors);
    if let Some(items) = below(schema, "items") {
        nested(items, false, &path.child("items"), errors);
    }
    for (name, one) in properties(schema) {
        nested(one, false, &path.child("properties").key(name), errors);
    }
    let additional = &schema["additionalProperties"];
    for (key, found, why) in [
        (
            "type",
            !text(schema, "type").is_empty(),
            "must be empty to be structural",
        ),
        (
            "additionalProperties",
            additional.is_object() || *additional == true,
            "must be undefined to be structural",
        ),
        (
            "default",
            !schema["default"].is_null(),
            "must be undefined to be structural",
        ),
        (
            "title",
            !text(schema, "title").is_empty(),
            "must be empty to be structural",
        ),
        (
            "description",
            !text(schema, "description").is_empty(),
            "must be empty to be structural",
        ),
        (
            "nullable",
            flag(schema, "nullable"),
            "must be false to be structural",
        ),
    ] {
        if found {
            errors.push(FieldError::forbidden(&path.child(key), why));
        }
    }
    nested_extensions(schema, path, errors);
}

fn nested_extensions(schema: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    for (key, why) in [
        (
            "x-kubernetes-preserve-unknown-fields",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-embedded-resource",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-int-or-string",
            "must be false to be structural",
        ),
        (
            "x-kubernetes-list-map-keys",
            "must be empty to be structural",
        ),
        (
            "x-kubernetes-list-type",
            "must be undefined to be structural",
        ),
        (
            "x-kubernetes-map-type",
            "must be undefined to be structural",
        ),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ] {
        let found = &schema[key];
        if !found.is_null() && *found != false && found.as_array().is_none_or(|a| !a.is_empty()) {
            errors.push(FieldError::forbidden(&path.child(key), why));
        }
    }
    if schema["properties"].get("metadata").is_some() {
        let at = path.child("properties").key("metadata");
        let why = "must not be specified in a nested context";
        errors.push(FieldError::forbidden(&at, why));
    }
}

/// What `allOf` and its like of the root speak of must be there in the schema itself (`complete.go`).
fn complete(
    clause: &Value,
    shape: &Value,
    place: &Path,
    path: &Path,
    errors: &mut Vec<FieldError>,
) {
    if let Some(one) = below(clause, "not") {
        covered(one, Some(shape), place, &path.child("not"), errors);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (index, one) in each(clause, key) {
            covered(
                one,
                Some(shape),
                place,
                &path.child(key).index(index),
                errors,
            );
        }
    }
}

/// `place` is where the shape would be, `path` where the clause is.
fn covered(
    clause: &Value,
    shape: Option<&Value>,
    place: &Path,
    path: &Path,
    errors: &mut Vec<FieldError>,
) {
    let Some(shape) = shape else {
        let why = format!("because it is defined in {path}");
        return errors.push(FieldError::required(place, why));
    };
    complete(clause, shape, place, path, errors);
    if let Some(items) = below(clause, "items") {
        let (place, path) = (place.child("items"), path.child("items"));
        covered(items, below(shape, "items"), &place, &path, errors);
    }
    for (name, one) in properties(clause) {
        let at = |path: &Path| path.child("properties").key(name);
        let found = shape["properties"].get(name.as_str());
        covered(one, found, &at(place), &at(path), errors);
    }
}
