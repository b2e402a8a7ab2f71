//! Going through a value and the schema that it is held against, side by side.

use serde_json::Value;

use super::element;
use crate::field::Path;

/// Shows `visit` the value and everything below it that the schema has a part for, each with that part and its place;
/// what holds others comes before what it holds.
pub(super) fn walk(
    value: &Value,
    schema: &Value,
    path: &Path,
    visit: &mut dyn FnMut(&Value, &Value, &Path),
) {
    visit(value, schema, path);
    match value {
        Value::Object(fields) => {
            let additional = schema
                .get("additionalProperties")
                .filter(|one| one.is_object());
            for (name, value) in fields {
                if let Some(below) = schema["properties"].get(name) {
                    walk(value, below, &path.child(name), visit);
                } else if let Some(below) = additional {
                    walk(value, below, &path.key(name), visit);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = element(schema) {
                for (index, item) in items.iter().enumerate() {
                    walk(item, below, &path.index(index), visit);
                }
            }
        }
        _ => {}
    }
}
