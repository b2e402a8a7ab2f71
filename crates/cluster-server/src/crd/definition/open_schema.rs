//! What a schema of a definition may say (`ValidateCustomResourceDefinitionOpenAPISchema`).

use serde_json::Value;

use super::{rules, text};
use crate::field::{FieldError, Path};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// What holds for all below a place in the schema.
#[derive(Debug, Clone, Default)]
pub(super) struct Surroundings {
    /// Why there may be no defaults; `None` where there may.
    no_defaults: Option<String>,
    /// Whether this is within the metadata of a resource.
    in_meta: bool,
    /// Within this part of the schema an old value cannot be found.
    pub(super) uncorrelated: Option<Path>,
    /// Whether rules are looked at: not within `allOf` and its like.
    pub(super) rules: bool,
    /// How many values there may be at most; none, where no bound is known.
    pub(super) cardinality: Option<u64>,
}

/// Errors of the schema, and those of its rules, which come after.
#[derive(Debug, Default)]
pub(super) struct Errors {
    pub(super) schema: Vec<FieldError>,
    pub(super) rules: Vec<FieldError>,
}

/// What does not hold in `schema`; its rules are looked at where the schema is structural.
pub(super) fn validate(schema: &Value, path: &Path, structural: bool) -> Vec<FieldError> {
    let around = Surroundings {
        rules: structural,
        cardinality: Some(1),
        ..Surroundings::default()
    };
    let mut errors = Errors::default();
    walk(schema, path, &around, true, &mut errors);
    let mut all = errors.schema;
    all.extend(errors.rules);
    all
}

fn walk(schema: &Value, path: &Path, around: &Surroundings, root: bool, errors: &mut Errors) {
    if !schema.is_object() {
        return;
    }
    let mut own = Errors::default();
    own.schema.extend(supported(schema, path, around));
    additional(schema, path, around, &mut own);
    properties(schema, path, around, root, &mut own);
    combined(schema, path, around, &mut own);
    items(schema, path, around, &mut own);
    own.schema.extend(map_and_list(schema, path));
    rules::validate(schema, path, around, root, &mut own);
    errors.schema.append(&mut own.schema);
    errors.rules.append(&mut own.rules);
}

/// Keywords that Kubernetes does not know, or not here.
fn supported(schema: &Value, path: &Path, around: &Surroundings) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let kind = text(schema, "type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(&path.child("type"), kind, &TYPES));
    }
    if let (false, Some(reason)) = (schema["default"].is_null(), &around.no_defaults) {
        let why = format!("must not be set {reason}");
        errors.push(FieldError::forbidden(&path.child("default"), why));
    }
    for key in [
        "id",
        "additionalItems",
        "patternProperties",
        "definitions",
        "dependencies",
        "$ref",
    ] {
        let found = &schema[key];
        let empty = found.as_object().is_some_and(serde_json::Map::is_empty);
        if !found.is_null() && *found != "" && !(empty && key != "additionalItems") {
            let why = format!("{key} is not supported");
            errors.push(FieldError::forbidden(&path.child(key), why));
        }
    }
    if kind == "null" {
        let why = "type cannot be set to null, use nullable as an alternative";
        errors.push(FieldError::forbidden(&path.child("type"), why));
    }
    if schema["items"].is_array() {
        let why = "items must be a schema object and not an array";
        errors.push(FieldError::forbidden(&path.child("items"), why));
    }
    if around.in_meta && schema["x-kubernetes-embedded-resource"] == true {
        let at = path.child("x-kubernetes-embedded-resource");
        let why = "must not be used inside of resource meta";
        errors.push(FieldError::forbidden(&at, why));
    }
    if schema["uniqueItems"] == true {
        let why =
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(&path.child("uniqueItems"), why));
    }
    errors
}

