//! `x-kubernetes-validations`: what rules are made of, and whether they compile.

use serde_json::Value;

use super::open_schema::{Errors, Surroundings};
use super::{internal, text};
use crate::crd::rules::{Compiled, declared, field_path};
use crate::field::{Fault, FieldError, Path};

const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

fn has_line_breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// The rules at one place of a schema. They are compiled only where all else in and below this place holds.
pub(super) fn validate(
    schema: &Value,
    path: &Path,
    around: &Surroundings,
    root: bool,
    errors: &mut Errors,
) {
    let path = path.child("x-kubernetes-validations");
    let none = Vec::new();
    let rules = schema["x-kubernetes-validations"]
        .as_array()
        .unwrap_or(&none);
    for (index, rule) in rules.iter().enumerate() {
        let at = path.index(index);
        errors.schema.extend(shape(schema, rule, &at));
    }
    if rules.is_empty() || !errors.schema.is_empty() || !around.rules {
        return;
    }
    let root = root || schema["x-kubernetes-embedded-resource"] == true;
    let Some(of) = declared(schema, root) else {
        let why = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert \
                   structural schema to CEL declarations";
        let error = FieldError::new(&path, Fault::Internal, why);
        errors.rules.push(error);
        return;
    };
    for (index, rule) in rules.iter().enumerate() {
        let at = path.index(index);
        errors.rules.extend(compile(rule, &of, &at, around));
    }
}

fn shape(schema: &Value, rule: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (expression, message) = (text(rule, "rule").trim(), text(rule, "message"));
    let at = path.child("message");
    if expression.is_empty() {
        let at = path.child("rule");
        errors.push(FieldError::required(&at, "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        let why = "must be non-empty if specified";
        errors.push(FieldError::invalid(&at, message, why));
    } else if has_line_breaks(message.trim()) {
        let why = "must not contain line breaks";
        errors.push(FieldError::invalid(&at, message, why));
    } else if has_line_breaks(expression) && message.is_empty() {
        let why = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(&at, why));
    }
    let message = text(rule, "messageExpression");
    if !message.is_empty() && message.trim().is_empty() {
        let why = "messageExpression must be non-empty if specified";
        let at = path.child("messageExpression");
        errors.push(FieldError::required(&at, why));
    }
    if let Some(reason) = rule["reason"]
        .as_str()
        .filter(|reason| !REASONS.contains(reason))
    {
        let at = path.child("reason");
        errors.push(FieldError::not_supported(&at, reason, &REASONS));
    }
    errors.extend(shape_of_path(schema, text(rule, "fieldPath"), path));
    errors
}

fn shape_of_path(schema: &Value, given: &str, path: &Path) -> Vec<FieldError> {
    let (mut errors, at) = (Vec::new(), path.child("fieldPath"));
    if given.is_empty() {
        return errors;
    }
    let mut refuse = |why: &str| errors.push(FieldError::invalid(&at, given, why));
    if given.trim().is_empty() {
        refuse("must be non-empty if specified");
    }
    if has_line_breaks(given) {
        refuse("must not contain line breaks");
    }
    if field_path(given, schema).is_none() {
        refuse("must be a valid path");
    }
    errors
}

fn compile(
    rule: &Value,
    of: &expression::Type,
    path: &Path,
    around: &Surroundings,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut refuse = |key: &str, why: String| {
        errors.push(FieldError::invalid(
            &path.child(key),
            internal::rule(rule),
            why,
        ));
    };
    // Of a rule that does not compile it is not known what it is about.
    let mut uses_old = false;
    match Compiled::new(rule, of) {
        Ok(compiled) => {
            uses_old = compiled.uses_old();
            if let Some(Err(why)) = compiled.message {
                refuse("messageExpression", why);
            }
        }
        Err(why) => refuse("rule", why),
    }
    if !uses_old {
        if let Some(optional) = rule["optionalOldSelf"].as_bool() {
            let why = "may not be set if oldSelf is not used in rule";
            let at = path.child("optionalOldSelf");
            errors.push(FieldError::invalid(&at, optional, why));
        }
    } else if let Some(within) = &around.uncorrelated {
        let why = format!(
            "oldSelf cannot be used on the uncorrelatable portion of the schema within {within}"
        );
        let expression = text(rule, "rule");
        errors.push(FieldError::invalid(&path.child("rule"), expression, why));
    }
    errors
}
