//! What a definition's author is told about and may still do.

use serde_json::Value;

use super::versions;
use crate::crd::schema;

/// Warnings for a create, or for what an update brings anew.
pub(super) fn of(new: &Value, old: Option<&Value>) -> Vec<String> {
    let before = old.map(formats).unwrap_or_default();
    let new = formats(new);
    new.into_iter()
        .filter(|format| !before.contains(format))
        .map(|format| format!("unrecognized format {format:?}"))
        .collect()
}

/// The formats that no version's values are checked against. A schema that all versions share counts once.
fn formats(definition: &Value) -> Vec<String> {
    let mut schemas: Vec<&Value> = Vec::new();
    for version in versions(definition) {
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schemas.contains(&schema) {
            schemas.push(schema);
        }
    }
    let mut found = Vec::new();
    for schema in schemas {
        collect(schema, &mut found);
    }
    found
}

fn collect(given: &Value, found: &mut Vec<String>) {
    match given {
        Value::Object(fields) => {
            let format = given["format"].as_str().unwrap_or_default();
            if !format.is_empty() && schema::format_of(given).is_none() {
                found.push(format.to_owned());
            }
            let nested = ["items", "allOf", "anyOf", "oneOf", "not"];
            for key in nested {
                collect(&given[key], found);
            }
            for (_, below) in given["properties"].as_object().into_iter().flatten() {
                collect(below, found);
            }
            if let Some(below) = fields.get("additionalProperties") {
                collect(below, found);
            }
        }
        Value::Array(all) => all.iter().for_each(|one| collect(one, found)),
        _ => {}
    }
}
