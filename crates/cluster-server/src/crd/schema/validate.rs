//! Values against a schema, with the words of `k8s.io/kube-openapi/pkg/validation/errors`, and ratcheting
//! (`apiextensions-apiserver/pkg/apiserver/validation/ratcheting.go`): what did not hold before and has not been touched
//! does not stand in an update's way.

use serde_json::Value;

use super::combined;
use super::outcome::{Base, Outcome};
use super::scalar::{check_number, check_string};
use super::{element, flag, format, join};
use crate::field::{Fault, FieldError, Path};

/// Where in an object a value is, and what was there before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a str,
    pub(super) base: Base<'a>,
    /// The value that this one replaces, where that can be said.
    old: Option<&'a Value>,
}

/// What does not hold in `object`, given the object that it replaces.
pub(in crate::crd) fn validate(
    object: &Value,
    schema: &Value,
    old: Option<&Value>,
) -> Vec<FieldError> {
    let place = Place {
        path: "",
        base: Base(None),
        old,
    };
    walk(object, schema, place).errors
}

/// What does not hold in a value below `base`.
pub(in crate::crd) fn validate_at(value: &Value, schema: &Value, base: &Path) -> Vec<FieldError> {
    let place = Place {
        path: "",
        base: Base(Some(base)),
        old: None,
    };
    walk(value, schema, place).errors
}

/// What does not hold in the status alone: it is all that a write to the subresource brings.
pub(in crate::crd) fn validate_status(new: &Value, old: &Value, schema: &Value) -> Vec<FieldError> {
    let base = Path::new("status");
    let (Some(status), Some(schema)) = (new.get("status"), schema["properties"].get("status"))
    else {
        return Vec::new();
    };
    let place = Place {
        path: "",
        base: Base(Some(&base)),
        old: old.get("status"),
    };
    walk(status, schema, place).errors
}

/// One value; errors of one that is what it was before are let through.
pub(super) fn walk(value: &Value, schema: &Value, place: Place<'_>) -> Outcome {
    let mut out = check(value, schema, place);
    if !out.is_valid() && place.old == Some(value) {
        out.errors.clear();
    }
    out
}

fn check(value: &Value, schema: &Value, place: Place<'_>) -> Outcome {
    let mut out = Outcome::default();
    out.apply(check_type(value, schema, place).into());
    if value.is_null() {
        out.apply(check_enum(value, schema, place).into());
        return out;
    }
    out.apply(combined::check(value, schema, place));
    match value {
        Value::String(text) => out.apply(check_string(text, schema, place).into()),
        Value::Number(number) => out.apply(check_number(number, schema, place).into()),
        Value::Array(items) => out.apply(check_list(items, schema, place)),
        _ => {}
    }
    out.apply(check_enum(value, schema, place).into());
    if let Value::Object(fields) = value {
        out.apply(check_object(fields, schema, place));
    }
    out.matches += 1;
    out
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() && !is_whole(number) => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// What is wrong with the value's JSON type.
fn check_type(value: &Value, schema: &Value, place: Place<'_>) -> Option<FieldError> {
    let found = kind_of(value);
    if value.is_null() && schema["nullable"] == true {
        return None;
    }
    if flag(schema, "x-kubernetes-int-or-string") {
        let holds = matches!(found, "integer" | "string");
        return (!holds).then(|| place.base.mistyped(place.path, "integer,string", found));
    }
    let wanted = schema["type"].as_str()?;
    if wanted == found || (wanted == "number" && found == "integer") {
        return None;
    }
    // Go's validator leaves texts and lists to the format, where there is one.
    let by_format = wanted == "string" && found == "array" && format::of(schema).is_some();
    (!by_format).then(|| place.base.mistyped(place.path, wanted, found))
}

fn check_enum(value: &Value, schema: &Value, place: Place<'_>) -> Option<FieldError> {
    let allowed = schema["enum"].as_array()?;
    if allowed.is_empty() || allowed.contains(value) {
        return None;
    }
    let shown = allowed
        .iter()
        .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
        .collect();
    let fault = Fault::NotSupported(value.clone(), shown);
    Some(FieldError::new(&place.base.at(place.path), fault, ""))
}

fn check_list(items: &[Value], schema: &Value, place: Place<'_>) -> Outcome {
    let (mut out, path, base) = (Outcome::default(), place.path, place.base);
    if let Some(below) = element(schema) {
        for (index, item) in items.iter().enumerate() {
            let inner = Place {
                path: &format!("{path}[{index}]"),
                base,
                old: place.old.and_then(|old| correlated(item, old, schema)),
            };
            out.merge(walk(item, below, inner));
        }
    }
    let count = items.len() as u64;
    if let Some(least) = schema["minItems"].as_u64().filter(|&least| count < least) {
        let what = format!("should have at least {least} items");
        out.errors.push(base.should(path, &count.into(), &what));
    }
    if let Some(most) = schema["maxItems"].as_u64().filter(|&most| count > most) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let fault = Fault::TooMany(items.len(), most);
        out.errors.push(FieldError::new(&base.at(path), fault, ""));
    }
    out
}

/// The keys of a list that is a map.
pub(super) fn map_keys(schema: &Value) -> Vec<&str> {
    let keys = schema["x-kubernetes-list-map-keys"].as_array();
    keys.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// The element with the same keys in the old list; only lists that are maps have such.
fn correlated<'a>(item: &Value, old: &'a Value, schema: &Value) -> Option<&'a Value> {
    if schema["x-kubernetes-list-type"] != "map" {
        return None;
    }
    let keys = map_keys(schema);
    let same = |other: &&Value| keys.iter().all(|key| other.get(key) == item.get(key));
    old.as_array()?.iter().find(same)
}

fn check_object(
    fields: &serde_json::Map<String, Value>,
    schema: &Value,
    place: Place<'_>,
) -> Outcome {
    let (path, base) = (place.path, place.base);
    let count = fields.len() as u64;
    if let Some(least) = schema["minProperties"].as_u64().filter(|&n| count < n) {
        let what = format!("should have at least {least} properties");
        return Some(base.should(path, &count.into(), &what)).into();
    }
    if let Some(most) = schema["maxProperties"].as_u64().filter(|&n| count > n) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let fault = Fault::TooMany(fields.len(), most);
        return Some(FieldError::new(&base.at(path), fault, "")).into();
    }
    let mut out = Outcome::default();
    let additional = schema
        .get("additionalProperties")
        .filter(|one| one.is_object());
    for (name, value) in fields {
        let Some(below) = schema["properties"].get(name).or(additional) else {
            continue;
        };
        let typed = path.is_empty() && (name == "kind" || name == "apiVersion");
        let inner = Place {
            path: &join(path, name),
            base,
            old: place.old.and_then(|old| old.get(name)).filter(|_| !typed),
        };
        out.merge(walk(value, below, inner));
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        let defaulted = schema["properties"][name].get("default");
        if !fields.contains_key(name) && defaulted.is_none_or(Value::is_null) {
            let at = base.at(&join(path, name));
            out.errors.push(FieldError::required(&at, ""));
        }
    }
    out
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
