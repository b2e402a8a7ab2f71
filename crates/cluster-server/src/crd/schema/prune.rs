//! Fields that the schema does not name are dropped (`structural/pruning`).

use serde_json::Value;

use super::{element, field, flag, join};

/// Fields of every object that carries its kind.
const TYPE_META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops what `schema` does not name; the answer is the paths of what was dropped.
pub(in crate::crd) fn prune(object: &mut Value, schema: &Value) -> Vec<String> {
    let mut dropped = Vec::new();
    walk(object, schema, "", true, &mut dropped);
    dropped
}

fn walk(value: &mut Value, schema: &Value, path: &str, resource: bool, dropped: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let keeps_all = flag(schema, "x-kubernetes-preserve-unknown-fields")
                || schema["additionalProperties"] == true;
            let names: Vec<String> = fields.keys().cloned().collect();
            for name in names {
                if resource && TYPE_META.contains(&name.as_str()) {
                    continue;
                }
                let at = join(path, &name);
                match (field(schema, &name), fields.get_mut(&name)) {
                    (Some(below), Some(value)) => {
                        walk(
                            value,
                            below,
                            &at,
                            flag(below, "x-kubernetes-embedded-resource"),
                            dropped,
                        );
                    }
                    (None, Some(_)) if !keeps_all => {
                        fields.shift_remove(&name);
                        dropped.push(at);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(items) => {
            if let Some(below) = element(schema) {
                for (index, item) in items.iter_mut().enumerate() {
                    let embedded = flag(below, "x-kubernetes-embedded-resource");
                    walk(item, below, &format!("{path}[{index}]"), embedded, dropped);
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

    fn check(schema: &Value, mut object: Value, expected: &Value, dropped: &[&str]) {
        assert_eq!(prune(&mut object, schema), dropped);
        assert_eq!(object, *expected);
    }

    #[test]
    fn unknown_fields_go_and_are_named() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "a": {"type": "string"},
            "list": {"type": "array", "items": {"type": "object", "properties": {"b": {"type": "string"}}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"c": {}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }}}});
        check(
            &schema,
            json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "n"}, "extra": 1, "spec": {
                "a": "1", "z": 2, "list": [{"b": "x", "y": 3}], "map": {"k": {"c": 1, "d": 2}}, "free": {"any": {"thing": 1}},
            }}),
            &json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"name": "n"}, "spec": {
                "a": "1", "list": [{"b": "x"}], "map": {"k": {"c": 1}}, "free": {"any": {"thing": 1}},
            }}),
            &["extra", "spec.z", "spec.list[0].y", "spec.map.k.d"],
        );
    }
}
