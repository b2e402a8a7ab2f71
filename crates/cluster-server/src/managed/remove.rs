//! An object without some of its fields (`TypedValue.RemoveItems`).

use serde_json::{Map, Value};

use super::element::Element;
use super::schema::{Form, ListType, MapType, Relation, Schema, TypeId};
use super::set::FieldSet;

/// `object` without the fields of `gone`. What is owned as a whole goes as a whole or stays.
pub(super) fn remove(schema: &Schema, object: &Value, gone: &FieldSet) -> Value {
    let left = value(schema, schema.root(), object, gone);
    if left.is_null() {
        Value::Object(Map::new())
    } else {
        left
    }
}

/// Null where nothing is left.
fn value(schema: &Schema, at: TypeId, of: &Value, gone: &FieldSet) -> Value {
    match (schema.atom(at).form(Some(of)), of) {
        (Form::List(list), Value::Array(items)) if list.relation != Relation::Atomic => {
            from_list(schema, list, items, gone)
        }
        (Form::Map(map), Value::Object(fields)) if !map.atomic => {
            from_map(schema, map, fields, gone)
        }
        (Form::Scalar(_), scalar) => scalar.clone(),
        _ => Value::Null,
    }
}

fn from_list(schema: &Schema, list: &ListType, items: &[Value], gone: &FieldSet) -> Value {
    let left = items.iter().filter_map(|item| {
        let Ok(element) = Schema::element_of(list, item) else {
            return Some(item.clone());
        };
        if gone.has_member(&element) {
            return None;
        }
        Some(match gone.below(&element) {
            Some(gone) => value(schema, list.item, item, gone),
            None => item.clone(),
        })
    });
    let left: Vec<Value> = left.collect();
    if left.is_empty() {
        Value::Null
    } else {
        Value::Array(left)
    }
}

fn from_map(schema: &Schema, map: &MapType, fields: &Map<String, Value>, gone: &FieldSet) -> Value {
    let mut out = Map::new();
    for (name, inner) in fields {
        let element = Element::field(name);
        if gone.has_member(&element) {
            continue;
        }
        let left = match (gone.below(&element), map.entry(name)) {
            (Some(gone), Some(kind)) => value(schema, kind, inner, gone),
            _ => inner.clone(),
        };
        out.insert(name.clone(), left);
    }
    if out.is_empty() {
        Value::Null
    } else {
        Value::Object(out)
    }
}
