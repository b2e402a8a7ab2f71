//! Operators: arithmetic, comparison, equality, membership.

use std::cmp::Ordering;
use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, KeyRef, Map};

use super::{EvaluationError, Outcome, time};
use crate::value::as_optional;

/// The value of an operator; `None` if `function` is none.
pub(super) fn apply(function: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (function, args) {
        ("!_", [Value::Bool(value)]) => Ok(Value::Bool(!value)),
        ("-_", [value]) => negate(value),
        ("_==_", [left, right]) => Ok(Value::Bool(equal(left, right))),
        ("_!=_", [left, right]) => Ok(Value::Bool(!equal(left, right))),
        ("_<_", [left, right]) => order(left, right, Ordering::is_lt),
        ("_<=_", [left, right]) => order(left, right, Ordering::is_le),
        ("_>_", [left, right]) => order(left, right, Ordering::is_gt),
        ("_>=_", [left, right]) => order(left, right, Ordering::is_ge),
        ("@in", [value, container]) => contains(container, value),
        ("_+_", [left, right]) => add(left, right),
        ("_-_" | "_*_" | "_/_" | "_%_", [left, right]) => arithmetic(function, left, right),
        ("!_" | "@in", _) => Err(EvaluationError::NoSuchOverload),
        (name, _) if name.starts_with('_') => Err(EvaluationError::NoSuchOverload),
        _ => return None,
    })
}

fn negate(value: &Value) -> Outcome {
    match value {
        Value::Int(value) => value
            .checked_neg()
            .map(Value::Int)
            .ok_or(EvaluationError::IntegerOverflow),
        Value::Float(value) => Ok(Value::Float(-value)),
        _ => Err(EvaluationError::NoSuchOverload),
    }
}

/// A whole number that an index may be.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        Value::UInt(value) => i64::try_from(*value).ok(),
        Value::Float(value) => exact(*value),
        _ => None,
    }
}

/// The integer that a float is.
#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be within 53 bits first"
)]
#[expect(
    clippy::float_cmp,
    reason = "a whole number is exactly its own truncation"
)]
fn exact(value: f64) -> Option<i64> {
    (value.trunc() == value && value.abs() <= 9_007_199_254_740_992.0).then_some(value as i64)
}

/// A value as the key of a map.
pub(super) fn key(value: &Value) -> Option<KeyRef<'_>> {
    Some(match value {
        Value::Int(value) => KeyRef::Int(*value),
        Value::UInt(value) => KeyRef::Uint(*value),
        Value::Bool(value) => KeyRef::Bool(*value),
        Value::String(text) => KeyRef::String(text),
        Value::Float(value) => KeyRef::Int(exact(*value)?),
        _ => return None,
    })
}

/// A value as the key of a map that keeps it.
pub(super) fn owned_key(value: &Value) -> Option<Key> {
    Some(match value {
        Value::Int(value) => Key::Int(*value),
        Value::UInt(value) => Key::Uint(*value),
        Value::Bool(value) => Key::Bool(*value),
        Value::String(text) => Key::String(text.clone()),
        _ => return None,
    })
}

/// The entry of a map; whole numbers find one another whatever their sign type.
pub(super) fn entry<'a>(map: &'a Map, key: KeyRef<'_>) -> Option<&'a Value> {
    map.get(&key).or_else(|| match key {
        KeyRef::Int(value) => map.get(&KeyRef::Uint(u64::try_from(value).ok()?)),
        KeyRef::Uint(value) => map.get(&KeyRef::Int(i64::try_from(value).ok()?)),
        _ => None,
    })
}

