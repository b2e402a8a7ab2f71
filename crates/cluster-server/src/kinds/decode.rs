//! Bodies read as Go's `encoding/json` reads them into a kind's type, and brought into the shape that
//! Kubernetes writes back: unknown fields dropped and reported, wrong JSON types refused, empty
//! optional fields left out, structs held by value written even when empty.

use base64::Engine as _;
use k8s_openapi::Resource;
use schemars::JsonSchema;
use serde_json::{Map, Number, Value};

use super::Decoded;
use super::quantity::Quantity;
use super::shape::{self, Absent, Shape, Shapes, Struct};
use crate::error::ApiError;

/// A value whose JSON type is not the field's. The text is Go's: `json: cannot unmarshal string into Go …`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnmarshalError(String);

/// Decodes a body of the kind `T`. `apiVersion` and `kind` have been checked by the caller.
///
/// A wrong JSON type is 400 `Pod in version "v1" cannot be handled as a Pod: json: …`.
pub fn decode_as<T: JsonSchema + Resource + 'static>(value: Value) -> Result<Decoded, ApiError> {
    decode(&shape::of::<T>(), value).map_err(|error| {
        let (kind, version) = (T::KIND, T::VERSION);
        ApiError::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {error}"
        ))
    })
}

/// Decodes a body of any shape.
pub fn decode(shapes: &Shapes, value: Value) -> Result<Decoded, UnmarshalError> {
    let mut decoder = Decoder {
        shapes,
        path: String::new(),
        fields: String::new(),
        owner: String::new(),
        unknown: Vec::new(),
    };
    let root = shapes.root.as_ref().unwrap_or(&Shape::Any);
    let object = decoder.value(root, value)?;
    Ok(Decoded {
        object,
        unknown: decoder.unknown,
    })
}

struct Decoder<'a> {
    shapes: &'a Shapes,
    /// Where the decoder is: `spec.containers[0].foo`.
    path: String,
    /// The same, as Go's messages tell it: names of fields only.
    fields: String,
    /// The name of the struct that holds the current field.
    owner: String,
    unknown: Vec<String>,
}