fn additional(schema: &Value, path: &Path, around: &Surroundings, errors: &mut Errors) {
    let (below, at) = (
        &schema["additionalProperties"],
        path.child("additionalProperties"),
    );
    if below.is_null() {
        return;
    }
    let has_properties = schema["properties"]
        .as_object()
        .is_some_and(|all| !all.is_empty());
    if has_properties && *below != true {
        let why = "additionalProperties and properties are mutual exclusive";
        errors.schema.push(FieldError::forbidden(&at, why));
    }
    let mut inside = around.clone();
    if around.in_meta {
        inside.no_defaults =
            Some("inside additionalProperties applying to object metadata".to_owned());
    }
    inside.cardinality = times(around.cardinality, schema["maxProperties"].as_u64());
    walk(below, &at, &inside, false, errors);
}

fn properties(schema: &Value, path: &Path, around: &Surroundings, root: bool, errors: &mut Errors) {
    let whole = root || schema["x-kubernetes-embedded-resource"] == true;
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let mut inside = around.clone();
        if whole && ["metadata", "kind", "apiVersion"].contains(&name.as_str()) {
            inside.in_meta = true;
            if root {
                inside.no_defaults = Some(format!("in top-level {name}"));
            }
        }
        let at = path.child("properties").key(name);
        walk(below, &at, &inside, false, errors);
    }
}

fn combined(schema: &Value, path: &Path, around: &Surroundings, errors: &mut Errors) {
    let mut inside = around.clone();
    inside.rules = false;
    walk(&schema["not"], &path.child("not"), &inside, false, errors);
    for key in ["allOf", "oneOf", "anyOf"] {
        let all = schema[key].as_array().into_iter().flatten();
        for (index, below) in all.enumerate() {
            let at = path.child(key).index(index);
            walk(below, &at, &inside, false, errors);
        }
    }
}

fn items(schema: &Value, path: &Path, around: &Surroundings, errors: &mut Errors) {
    let mut inside = around.clone();
    if schema["x-kubernetes-list-type"] != "map" && inside.uncorrelated.is_none() {
        inside.uncorrelated = Some(path.clone());
    }
    inside.cardinality = times(around.cardinality, schema["maxItems"].as_u64());
    walk(
        &schema["items"],
        &path.child("items"),
        &inside,
        false,
        errors,
    );
}

fn times(count: Option<u64>, each: Option<u64>) -> Option<u64> {
    Some(count?.saturating_mul(each?))
}

/// `x-kubernetes-map-type`, `-list-type`, `-list-map-keys`.
fn map_and_list(schema: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let at = |key: &str| path.child(key);
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let key = "x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::invalid(
            &at(key),
            false,
            "must be true or undefined",
        ));
    }
    let (map, list) = (
        schema["x-kubernetes-map-type"].as_str(),
        schema["x-kubernetes-list-type"].as_str(),
    );
    if map.is_some() {
        let why = "must be object if x-kubernetes-map-type is specified";
        errors.extend(needs_type(schema, "object", why, path));
    }
    if let Some(other) = map.filter(|map| !["atomic", "granular"].contains(map)) {
        let key = at("x-kubernetes-map-type");
        errors.push(FieldError::not_supported(
            &key,
            other,
            &["atomic", "granular"],
        ));
    }
    if list.is_some() {
        let why = "must be array if x-kubernetes-list-type is specified";
        match needs_type(schema, "array", why, path) {
            Some(error) => errors.push(error),
            None if list == Some("set") => errors.extend(set_items(&schema["items"], path)),
            None => {}
        }
    }
    if let Some(other) = list.filter(|list| !["atomic", "set", "map"].contains(list)) {
        let key = at("x-kubernetes-list-type");
        errors.push(FieldError::not_supported(
            &key,
            other,
            &["atomic", "set", "map"],
        ));
    }
    errors.extend(map_keys(schema, list, path));
    errors.extend(key_values(schema, list, path));
    errors
}

fn needs_type(schema: &Value, wanted: &str, why: &str, path: &Path) -> Option<FieldError> {
    match text(schema, "type") {
        kind if kind == wanted => None,
        "" => Some(FieldError::required(&path.child("type"), why)),
        other => Some(FieldError::invalid(&path.child("type"), other, why)),
    }
}