/// Heterogeneous equality: numbers by what they are worth, other types only with their own.
pub(super) fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::List(left), Value::List(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|(left, right)| equal(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.map.len() == right.map.len()
                && left.map.iter().all(|(key, value)| {
                    let key = kube_cel::cel::objects::AsKeyRef::as_keyref(key);
                    entry(right, key).is_some_and(|other| equal(value, other))
                })
        }
        (
            Value::Int(_) | Value::UInt(_) | Value::Float(_),
            Value::Int(_) | Value::UInt(_) | Value::Float(_),
        ) => numeric(left, right) == Some(Ordering::Equal),
        (left, right) => match (as_optional(left), as_optional(right)) {
            (Some(Some(left)), Some(Some(right))) => equal(left, right),
            (Some(left), Some(right)) => left.is_none() && right.is_none(),
            _ => left == right,
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "floats compare as floats")]
fn numeric(left: &Value, right: &Value) -> Option<Ordering> {
    let float = |value: &Value| match value {
        Value::Int(value) => Some(*value as f64),
        Value::UInt(value) => Some(*value as f64),
        Value::Float(value) => Some(*value),
        _ => None,
    };
    let integer = |value: &Value| match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::UInt(value) => Some(i128::from(*value)),
        _ => None,
    };
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => float(left)?.partial_cmp(&float(right)?),
    }
}

/// How two values of one ordered type compare.
pub(super) fn compare(left: &Value, right: &Value) -> Result<Option<Ordering>, EvaluationError> {
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        (Value::Duration(left), Value::Duration(right)) => Some(left.cmp(right)),
        (
            Value::Int(_) | Value::UInt(_) | Value::Float(_),
            Value::Int(_) | Value::UInt(_) | Value::Float(_),
        ) => numeric(left, right),
        _ => return Err(EvaluationError::NoSuchOverload),
    })
}

fn order(left: &Value, right: &Value, holds: fn(Ordering) -> bool) -> Outcome {
    Ok(Value::Bool(compare(left, right)?.is_some_and(holds)))
}

fn contains(container: &Value, value: &Value) -> Outcome {
    match container {
        Value::List(elements) => Ok(Value::Bool(
            elements.iter().any(|element| equal(element, value)),
        )),
        Value::Map(entries) => Ok(Value::Bool(
            key(value).is_some_and(|key| entry(entries, key).is_some()),
        )),
        _ => Err(EvaluationError::NoSuchOverload),
    }
}

fn add(left: &Value, right: &Value) -> Outcome {
    Ok(match (left, right) {
        (Value::String(left), Value::String(right)) => {
            Value::String(Arc::new(format!("{left}{right}")))
        }
        (Value::Bytes(left), Value::Bytes(right)) => {
            Value::Bytes(Arc::new([left.as_slice(), right].concat()))
        }
        (Value::List(left), Value::List(right)) => {
            Value::List(Arc::new([left.as_slice(), right].concat()))
        }
        (left, right) => return arithmetic("_+_", left, right),
    })
}

fn arithmetic(function: &str, left: &Value, right: &Value) -> Outcome {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => integers(function, *left, *right),
        (Value::UInt(left), Value::UInt(right)) => unsigned(function, *left, *right),
        (Value::Float(left), Value::Float(right)) => Ok(Value::Float(match function {
            "_+_" => left + right,
            "_-_" => left - right,
            "_*_" => left * right,
            "_/_" => left / right,
            _ => return Err(EvaluationError::NoSuchOverload),
        })),
        (left, right) => time::arithmetic(function, left, right),
    }
}

fn integers(function: &str, left: i64, right: i64) -> Outcome {
    let value = match function {
        "_+_" => left.checked_add(right),
        "_-_" => left.checked_sub(right),
        "_*_" => left.checked_mul(right),
        "_/_" if right == 0 => return Err(EvaluationError::DivisionByZero),
        "_/_" => left.checked_div(right),
        _ if right == 0 => return Err(EvaluationError::ModulusByZero),
        _ => left.checked_rem(right),
    };
    value
        .map(Value::Int)
        .ok_or(EvaluationError::IntegerOverflow)
}

fn unsigned(function: &str, left: u64, right: u64) -> Outcome {
    let value = match function {
        "_+_" => left.checked_add(right),
        "_-_" => left.checked_sub(right),
        "_*_" => left.checked_mul(right),
        "_/_" if right == 0 => return Err(EvaluationError::DivisionByZero),
        "_/_" => left.checked_div(right),
        _ if right == 0 => return Err(EvaluationError::ModulusByZero),
        _ => left.checked_rem(right),
    };
    value
        .map(Value::UInt)
        .ok_or(EvaluationError::UnsignedOverflow)
}
