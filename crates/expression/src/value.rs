//! Values: from JSON, to JSON, and what they are.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, Map, OptionalValue};
use serde_json::{Value as Json, json};

use crate::names;
use crate::types::Type;

/// JSON without a schema: whole numbers are `int` (or `uint`), others `double`, objects maps.
pub fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Value::Int(value),
            (None, Some(value)) => Value::UInt(value),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => string(text),
        Json::Array(elements) => Value::List(Arc::new(elements.iter().map(from_json).collect())),
        Json::Object(fields) => map(fields
            .iter()
            .map(|(key, value)| (key.clone(), from_json(value)))),
    }
}

/// JSON of a known type: numbers, times, durations and bytes become what the type says, the fields of objects have
/// the names by which expressions select them ([`names::escape`]). What does not fit is read as by [`from_json`], and so
/// are fields that are not declared: no expression can select them, but they count when objects are compared.
pub fn from_json_as(of: &Type, json: &Json) -> Value {
    match (of, json) {
        (Type::Double, Json::Number(number)) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        (Type::Timestamp, Json::String(text)) => {
            timestamp(text).map_or_else(|| string(text), Value::Timestamp)
        }
        (Type::Duration, Json::String(text)) => {
            crate::evaluate::duration(text).map_or_else(|| string(text), Value::Duration)
        }
        (Type::Bytes, Json::String(text)) => BASE64
            .decode(text)
            .map_or_else(|_| string(text), |bytes| Value::Bytes(Arc::new(bytes))),
        (Type::List(element), Json::Array(elements)) => Value::List(Arc::new(
            elements
                .iter()
                .map(|json| from_json_as(element, json))
                .collect(),
        )),
        (Type::Map(_, value), Json::Object(fields)) => map(fields
            .iter()
            .map(|(key, json)| (key.clone(), from_json_as(value, json)))),
        (Type::Object(object), Json::Object(fields)) => map(fields.iter().map(|(key, json)| {
            let name = names::escape(key).unwrap_or_else(|| key.clone());
            let value = match object.fields.get(&name) {
                Some(of) => from_json_as(of, json),
                None => from_json(json),
            };
            (name, value)
        })),
        (_, json) => from_json(json),
    }
}

/// A point in time, or the first of a day.
fn timestamp(text: &str) -> Option<chrono::DateTime<chrono::FixedOffset>> {
    let day = || {
        let day = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(day.and_hms_opt(0, 0, 0)?.and_utc().fixed_offset())
    };
    chrono::DateTime::parse_from_rfc3339(text).ok().or_else(day)
}

/// A value as JSON; `None` where there is none for it (types, addresses, a map whose keys are no text …).
pub fn to_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::UInt(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::String(text) => json!(text.as_str()),
        Value::List(elements) => Json::Array(elements.iter().map(to_json).collect::<Option<_>>()?),
        Value::Map(entries) => {
            let field = |(key, value): (&Key, &Value)| match key {
                Key::String(key) => Some((key.to_string(), to_json(value)?)),
                _ => None,
            };
            Json::Object(entries.map.iter().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The boolean that a value is.
pub fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}

/// The text that a value is.
pub fn as_string(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// A string value.
pub(crate) fn string(text: impl Into<String>) -> Value {
    Value::String(Arc::new(text.into()))
}

/// A map with text for keys.
pub(crate) fn map(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    let map: HashMap<Key, Value> = entries
        .into_iter()
        .map(|(key, value)| (Key::from(key), value))
        .collect();
    Value::Map(Map { map: Arc::new(map) })
}

/// The optional of a value, or of none.
pub fn optional(value: Option<Value>) -> Value {
    Value::Opaque(Arc::new(
        value.map_or_else(OptionalValue::none, OptionalValue::of),
    ))
}

/// What an optional holds; `None` if the value is no optional.
#[expect(
    clippy::option_option,
    reason = "no optional, one without a value, one with"
)]
pub(crate) fn as_optional(value: &Value) -> Option<Option<&Value>> {
    match value {
        Value::Opaque(opaque) => opaque
            .downcast_ref::<OptionalValue>()
            .map(OptionalValue::value),
        _ => None,
    }
}

/// What cost is reckoned by: characters of text, bytes, elements; one for everything else.
pub(crate) fn size(value: &Value) -> u64 {
    let size = match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(elements) => elements.len(),
        Value::Map(entries) => entries.map.len(),
        _ => 1,
    };
    size as u64
}

/// The type of a literal.
pub(crate) fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::UInt(_) => Type::Uint,
        Value::Float(_) => Type::Double,
        Value::String(_) => Type::String,
        Value::Bytes(_) => Type::Bytes,
        Value::Duration(_) => Type::Duration,
        Value::Timestamp(_) => Type::Timestamp,
        _ => Type::Dyn,
    }
}
