//! The standard library: conversions, sizes, tests of text, optional values, types as values.

use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::Opaque;

use super::{EvaluationError, Outcome, time};
use crate::syntax::{Kind, Node};
use crate::value::{as_optional, optional, string};

/// A type as a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TypeName(String);

impl Opaque for TypeName {
    fn runtime_type_name(&self) -> &'static str {
        "type"
    }
}

impl TypeName {
    fn value(name: &str) -> Value {
        Value::Opaque(Arc::new(Self(name.to_owned())))
    }

    /// The type of this name, if an identifier can name one.
    pub(super) fn named(name: &str) -> Option<Value> {
        const NAMES: [&str; 11] = [
            "bool",
            "bytes",
            "double",
            "int",
            "list",
            "map",
            "null_type",
            "string",
            "type",
            "uint",
            "optional_type",
        ];
        NAMES.contains(&name).then(|| Self::value(name))
    }

    /// `google.protobuf.Timestamp` and `google.protobuf.Duration`.
    pub(super) fn qualified(operand: &Node, field: &str) -> Option<Value> {
        let Kind::Select {
            operand: root,
            field: package,
            ..
        } = &operand.kind
        else {
            return None;
        };
        let google =
            matches!(&root.kind, Kind::Ident(name) if name == "google") && package == "protobuf";
        (google && ["Timestamp", "Duration"].contains(&field))
            .then(|| Self::value(&format!("google.protobuf.{field}")))
    }
}

fn type_name(value: &Value) -> String {
    match value {
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Int(_) => "int",
        Value::UInt(_) => "uint",
        Value::Float(_) => "double",
        Value::String(_) => "string",
        Value::Bytes(_) => "bytes",
        Value::Bool(_) => "bool",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::Timestamp(_) => "google.protobuf.Timestamp",
        Value::Opaque(opaque) => return opaque.runtime_type_name().to_owned(),
        Value::Null | Value::Function(..) => "null_type",
    }
    .to_owned()
}

/// The value of a function of the standard library; `None` if `function` is none on such arguments.
pub(super) fn apply(function: &str, args: &[Value]) -> Option<Outcome> {
    if let Some(outcome) = time::accessor(function, args).or_else(|| optionals(function, args)) {
        return Some(outcome);
    }
    let ok = |value| Some(Ok(value));
    match (function, args) {
        ("type", [value]) => ok(TypeName::value(&type_name(value))),
        ("dyn", [value]) => ok(value.clone()),
        ("size", [value]) => Some(length(value)),
        ("contains", [Value::String(text), Value::String(part)]) => {
            ok(Value::Bool(text.contains(part.as_str())))
        }
        ("startsWith", [Value::String(text), Value::String(part)]) => {
            ok(Value::Bool(text.starts_with(part.as_str())))
        }
        ("endsWith", [Value::String(text), Value::String(part)]) => {
            ok(Value::Bool(text.ends_with(part.as_str())))
        }
        ("matches", [Value::String(text), Value::String(expression)]) => {
            Some(matches(text, expression))
        }
        ("int" | "uint" | "double" | "bool" | "bytes" | "duration" | "timestamp", [value]) => {
            Some(convert(function, value))
        }
        ("string", [value]) => text(value).map(|text| Ok(string(text))),
        ("contains" | "startsWith" | "endsWith" | "matches", _) => {
            Some(Err(EvaluationError::NoSuchOverload))
        }
        _ => None,
    }
}

fn length(value: &Value) -> Outcome {
    let length = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(elements) => elements.len(),
        Value::Map(entries) => entries.map.len(),
        _ => return Err(EvaluationError::NoSuchOverload),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

/// The greatest compiled regular expression: what RE2 allows by default is about as much.
const REGEX_SIZE: usize = 1 << 20;

fn matches(text: &str, expression: &str) -> Outcome {
    let compiled = regex::RegexBuilder::new(expression)
        .size_limit(REGEX_SIZE)
        .build();
    match compiled {
        Ok(compiled) => Ok(Value::Bool(compiled.is_match(text))),
        Err(error) => Err(EvaluationError::Function(format!(
            "error parsing regexp: {error}"
        ))),
    }
}

fn optionals(function: &str, args: &[Value]) -> Option<Outcome> {
    let held = args.first().and_then(as_optional);
    Some(Ok(match (function, args) {
        ("optional.of", [value]) => optional(Some(value.clone())),
        ("optional.none", []) => optional(None),
        ("optional.ofNonZeroValue", [value]) => {
            optional(Some(value.clone()).filter(|value| !value.is_zero()))
        }
        ("hasValue", [_]) => Value::Bool(held?.is_some()),
        ("value", [_]) => return Some(held?.cloned().ok_or(EvaluationError::NoneDereferenced)),
        ("or", [first, second]) => held?.map_or(second, |_| first).clone(),
        ("orValue", [_, other]) => held?.unwrap_or(other).clone(),
        _ => return None,
    }))
}

/// What `string()` makes of a value; `None` where it makes nothing.
pub(super) fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.to_string(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::Float(value) => float(*value),
        Value::Bytes(bytes) => String::from_utf8(bytes.to_vec()).ok()?,
        Value::Timestamp(at) => at
            .to_utc()
            .to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        Value::Duration(span) => {
            let nanoseconds = span.num_nanoseconds()?;
            let (whole, rest) = (
                nanoseconds / 1_000_000_000,
                (nanoseconds % 1_000_000_000).abs(),
            );
            let sign = if nanoseconds < 0 && whole == 0 {
                "-"
            } else {
                ""
            };
            let fraction = format!("{rest:09}");
            let fraction = fraction.trim_end_matches('0');
            if fraction.is_empty() {
                format!("{sign}{whole}s")
            } else {
                format!("{sign}{whole}.{fraction}s")
            }
        }
        _ => return None,
    })
}

