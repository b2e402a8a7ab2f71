//! Whether an applied configuration fits the topology of its kind (`typed.AsTyped`); built-in kinds are not decoded before
//! they are merged, so this is where unknown fields and wrong types of an apply are met.

use serde_json::{Map, Value};

use super::element::Element;
use super::schema::{Form, ListType, MapType, Relation, Scalar, Schema, TypeId};

/// What does not fit, as structured-merge-diff says it.
pub(super) fn validate(schema: &Schema, object: &Value) -> Result<(), String> {
    let mut walk = Walk {
        schema,
        path: String::new(),
        errors: Vec::new(),
    };
    walk.value(schema.root(), object);
    match walk.errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("errors:\n  {}", many.join("\n  "))),
    }
}

struct Walk<'a> {
    schema: &'a Schema,
    path: String,
    errors: Vec<String>,
}

impl Walk<'_> {
    fn error(&mut self, why: &str) {
        let path = &self.path;
        self.errors.push(if path.is_empty() {
            why.to_owned()
        } else {
            format!("{path}: {why}")
        });
    }

    fn below(&mut self, element: &Element, kind: TypeId, value: &Value) {
        let length = self.path.len();
        self.path.push_str(&element.to_string());
        self.value(kind, value);
        self.path.truncate(length);
    }

    fn value(&mut self, at: TypeId, value: &Value) {
        let schema = self.schema;
        match (schema.atom(at).form(Some(value)), value) {
            (_, Value::Null) => {}
            (Form::List(list), Value::Array(items)) => self.list(list, items),
            (Form::Map(map), Value::Object(fields)) => self.map(map, fields),
            (Form::List(_), other) => {
                self.error(&format!(
                    "expected list, got &{{{}}}",
                    crate::patch::go_text(other)
                ));
            }
            (Form::Map(_), other) => {
                self.error(&format!(
                    "expected map, got &{{{}}}",
                    crate::patch::go_text(other)
                ));
            }
            (Form::Scalar(scalar), value) => self.scalar(scalar, value),
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) {
        match scalar {
            Scalar::Text if !value.is_string() => self.error(&format!(
                "expected string, got &value.valueUnstructured{{Value:{}}}",
                crate::patch::go_syntax(value)
            )),
            Scalar::Number if !value.is_number() => self.error(&format!(
                "expected numeric (int or float), got {}",
                crate::patch::go_type(value)
            )),
            Scalar::Bool if !value.is_boolean() => self.error(&format!(
                "expected boolean, got &{{{}}}",
                crate::patch::go_text(value)
            )),
            Scalar::Untyped if value.is_object() || value.is_array() => self.error(&format!(
                "expected any scalar, got &{{{}}}",
                crate::patch::go_text(value)
            )),
            _ => {}
        }
    }

    fn list(&mut self, list: &ListType, items: &[Value]) {
        let mut seen = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let element = if list.relation == Relation::Atomic {
                Element::Index(i64::try_from(index).unwrap_or(i64::MAX))
            } else {
                match Schema::element_of(list, item) {
                    Ok(element) if seen.contains(&element) => {
                        self.error(&format!("duplicate entries for key {element}"));
                        element
                    }
                    Ok(element) => element,
                    Err(why) => return self.error(&format!("element {index}: {why}")),
                }
            };
            self.below(&element, list.item, item);
            seen.push(element);
        }
    }

    fn map(&mut self, map: &MapType, fields: &Map<String, Value>) {
        for (name, value) in fields {
            let element = Element::field(name);
            let Some(kind) = map.entry(name) else {
                let length = self.path.len();
                self.path.push_str(&element.to_string());
                self.error("field not declared in schema");
                self.path.truncate(length);
                return;
            };
            self.below(&element, kind, value);
        }
    }
}