/// The elements of a set are compared as a whole.
fn set_items(items: &Value, path: &Path) -> Option<FieldError> {
    let (path, why) = (
        path.child("items"),
        "must be atomic as item of a list with x-kubernetes-list-type=set",
    );
    let list = &items["x-kubernetes-list-type"];
    match text(items, "type") {
        "array" if !list.is_null() && *list != "atomic" => {
            let at = path.child("x-kubernetes-list-type");
            Some(FieldError::invalid(&at, list.clone(), why))
        }
        "object" if items["x-kubernetes-map-type"] != "atomic" => {
            let at = path.child("x-kubernetes-map-type");
            // Kubernetes shows the list type here.
            Some(FieldError::invalid(&at, list.clone(), why))
        }
        _ => None,
    }
}

fn keys_of(schema: &Value) -> Vec<&str> {
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    keys.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn map_keys(schema: &Value, list: Option<&str>, path: &Path) -> Vec<FieldError> {
    let (mut errors, keys) = (Vec::new(), keys_of(schema));
    let why = "must be map if x-kubernetes-list-map-keys is non-empty";
    let at = path.child("x-kubernetes-list-type");
    match list {
        None if !keys.is_empty() => errors.push(FieldError::required(&at, why)),
        Some(other) if !keys.is_empty() && other != "map" => {
            errors.push(FieldError::invalid(&at, other, why));
        }
        _ => {}
    }
    if list != Some("map") {
        return errors;
    }
    let at = path.child("x-kubernetes-list-map-keys");
    if keys.is_empty() {
        let why = "must not be empty if x-kubernetes-list-type is map";
        errors.push(FieldError::required(&at, why));
    }
    let items = &schema["items"];
    if items.is_null() {
        let why = "must have a schema if x-kubernetes-list-type is map";
        errors.push(FieldError::required(&path.child("items"), why));
        return errors;
    }
    let items_at = path.child("items");
    if text(items, "type") != "object" {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(
            &items_at.child("type"),
            text(items, "type"),
            why,
        ));
        return errors;
    }
    let shown = || schema["x-kubernetes-list-map-keys"].clone();
    for (index, key) in keys.iter().enumerate() {
        match items["properties"].get(key) {
            Some(one) if ["array", "object"].contains(&text(one, "type")) => {
                let at = items_at.child("properties").key(key).child("type");
                let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.push(FieldError::invalid(&at, text(items, "type"), why));
            }
            Some(_) => {}
            None => {
                let why = "entries must all be names of item properties";
                errors.push(FieldError::invalid(&at, shown(), why));
            }
        }
        if keys[..index].contains(key) {
            let why = "must not contain duplicate entries";
            errors.push(FieldError::invalid(&at, shown(), why));
        }
    }
    errors
}

/// `validateMapListKeysMapSet`: a key always has a value.
fn key_values(schema: &Value, list: Option<&str>, path: &Path) -> Vec<FieldError> {
    let (mut errors, items) = (Vec::new(), &schema["items"]);
    let Some(list) = list.filter(|list| ["set", "map"].contains(list) && items.is_object()) else {
        return errors;
    };
    let path = path.child("items");
    if items["nullable"] == true {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {list}");
        errors.push(FieldError::forbidden(&path.child("nullable"), why));
    }
    let required = |key: &str| {
        let all = items["required"].as_array();
        all.is_some_and(|all| all.iter().any(|one| one == key))
    };
    for key in keys_of(schema).into_iter().filter(|_| list == "map") {
        let Some(one) = items["properties"].get(key) else {
            continue;
        };
        let at = path.child("properties").key(key);
        if !required(key) && one["default"].is_null() {
            let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(&at.child("default"), why));
        }
        if one["nullable"] == true {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(&at.child("nullable"), why));
        }
    }
    errors
}
