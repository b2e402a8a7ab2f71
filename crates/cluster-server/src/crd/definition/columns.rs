//! What tells a definition's readers where things are: printer columns, the paths of `scale`, selectable fields.

use serde_json::Value;

use super::text;
use crate::field::{FieldError, Path};

const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const FORMATS: [&str; 8] = [
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
];
/// How many fields of a version can be selected by (`MaxSelectableFields`).
const SELECTABLE: usize = 8;

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (usize, &'a Value)> {
    value[key].as_array().into_iter().flatten().enumerate()
}

/// `additionalPrinterColumns` of `holder`.
pub(super) fn validate(holder: &Value, path: &Path) -> Vec<FieldError> {
    let path = path.child("additionalPrinterColumns");
    list(holder, "additionalPrinterColumns")
        .flat_map(|(index, column)| validate_column(column, &path.index(index)))
        .collect()
}

fn validate_column(column: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if text(column, "name").is_empty() {
        errors.push(FieldError::required(&path.child("name"), ""));
    }
    let types = format!("must be one of {}", TYPES.join(","));
    match text(column, "type") {
        "" => errors.push(FieldError::required(&path.child("type"), types)),
        kind if !TYPES.contains(&kind) => {
            errors.push(FieldError::invalid(&path.child("type"), kind, types));
        }
        _ => {}
    }
    let format = text(column, "format");
    if !format.is_empty() && !FORMATS.contains(&format) {
        let why = format!("must be one of {}", FORMATS.join(","));
        errors.push(FieldError::invalid(&path.child("format"), format, why));
    }
    let at = path.child("JSONPath");
    match text(column, "jsonPath") {
        "" => errors.push(FieldError::required(&at, "")),
        json_path => errors.extend(validate_json_path(json_path, &at)),
    }
    errors
}

/// A path is a dot and names with dots between them; more is not looked at.
fn validate_json_path(json_path: &str, path: &Path) -> Option<FieldError> {
    let why = "must be a simple json path starting with .";
    (!json_path.starts_with('.')).then(|| FieldError::invalid(path, json_path, why))
}

/// `subresources` of a version.
pub(super) fn validate_subresources(subresources: &Value, path: &Path) -> Vec<FieldError> {
    let scale = &subresources["scale"];
    if !scale.is_object() {
        return Vec::new();
    }
    let path = path.child("subresources.scale");
    let mut errors = Vec::new();
    for (key, root, why) in [
        (
            "specReplicasPath",
            ".spec.",
            "should be a json path under .spec",
        ),
        (
            "statusReplicasPath",
            ".status.",
            "should be a json path under .status",
        ),
    ] {
        let (at, given) = (path.child(key), text(scale, key));
        if given.is_empty() {
            errors.push(FieldError::required(&at, ""));
        } else if let Some(error) = validate_json_path(given, &at) {
            errors.push(error);
        } else if !given.starts_with(root) {
            errors.push(FieldError::invalid(&at, given, why));
        }
    }
    let (at, given) = (
        path.child("labelSelectorPath"),
        text(scale, "labelSelectorPath"),
    );
    if !given.is_empty() {
        if let Some(error) = validate_json_path(given, &at) {
            errors.push(error);
        } else if !given.starts_with(".spec.") && !given.starts_with(".status.") {
            let why = "should be a json path under either .spec or .status";
            errors.push(FieldError::invalid(&at, given, why));
        }
    }
    errors
}

/// `selectableFields` of `holder`, whose objects have this schema.
pub(super) fn validate_selectable(
    holder: &Value,
    schema: &Value,
    path: &Path,
    absent: &str,
) -> Vec<FieldError> {
    let path = path.child("selectableFields");
    if list(holder, "selectableFields").next().is_none() {
        return Vec::new();
    }
    if !schema.is_object() {
        return vec![FieldError::invalid(&path, "", absent)];
    }
    let (mut errors, mut seen) = (Vec::new(), Vec::new());
    for (index, selectable) in list(holder, "selectableFields") {
        let (at, given) = (
            path.index(index).child("jsonPath"),
            text(selectable, "jsonPath"),
        );
        if given.is_empty() {
            errors.push(FieldError::required(&at, ""));
            continue;
        }
        let found = match field_at(given, schema) {
            Ok(found) => found,
            Err(why) => {
                let why = format!("is an invalid path: {why}");
                errors.push(FieldError::invalid(&at, given, why));
                continue;
            }
        };
        if given == ".metadata" || given.starts_with(".metadata.") {
            let why = "must not point to fields in metadata";
            errors.push(FieldError::invalid(&at, given, why));
        }
        if !["string", "boolean", "integer"].contains(&text(found, "type")) {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            errors.push(FieldError::invalid(&at, given, why));
        }
        if seen.contains(&given) {
            errors.push(FieldError::duplicate(&at, given));
        } else {
            seen.push(given);
        }
    }
    if seen.len() > SELECTABLE {
        let fault = crate::field::Fault::TooMany(seen.len(), SELECTABLE);
        errors.push(FieldError::new(&path, fault, ""));
    }
    errors
}

/// The schema at a path without brackets (`cel.ValidFieldPath` without array notation).
fn field_at<'a>(json_path: &str, schema: &'a Value) -> Result<&'a Value, String> {
    if json_path.contains('[') {
        return Err("array notation is not allowed".to_owned());
    }
    let Some(names) = json_path.strip_prefix('.') else {
        let first = json_path.split('.').next().unwrap_or_default();
        return Err(format!("expected [ or . but got: {first}"));
    };
    let (mut schema, absent) = (schema, || "does not refer to a valid field".to_owned());
    for name in names.split('.') {
        if name.is_empty() {
            return Err("unexpected end of JSON path".to_owned());
        }
        schema = if schema["properties"].is_object() {
            schema["properties"].get(name).ok_or_else(absent)?
        } else {
            let below = schema.get("additionalProperties");
            below.filter(|one| one.is_object()).ok_or_else(absent)?
        };
    }
    Ok(schema)
}
