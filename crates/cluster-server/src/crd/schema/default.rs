//! What the client left out is filled in from the schema (`structural/defaulting`).

use serde_json::Value;

use super::{element, field};

/// Fills in defaults, from the outside inwards. A `null` where none is allowed counts as left out.
pub(in crate::crd) fn default(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, below) in schema["properties"].as_object().into_iter().flatten() {
                let absent = fields.get(name).is_none_or(|value| is_unset(value, below));
                if let (true, Some(default)) = (absent, given(below)) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, value) in fields.iter_mut() {
                if let Some(below) = field(schema, name) {
                    fill(value, below);
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = element(schema) {
                for item in items {
                    fill(item, below);
                }
            }
        }
        _ => {}
    }
}

fn given(schema: &Value) -> Option<&Value> {
    schema.get("default").filter(|default| !default.is_null())
}

fn is_unset(value: &Value, schema: &Value) -> bool {
    value.is_null() && schema["nullable"] != true
}

fn fill(value: &mut Value, schema: &Value) {
    if let (true, Some(default)) = (is_unset(value, schema), given(schema)) {
        *value = default.clone();
    }
    default(value, schema);
}

/// Drops each `null` that the schema neither allows nor has a default for, as if it had been left out.
pub(in crate::crd) fn drop_nulls(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => fields.retain(|name, value| match field(schema, name) {
            Some(below) if is_unset(value, below) && given(below).is_none() => false,
            Some(below) => {
                drop_nulls(value, below);
                true
            }
            None => true,
        }),
        Value::Array(items) => {
            if let Some(below) = element(schema) {
                for item in items {
                    drop_nulls(item, below);
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

    #[test]
    fn a_null_that_is_not_allowed_was_never_there() {
        let schema = json!({"properties": {
            "a": {"type": "string"}, "b": {"type": "string", "nullable": true}, "c": {"type": "string", "default": "x"},
        }});
        let mut object = json!({"a": null, "b": null, "c": null});
        drop_nulls(&mut object, &schema);
        default(&mut object, &schema);
        assert_eq!(object, json!({"b": null, "c": "x"}));
    }
}
