//! What the client left out is filled in from the schema (`structural/defaulting`).

use serde_json::Value;

use super::{element, field};

/// Fills in defaults, from the outside inwards. A `null` where none is allowed counts as left out.
pub(in crate::crd) fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                let Some(default) = below.get("default") else {
                    continue;
                };
                let absent = fields
                    .get(name)
                    .is_none_or(|value| value.is_null() && below["nullable"] != true);
                if absent {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                if let Some(below) = field(schema, name) {
                    default(value, below);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = element(schema) {
                for item in items {
                    default(item, below);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_fill_gaps_and_nothing_else() {
        let schema = json!({"properties": {"spec": {"default": {}, "properties": {
            "mode": {"type": "string", "default": "Output"},
            "count": {"type": "integer", "default": 3},
            "list": {"type": "array", "items": {"properties": {"port": {"default": 80}}}},
        }}}});
        let mut object = json!({});
        default(&mut object, &schema);
        assert_eq!(object, json!({"spec": {"mode": "Output", "count": 3}}));
        let mut object = json!({"spec": {"mode": null, "count": 0, "list": [{}, {"port": 1}]}});
        default(&mut object, &schema);
        assert_eq!(
            object,
            json!({"spec": {"mode": "Output", "count": 0, "list": [{"port": 80}, {"port": 1}]}})
        );
    }
}
