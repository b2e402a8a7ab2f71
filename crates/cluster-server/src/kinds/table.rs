//! The columns that `kubectl get` shows (`pkg/printers/internalversion/printers.go`).

mod admission;
mod age;
mod columns;
mod pod;
mod rows;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Resource;
use rows::Printer;

pub use age::since;

/// Name, type, format, description, priority (above zero: wide output only).
type Definition = (&'static str, &'static str, &'static str, &'static str, i64);

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a \
    client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and \
    configuration definition. Cannot be updated. More info: \
    https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// `columnDefinitions`.
pub fn columns(resource: &Resource) -> Value {
    if resource.custom {
        return custom_columns(resource);
    }
    let printer = Printer::of(&resource.key());
    let definitions = printer.columns.iter().map(|(name, kind, format, description, priority)| {
        json!({"name": name, "type": kind, "format": format, "description": description, "priority": priority})
    });
    definitions.collect()
}

/// One row's cells.
pub fn cells(resource: &Resource, object: &Value, now: Timestamp) -> Value {
    if resource.custom {
        return custom_cells(resource, object, now);
    }
    Value::Array((Printer::of(&resource.key()).cells)(object, now))
}

/// One row's conditions: a Pod that has ended is `Completed`.
pub fn conditions(resource: &Resource, object: &Value) -> Option<Value> {
    if resource.key() != "pods" {
        return None;
    }
    let (reason, message) = match object["status"]["phase"].as_str()? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn custom_columns(resource: &Resource) -> Value {
    let mut out = vec![
        json!({"name": "Name", "type": "string", "format": "name", "description": NAME, "priority": 0}),
    ];
    if resource.columns.is_empty() {
        out.push(json!({"name": "Age", "type": "date", "format": "", "description": CREATED, "priority": 0}));
    }
    out.extend(resource.columns.iter().map(|c| {
        let description =
            if c.description.is_empty() { format!("Custom resource definition column (in JSONPath format): {}", c.json_path) } else { c.description.clone() };
        json!({"name": c.name, "type": c.kind, "format": c.format, "description": description, "priority": c.priority})
    }));
    Value::Array(out)
}

fn custom_cells(resource: &Resource, object: &Value, now: Timestamp) -> Value {
    let mut out = vec![object["metadata"]["name"].clone()];
    if resource.columns.is_empty() {
        out.push(since(&object["metadata"]["creationTimestamp"], now));
    }
    for column in &resource.columns {
        let found = at_path(object, &column.json_path);
        out.push(found.map_or(Value::Null, |value| cell(&column.kind, value, now)));
    }
    Value::Array(out)
}

/// A value as a column of this type shows it; nothing where it is of another type.
fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        (_, Value::Null) => Value::Null,
        ("string", Value::String(_))
        | ("boolean", Value::Bool(_))
        | ("number", Value::Number(_)) => value.clone(),
        ("string", other) => other.to_string().into(),
        ("integer", Value::Number(number)) => match number.as_i64() {
            Some(whole) => whole.into(),
            // As Go converts it: what is behind the point goes.
            None => number
                .as_f64()
                .and_then(|n| format!("{:.0}", n.trunc()).parse::<i64>().ok())
                .map_or(Value::Null, Value::from),
        },
        ("date", Value::String(text)) if text.parse::<Timestamp>().is_err() => "<invalid>".into(),
        ("date", Value::String(_)) => since(value, now),
        _ => Value::Null,
    }
}

/// The simple JSONPath that columns use: `.a.b[0].c`, `.a['b.c']`, `.a[?(@.type=="Ready")].status`.
fn at_path<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    let (mut at, mut rest) = (object, path.trim_start_matches('$'));
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(']')?;
            at = at_bracket(at, &inside[..end])?;
            rest = &inside[end + 1..];
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            at = at.get(&name[..end])?;
            rest = &name[end..];
        }
    }
    Some(at)
}

fn at_bracket<'a>(at: &'a Value, inside: &str) -> Option<&'a Value> {
    if let Some(filter) = inside
        .strip_prefix("?(@.")
        .and_then(|f| f.strip_suffix(')'))
    {
        let (field, wanted) = filter.split_once("==")?;
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        return at
            .as_array()?
            .iter()
            .find(|item| item[field.trim()].as_str() == Some(wanted));
    }
    match inside.trim_matches(['"', '\'']) {
        name if name.len() != inside.len() => at.get(name),
        index => at.get(index.parse::<usize>().ok()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_column_shows_what_is_of_its_type() {
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        let cases = [
            ("string", json!("a"), json!("a")),
            ("string", json!({"a": 1}), json!("{\"a\":1}")),
            ("string", json!(1), json!("1")),
            ("integer", json!(2), json!(2)),
            ("integer", json!(2.7), json!(2)),
            ("integer", json!("2"), Value::Null),
            ("boolean", json!(true), json!(true)),
            ("date", json!("2026-01-01T00:00:00Z"), json!("60s")),
            ("date", json!("soon"), json!("<invalid>")),
            ("date", json!(1), Value::Null),
        ];
        for (kind, value, expected) in cases {
            assert_eq!(cell(kind, &value, now), expected, "{kind} {value}");
        }
    }
}