impl Decoder<'_> {
    fn value(&mut self, shape: &Shape, value: Value) -> Result<Value, UnmarshalError> {
        match (shape, value) {
            (shape, Value::Null) if *shape != Shape::Any => Ok(self.zero(shape)),
            (Shape::Struct(at), Value::Object(map)) => self.structure(*at, map),
            (Shape::List(item), Value::Array(values)) => self.list(item, values),
            (Shape::Map(item), Value::Object(map)) => self.map(item, map),
            (Shape::Any, value)
            | (Shape::Text | Shape::IntOrString, value @ Value::String(_))
            | (Shape::Bool, value @ Value::Bool(_))
            | (Shape::Float, value @ Value::Number(_)) => Ok(value),
            (Shape::Integer(bits), Value::Number(number)) => self.integer(*bits, &number),
            (Shape::IntOrString, Value::Number(number)) => self.integer(32, &number),
            (Shape::Quantity, Value::String(text)) => quantity(text.trim()),
            (Shape::Quantity, Value::Number(number)) => quantity(&number.to_string()),
            (Shape::Time, Value::String(text)) => time(&text, false),
            (Shape::MicroTime, Value::String(text)) => time(&text, true),
            (Shape::Bytes, Value::String(text)) => bytes(text),
            (shape, value) => Err(self.mismatch(shape, &value)),
        }
    }

    fn list(&mut self, item: &Shape, values: Vec<Value>) -> Result<Value, UnmarshalError> {
        let length = self.path.len();
        let mut out = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            self.path.push('[');
            self.path.push_str(&index.to_string());
            self.path.push(']');
            out.push(self.value(item, value)?);
            self.path.truncate(length);
        }
        Ok(Value::Array(out))
    }

    fn map(&mut self, item: &Shape, map: Map<String, Value>) -> Result<Value, UnmarshalError> {
        let length = self.path.len();
        let mut out = Map::new();
        for (key, value) in map {
            self.path.push('.');
            self.path.push_str(&key);
            let mut value = self.value(item, value)?;
            if *item == Shape::Quantity {
                canonical(&mut value);
            }
            out.insert(key, value);
            self.path.truncate(length);
        }
        Ok(Value::Object(out))
    }

    fn structure(&mut self, at: usize, map: Map<String, Value>) -> Result<Value, UnmarshalError> {
        let shapes = self.shapes;
        let Some(structure) = shapes.get(at) else {
            return Ok(Value::Object(map));
        };
        let (length, go_length) = (self.path.len(), self.fields.len());
        let mut out = Map::new();
        for (key, value) in map {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            if go_length > 0 {
                self.fields.push('.');
            }
            self.fields.push_str(&key);
            match structure.field(&key) {
                None => self.unknown.push(self.path.clone()),
                Some(_) if value.is_null() => {}
                Some(field) => {
                    self.owner.clone_from(&structure.name);
                    let value = self.value(&field.shape, value)?;
                    if field.absent != Absent::Omitted
                        || !is_zero(&value)
                        || self.in_forbidden_resources()
                    {
                        out.insert(key, value);
                    }
                }
            }
            self.path.truncate(length);
            self.fields.truncate(go_length);
        }
        self.fill(structure, &mut out);
        Ok(Value::Object(out))
    }

    /// Resources of an ephemeral container are refused even when they are empty maps, so those are kept.
    fn in_forbidden_resources(&self) -> bool {
        self.path
            .strip_prefix("spec.ephemeralContainers[")
            .is_some_and(|rest| rest.contains("].resources."))
    }

    fn fill(&self, structure: &Struct, out: &mut Map<String, Value>) {
        for field in structure
            .fields
            .iter()
            .filter(|field| field.absent == Absent::Zero)
        {
            if !out.contains_key(&field.name) {
                let zero = match field.name.as_str() {
                    // The caller fills these in.
                    "apiVersion" | "kind" => continue,
                    _ => self.zero(&field.shape),
                };
                out.insert(field.name.clone(), zero);
            }
        }
    }

    fn zero(&self, shape: &Shape) -> Value {
        match shape {
            Shape::Text => "".into(),
            Shape::Bool => false.into(),
            Shape::Integer(_) | Shape::Float | Shape::IntOrString => 0.into(),
            Shape::Quantity => "0".into(),
            Shape::Struct(at) => {
                let mut out = Map::new();
                if let Some(structure) = self.shapes.get(*at) {
                    self.fill(structure, &mut out);
                }
                Value::Object(out)
            }
            Shape::Any
            | Shape::Bytes
            | Shape::Time
            | Shape::MicroTime
            | Shape::List(_)
            | Shape::Map(_) => Value::Null,
        }
    }

    fn integer(&self, bits: u8, number: &Number) -> Result<Value, UnmarshalError> {
        let value = match number.as_i64() {
            Some(value) => Some(value),
            // `3.0` and `1e3` are integers too, as sigs.k8s.io/json reads them.
            #[expect(
                clippy::cast_possible_truncation,
                reason = "checked to be whole and in range just before"
            )]
            None => number
                .as_f64()
                .filter(|n| n.fract() == 0.0 && n.abs() < 9e18)
                .map(|n| n as i64),
        };
        match value {
            Some(value) if bits == 64 || i32::try_from(value).is_ok() => Ok(value.into()),
            _ => Err(self.refused(&format!("number {number}"), &format!("int{bits}"))),
        }
    }

    fn mismatch(&self, shape: &Shape, value: &Value) -> UnmarshalError {
        let found = match value {
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => "null",
        };
        match shape {
            Shape::Quantity => {
                UnmarshalError(super::quantity::ParseQuantityError::Format.to_string())
            }
            Shape::Time => UnmarshalError(format!(
                "json: cannot unmarshal {found} into Go value of type string"
            )),
            shape => self.refused(found, &self.go_type(shape)),
        }
    }

    fn refused(&self, found: &str, wanted: &str) -> UnmarshalError {
        // Go names the struct that holds the field and the fields on the way to it.
        let path = &self.fields;
        let place = if self.owner.is_empty() {
            "value".to_owned()
        } else {
            format!("struct field {}.{path}", self.owner)
        };
        UnmarshalError(format!(
            "json: cannot unmarshal {found} into Go {place} of type {wanted}"
        ))
    }

    fn go_type(&self, shape: &Shape) -> String {
        match shape {
            Shape::Text | Shape::IntOrString => "string".into(),
            Shape::Bool => "bool".into(),
            Shape::Integer(bits) => format!("int{bits}"),
            Shape::Float => "float64".into(),
            Shape::Bytes => "[]uint8".into(),
            Shape::Time => "v1.Time".into(),
            Shape::MicroTime => "v1.MicroTime".into(),
            Shape::Quantity => "resource.Quantity".into(),
            Shape::List(item) => format!("[]{}", self.go_type(item)),
            Shape::Map(item) => format!("map[string]{}", self.go_type(item)),
            Shape::Struct(at) => format!(
                "v1.{}",
                self.shapes.get(*at).map_or("", |structure| &structure.name)
            ),
            Shape::Any => "interface {}".into(),
        }
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn quantity(text: &str) -> Result<Value, UnmarshalError> {
    text.parse::<Quantity>()
        .map_err(|error| UnmarshalError(error.to_string()))?;
    Ok(text.into())
}

/// Amounts in a `ResourceList` are rounded to thousandths and written in their canonical form.
fn canonical(value: &mut Value) {
    if let Some(Ok(quantity)) = value.as_str().map(str::parse::<Quantity>) {
        *value = quantity.rounded_to_milli().to_string().into();
    }
}

fn time(text: &str, micro: bool) -> Result<Value, UnmarshalError> {
    let parsed: jiff::Timestamp = text.parse().map_err(|_| {
        UnmarshalError(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {text:?} as \"2006\""))
    })?;
    let format = if micro {
        "%Y-%m-%dT%H:%M:%S%.6fZ"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    Ok(parsed.strftime(format).to_string().into())
}

fn bytes(text: String) -> Result<Value, UnmarshalError> {
    // Go's decoder skips line breaks, and Kubernetes writes the bytes back without them.
    let clean: String = if text.contains(['\n', '\r']) {
        text.replace(['\n', '\r'], "")
    } else {
        text
    };
    match base64::engine::general_purpose::STANDARD.decode(&clean) {
        Ok(_) => Ok(clean.into()),
        Err(error) => {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _)
                | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
                    clean.len() / 4 * 4
                }
            };
            Err(UnmarshalError(format!(
                "illegal base64 data at input byte {at}"
            )))
        }
    }
}

#[cfg(test)]
mod tests;
