//! Fields that the schema does not name are dropped (`structural/pruning`).

use serde_json::Value;

use super::{element, flag, join};

/// Fields of every object that carries its kind.
const TYPE_META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops what `schema` does not name; the answer is the paths of what was dropped, in their order.
///
/// A `whole` object carries its kind and metadata, which no schema has to name.
pub(in crate::crd) fn prune(object: &mut Value, schema: &Value, whole: bool) -> Vec<String> {
    let mut dropped = Vec::new();
    walk(object, Some(schema), "", whole, &mut dropped);
    dropped.sort();
    dropped
}

/// What is below a schema that names nothing (`None`) goes, too.
fn walk(
    value: &mut Value,
    schema: Option<&Value>,
    path: &str,
    whole: bool,
    dropped: &mut Vec<String>,
) {
    let keeps = schema.is_some_and(|one| flag(one, "x-kubernetes-preserve-unknown-fields"));
    let whole = whole || schema.is_some_and(|one| flag(one, "x-kubernetes-embedded-resource"));
    match value {
        Value::Object(fields) => fields.retain(|name, value| {
            if whole && TYPE_META.contains(&name.as_str()) {
                return true;
            }
            let at = join(path, name);
            match schema.map_or(Below::Unknown, |schema| below(schema, name)) {
                Below::Schema(below) => walk(value, Some(below), &at, false, dropped),
                Below::Anything => walk(value, None, &at, false, dropped),
                Below::Unknown if keeps => {}
                Below::Unknown => {
                    dropped.push(at);
                    return false;
                }
            }
            true
        }),
        Value::Array(items) => {
            let below = schema.and_then(element);
            for (index, item) in items.iter_mut().enumerate() {
                let at = format!("{path}[{index}]");
                match below {
                    None if keeps => {}
                    // What keeps a list keeps its elements' unknown fields.
                    Some(below) if keeps && item.is_object() => {
                        keep(item, below, &at, dropped);
                    }
                    below => walk(item, below, &at, false, dropped),
                }
            }
        }
        _ => {}
    }
}

/// An element of a list that is kept as it is: only what its schema names is looked into.
fn keep(item: &mut Value, schema: &Value, path: &str, dropped: &mut Vec<String>) {
    for (name, value) in item.as_object_mut().into_iter().flatten() {
        if let Below::Schema(below) = below(schema, name) {
            walk(value, Some(below), &join(path, name), false, dropped);
        }
    }
}

/// What a schema says of a field.
enum Below<'a> {
    /// Nothing.
    Unknown,
    /// That it may be there, and no more (`additionalProperties: true`).
    Anything,
    /// What it is.
    Schema(&'a Value),
}

fn below<'a>(schema: &'a Value, name: &str) -> Below<'a> {
    if let Some(own) = schema["properties"].get(name) {
        return Below::Schema(own);
    }
    match schema.get("additionalProperties") {
        None | Some(Value::Null) => Below::Unknown,
        Some(one) if one.is_object() => Below::Schema(one),
        Some(_) => Below::Anything,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, mut object: Value, expected: &Value, dropped: &[&str]) {
        assert_eq!(prune(&mut object, schema, true), dropped);
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
            &["extra", "spec.list[0].y", "spec.map.k.d", "spec.z"],
        );
    }
}