/// A float as Go's `strconv.FormatFloat(value, 'g', -1, 64)` writes it.
fn float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let written = format!("{value:e}");
    let Some((digits, exponent)) = written.split_once('e') else {
        return written;
    };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..21).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        _ => format!("{value}"),
    }
}

fn convert(to: &str, value: &Value) -> Outcome {
    let refused = || {
        let shown = text(value).unwrap_or_default();
        EvaluationError::Function(format!(
            "type conversion error from '{}' to '{to}': {shown}",
            type_name(value)
        ))
    };
    match (to, value) {
        ("int", Value::Int(_))
        | ("uint", Value::UInt(_))
        | ("double", Value::Float(_))
        | ("bool", Value::Bool(_))
        | ("bytes", Value::Bytes(_))
        | ("duration", Value::Duration(_))
        | ("timestamp", Value::Timestamp(_)) => Ok(value.clone()),
        ("bool", Value::String(text)) => match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(refused()),
        },
        ("bytes", Value::String(text)) => Ok(Value::Bytes(Arc::new(text.as_bytes().to_vec()))),
        ("duration", Value::String(text)) => time::duration(text)
            .map(Value::Duration)
            .ok_or_else(refused),
        ("duration", Value::Int(nanoseconds)) => {
            Ok(Value::Duration(chrono::Duration::nanoseconds(*nanoseconds)))
        }
        ("timestamp", Value::String(text)) => chrono::DateTime::parse_from_rfc3339(text)
            .map(Value::Timestamp)
            .map_err(|_| refused()),
        ("timestamp", Value::Int(seconds)) => chrono::DateTime::from_timestamp(*seconds, 0)
            .map(|at| Value::Timestamp(at.fixed_offset()))
            .ok_or_else(refused),
        _ => number(to, value).unwrap_or(Err(EvaluationError::NoSuchOverload)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "as CEL converts")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked first"
)]
#[expect(clippy::cast_sign_loss, reason = "the range is checked first")]
fn number(to: &str, value: &Value) -> Option<Outcome> {
    let overflow = EvaluationError::IntegerOverflow;
    let unsigned = EvaluationError::UnsignedOverflow;
    let parse = |parsed: Option<Value>, text: &str| {
        parsed.ok_or_else(|| {
            EvaluationError::Function(format!(
                "strconv.Parse{}: parsing {text:?}: invalid syntax",
                capital(to)
            ))
        })
    };
    Some(match (to, value) {
        ("int", Value::UInt(value)) => i64::try_from(*value).map(Value::Int).map_err(|_| overflow),
        ("int", Value::Float(value)) if value.abs() < 9.223_372_036_854_775e18 => {
            Ok(Value::Int(*value as i64))
        }
        ("int", Value::Float(_)) => Err(overflow),
        ("int", Value::String(text)) => parse(text.parse().ok().map(Value::Int), text),
        ("int", Value::Timestamp(at)) => Ok(Value::Int(at.timestamp())),
        ("int", Value::Duration(span)) => span.num_nanoseconds().map(Value::Int).ok_or(overflow),
        ("uint", Value::Int(value)) => u64::try_from(*value).map(Value::UInt).map_err(|_| unsigned),
        ("uint", Value::Float(value)) if (0.0..1.844_674_407_370_955e19).contains(value) => {
            Ok(Value::UInt(*value as u64))
        }
        ("uint", Value::Float(_)) => Err(unsigned),
        ("uint", Value::String(text)) => parse(text.parse().ok().map(Value::UInt), text),
        ("double", Value::Int(value)) => Ok(Value::Float(*value as f64)),
        ("double", Value::UInt(value)) => Ok(Value::Float(*value as f64)),
        ("double", Value::String(text)) => parse(text.parse().ok().map(Value::Float), text),
        _ => return None,
    })
}

fn capital(to: &str) -> &'static str {
    match to {
        "int" => "Int",
        "uint" => "Uint",
        _ => "Float",
    }
}
