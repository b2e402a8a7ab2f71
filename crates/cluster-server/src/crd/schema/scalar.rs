//! Strings and numbers against a schema.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::Value;

use super::format;
use super::validate::{at, should};
use crate::field::{Fault, FieldError};

/// Length, pattern and format.
pub(super) fn check_string(text: &str, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let (value, length) = (Value::from(text), text.chars().count() as u64);
    if let Some(most) = schema["maxLength"].as_u64().filter(|&most| length > most) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        errors.push(FieldError::new(&at(path), Fault::TooLong(most), ""));
    }
    if let Some(least) = schema["minLength"].as_u64().filter(|&least| length < least) {
        errors.push(should(
            path,
            &value,
            &format!("should be at least {least} chars long"),
        ));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !compiled(pattern).is_some_and(|regex| regex.is_match(text))
    {
        errors.push(should(path, &value, &format!("should match '{pattern}'")));
    }
    if let Some(name) = schema["format"]
        .as_str()
        .filter(|name| !format::holds(name, text))
    {
        let detail = format!("{path} in body must be of type {name}: {text:?}");
        errors.push(FieldError::new(
            &at(path),
            Fault::TypeInvalid(value),
            detail,
        ));
    }
}

/// A pattern is compiled once; one that cannot be compiled matches nothing.
fn compiled(pattern: &str) -> Option<Arc<Regex>> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Arc<Regex>>>>> =
        LazyLock::new(Mutex::default);
    const REMEMBERED: usize = 1024;
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if compiled.len() >= REMEMBERED {
        compiled.clear();
    }
    let entry = compiled.entry(pattern.to_owned());
    entry
        .or_insert_with(|| Regex::new(pattern).ok().map(Arc::new))
        .clone()
}

/// Bounds, step and format.
pub(super) fn check_number(
    number: &serde_json::Number,
    schema: &Value,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    let (value, float) = (
        Value::Number(number.clone()),
        number.as_f64().unwrap_or(f64::NAN),
    );
    if let Some(least) = schema["minimum"].as_f64() {
        let exclusive = schema["exclusiveMinimum"] == true;
        if float < least || (exclusive && float <= least) {
            let words = if exclusive {
                "greater than"
            } else {
                "greater than or equal to"
            };
            errors.push(should(
                path,
                &value,
                &format!("should be {words} {}", schema["minimum"]),
            ));
        }
    }
    if let Some(most) = schema["maximum"].as_f64() {
        let exclusive = schema["exclusiveMaximum"] == true;
        if float > most || (exclusive && float >= most) {
            let words = if exclusive {
                "less than"
            } else {
                "less than or equal to"
            };
            errors.push(should(
                path,
                &value,
                &format!("should be {words} {}", schema["maximum"]),
            ));
        }
    }
    if let Some(step) = schema["multipleOf"]
        .as_f64()
        .filter(|&step| step > 0.0 && (float / step).fract() != 0.0)
    {
        errors.push(should(
            path,
            &value,
            &format!("should be a multiple of {step}"),
        ));
    }
    let fits = match schema["format"].as_str() {
        Some("int32") => number
            .as_i64()
            .is_some_and(|whole| i32::try_from(whole).is_ok()),
        Some("int64") => number.as_i64().is_some() || !number.is_u64(),
        _ => true,
    };
    if !fits {
        let name = schema["format"].as_str().unwrap_or_default();
        errors.push(should(
            path,
            &value,
            &format!("must be of type {name}: {number}"),
        ));
    }
}
