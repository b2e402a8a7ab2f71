//! The type that CEL sees in a structural schema (`k8s.io/apiserver/pkg/cel/common/schemas.go`).

use expression::Type;
use serde_json::{Value, json};

/// The type of values of `schema`; none where the schema says too little. `root` is that of a resource, whose own
/// name and kind rules always see.
pub(in crate::crd) fn declared(schema: &Value, root: bool) -> Option<Type> {
    // Kubernetes makes up a new name for each schema, so that nobody relies on it.
    named(schema, root, "selfType")
}

fn named(schema: &Value, root: bool, name: &str) -> Option<Type> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(Type::Dyn);
    }
    let completed;
    let schema = if root {
        completed = with_metadata(schema);
        &completed
    } else {
        schema
    };
    Some(match schema["type"].as_str()? {
        "array" => Type::list(below(schema.get("items")?, name, "@idx")?),
        "object" => match schema
            .get("additionalProperties")
            .filter(|one| one.is_object())
        {
            Some(values) => Type::map(Type::String, below(values, name, "@elem")?),
            None => object(schema, name),
        },
        "string" => match schema["format"].as_str() {
            Some("byte") => Type::Bytes,
            Some("duration") => Type::Duration,
            Some("date" | "date-time") => Type::Timestamp,
            _ => Type::String,
        },
        "boolean" => Type::Bool,
        "number" => Type::Double,
        "integer" => Type::Int,
        _ => return None,
    })
}

fn below(schema: &Value, name: &str, part: &str) -> Option<Type> {
    let embedded = schema["x-kubernetes-embedded-resource"] == true;
    named(schema, embedded, &format!("{name}.{part}"))
}

/// Fields without a type, and those whose names no expression can write, are not seen.
fn object(schema: &Value, name: &str) -> Type {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.filter_map(|(property, schema)| {
        let field = expression::escape(property)?;
        let of = below(schema, name, &field)?;
        Some((field, of))
    });
    Type::object(name, fields)
}

/// `WithTypeAndObjectMeta`.
fn with_metadata(schema: &Value) -> Value {
    let text = json!({"type": "string"});
    let mut out = schema.clone();
    let properties = &schema["properties"];
    let is_text = |one: &Value| one["type"] == "string";
    let metadata = &properties["metadata"];
    let complete = is_text(&properties["kind"])
        && is_text(&properties["apiVersion"])
        && metadata["type"] == "object"
        && is_text(&metadata["properties"]["name"])
        && is_text(&metadata["properties"]["generateName"]);
    if complete || !out.is_object() {
        return out;
    }
    if !out["properties"].is_object() {
        out["properties"] = json!({});
    }
    out["properties"]["kind"] = text.clone();
    out["properties"]["apiVersion"] = text.clone();
    out["properties"]["metadata"] =
        json!({"type": "object", "properties": {"name": text, "generateName": text}});
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &Value, rule: &str, expected: Option<&str>) {
        let of = declared(schema, false).expect("a type");
        let compiled = expression::Environment::new()
            .with("self", of)
            .compile(rule);
        let got = compiled.err().map(|error| error.issues[0].message.clone());
        assert_eq!(got.as_deref(), expected, "{rule}");
    }

    #[test]
    fn types_are_those_of_the_schema() {
        let schema = json!({"type": "object", "properties": {
            "a.b": {"type": "integer"}, "at": {"type": "string", "format": "date-time"},
            "port": {"x-kubernetes-int-or-string": true}, "raw": {"x-kubernetes-preserve-unknown-fields": true},
            "list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "number"}}}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "whole": {"type": "object", "x-kubernetes-embedded-resource": true},
        }});
        check(&schema, "self.a__dot__b > 1", None);
        check(&schema, "self.at < timestamp('2020-01-01T00:00:00Z')", None);
        check(&schema, "self.port == 1 || self.port == '1'", None);
        check(&schema, "self.raw == 1", Some("undefined field 'raw'"));
        check(&schema, "self.list.all(e, e.x > 0.5)", None);
        check(&schema, "self.labels.all(k, self.labels[k] != '')", None);
        check(&schema, "self.whole.metadata.name != ''", None);
        check(
            &schema,
            "self.whole.metadata.labels.size() > 0",
            Some("undefined field 'labels'"),
        );
        check(
            &schema,
            "self.list == 1",
            Some(
                "found no matching overload for '_==_' applied to '(list(selfType.list.@idx), int)'",
            ),
        );
    }
}
