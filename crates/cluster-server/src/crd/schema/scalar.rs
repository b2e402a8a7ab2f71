//! Strings and numbers against a schema.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::Value;

use super::format;
use super::validate::Place;
use crate::field::{Fault, FieldError};

/// Length and pattern, of which the first that does not hold is told; then the format.
pub(super) fn check_string(text: &str, schema: &Value, place: Place<'_>) -> Vec<FieldError> {
    let mut errors: Vec<FieldError> = check_text(text, schema, place).into_iter().collect();
    if let Some(name) = format::of(schema).filter(|name| !format::holds(name, text)) {
        let detail = format!("{} in body must be of type {name}: {text:?}", place.path);
        let fault = Fault::TypeInvalid(text.into());
        errors.push(FieldError::new(&place.base.at(place.path), fault, detail));
    }
    errors
}

fn check_text(text: &str, schema: &Value, place: Place<'_>) -> Option<FieldError> {
    let length = text.chars().count() as u64;
    if let Some(most) = schema["maxLength"].as_u64().filter(|&most| length > most) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let at = place.base.at(place.path);
        return Some(FieldError::new(&at, Fault::TooLong(most), ""));
    }
    let should = |what: &str| place.base.should(place.path, &text.into(), what);
    if let Some(least) = schema["minLength"].as_u64().filter(|&least| length < least) {
        return Some(should(&format!("should be at least {least} chars long")));
    }
    let pattern = schema["pattern"].as_str().filter(|one| !one.is_empty())?;
    let holds = compiled(pattern).is_some_and(|regex| regex.is_match(text));
    (!holds).then(|| should(&format!("should match '{pattern}'")))
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

/// Format, step and bounds.
pub(super) fn check_number(
    number: &serde_json::Number,
    schema: &Value,
    place: Place<'_>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let float = number.as_f64().unwrap_or(f64::NAN);
    let should = |what: String| {
        place
            .base
            .should(place.path, &Value::Number(number.clone()), &what)
    };
    if !fits(number, schema) {
        let format = schema["format"].as_str().filter(|one| !one.is_empty());
        let format = format.map_or("(default format)".to_owned(), |format| {
            format!("with format {format}")
        });
        let text = format!(
            "Checked value must be of type integer {format} in {}",
            place.path
        );
        errors.push(place.base.somewhere(text));
    }
    let step = schema["multipleOf"].as_f64().filter(|&step| step > 0.0);
    if step.is_some_and(|step| (float / step).fract() != 0.0) {
        errors.push(should(format!(
            "should be a multiple of {}",
            schema["multipleOf"]
        )));
    }
    for (key, exclusive, over, words) in [
        ("maximum", "exclusiveMaximum", true, "less than"),
        ("minimum", "exclusiveMinimum", false, "greater than"),
    ] {
        let Some(bound) = schema[key].as_f64() else {
            continue;
        };
        let exclusive = schema[exclusive] == true;
        let beyond = if over { float > bound } else { float < bound };
        let at = float.total_cmp(&bound).is_eq();
        if beyond || (exclusive && at) {
            let or_equal = if exclusive { "" } else { " or equal to" };
            errors.push(should(format!(
                "should be {words}{or_equal} {}",
                schema[key]
            )));
        }
    }
    errors
}

/// Whether a whole number has the width that the schema's format says.
fn fits(number: &serde_json::Number, schema: &Value) -> bool {
    if schema["type"] != "integer" || number.is_f64() {
        return true;
    }
    match schema["format"].as_str() {
        Some("int32") => number
            .as_i64()
            .is_some_and(|whole| i32::try_from(whole).is_ok()),
        _ => number.as_i64().is_some(),
    }
}
