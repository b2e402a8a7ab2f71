//! Values against a schema, with the words of `k8s.io/kube-openapi/pkg/validation/errors`.

use serde_json::Value;

use super::scalar::{check_number, check_string};
use super::{element, field, flag, join};
use crate::field::{Fault, FieldError, Path};

/// What does not hold in `object`.
pub(in crate::crd) fn validate(object: &Value, schema: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(object, schema, "", &mut errors);
    errors
}

fn walk(value: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if !check_type(value, schema, path, errors) {
        return;
    }
    if value.is_null() {
        return;
    }
    check_enum(value, schema, path, errors);
    match value {
        Value::String(text) => check_string(text, schema, path, errors),
        Value::Number(number) => check_number(number, schema, path, errors),
        Value::Array(items) => check_list(items, schema, path, errors),
        Value::Object(_) => check_object(value, schema, path, errors),
        _ => {}
    }
    check_combined(value, schema, path, errors);
}

/// The path as errors show it; the root has no name.
pub(super) fn at(path: &str) -> Path {
    if path.is_empty() {
        Path::new("<nil>")
    } else {
        Path::new(path)
    }
}

/// `spec.a in body should be …`, an invalid value.
pub(super) fn should(path: &str, value: &Value, what: &str) -> FieldError {
    FieldError::invalid(&at(path), value.clone(), format!("{path} in body {what}"))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() && !is_whole(number) => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_whole(number: &serde_json::Number) -> bool {
    number.as_f64().is_some_and(|float| float.fract() == 0.0)
}

/// Whether the value has the schema's type; what it has instead is an error.
fn check_type(value: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) -> bool {
    let found = kind_of(value);
    if value.is_null() && schema["nullable"] == true {
        return true;
    }
    if flag(schema, "x-kubernetes-int-or-string") {
        if matches!(found, "integer" | "string") {
            return true;
        }
        errors.push(wrong_type(path, "integer,string", found));
        return false;
    }
    let Some(wanted) = schema["type"].as_str() else {
        return true;
    };
    if wanted == found || (wanted == "number" && found == "integer") {
        return true;
    }
    errors.push(wrong_type(path, wanted, found));
    false
}

fn wrong_type(path: &str, wanted: &str, found: &str) -> FieldError {
    let detail = format!("{path} in body must be of type {wanted}: {found:?}");
    FieldError::new(&at(path), Fault::TypeInvalid(found.into()), detail)
}

fn check_enum(value: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(allowed) = schema["enum"].as_array() else {
        return;
    };
    if allowed.contains(value) {
        return;
    }
    let shown = allowed
        .iter()
        .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
        .collect();
    errors.push(FieldError::new(
        &at(path),
        Fault::NotSupported(value.clone(), shown),
        "",
    ));
}

fn check_list(items: &[Value], schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let (value, count) = (|| Value::from(items.to_vec()), items.len() as u64);
    if let Some(most) = schema["maxItems"].as_u64().filter(|&most| count > most) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        errors.push(FieldError::new(
            &at(path),
            Fault::TooMany(items.len(), most),
            "",
        ));
    }
    if let Some(least) = schema["minItems"].as_u64().filter(|&least| count < least) {
        errors.push(should(
            path,
            &value(),
            &format!("should have at least {least} items"),
        ));
    }
    check_unique(items, schema, path, errors);
    if let Some(below) = element(schema) {
        for (index, item) in items.iter().enumerate() {
            walk(item, below, &format!("{path}[{index}]"), errors);
        }
    }
}

/// Lists that are sets or maps hold each element or key once.
fn check_unique(items: &[Value], schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Vec::new(),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten();
            keys.filter_map(Value::as_str).collect()
        }
        _ if schema["uniqueItems"] == true => Vec::new(),
        _ => return,
    };
    let identity = |item: &Value| -> Value {
        if keys.is_empty() {
            return item.clone();
        }
        keys.iter()
            .map(|&key| (key.to_owned(), item[key].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let mut seen: Vec<Value> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let key = identity(item);
        if seen.contains(&key) {
            errors.push(FieldError::duplicate(&at(&format!("{path}[{index}]")), key));
        } else {
            seen.push(key);
        }
    }
}

fn check_object(value: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(fields) = value.as_object() else {
        return;
    };
    let count = fields.len() as u64;
    if let Some(most) = schema["maxProperties"]
        .as_u64()
        .filter(|&most| count > most)
    {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        errors.push(FieldError::new(
            &at(path),
            Fault::TooMany(fields.len(), most),
            "",
        ));
    }
    if let Some(least) = schema["minProperties"]
        .as_u64()
        .filter(|&least| count < least)
    {
        errors.push(should(
            path,
            value,
            &format!("should have at least {least} properties"),
        ));
    }
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !fields.contains_key(name) {
            errors.push(FieldError::required(&at(&join(path, name)), ""));
        }
    }
    for (name, below) in fields {
        if path.is_empty() && name == "metadata" {
            continue;
        }
        if let Some(schema) = field(schema, name) {
            walk(below, schema, &join(path, name), errors);
        }
    }
}

fn check_combined(value: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let holds = |schema: &Value| {
        let mut found = Vec::new();
        walk(value, schema, path, &mut found);
        found.is_empty()
    };
    let mut refuse =
        |text: String| errors.push(FieldError::invalid(&at(path), value.clone(), text));
    if schema["allOf"]
        .as_array()
        .is_some_and(|all| !all.iter().all(holds))
    {
        refuse(format!("{path:?} must validate all the schemas (allOf)"));
    }
    if schema["anyOf"]
        .as_array()
        .is_some_and(|any| !any.iter().any(holds))
    {
        refuse(format!(
            "{path:?} must validate at least one schema (anyOf)"
        ));
    }
    if let Some(one) = schema["oneOf"].as_array() {
        match one.iter().filter(|schema| holds(schema)).count() {
            0 => refuse(format!(
                "{path:?} must validate one and only one schema (oneOf). Found none valid"
            )),
            1 => {}
            many => refuse(format!(
                "{path:?} must validate one and only one schema (oneOf). Found {many} valid alternatives"
            )),
        }
    }
    if schema
        .get("not")
        .is_some_and(|not| not.is_object() && holds(not))
    {
        refuse(format!("{path:?} must not validate the schema (not)"));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, value: &Value, expected: &[&str]) {
        let schema = json!({"type": "object", "properties": {"spec": schema}});
        let errors = validate(&json!({"spec": value}), &schema);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn values_are_judged_in_kubernetes_words() {
        check(
            &json!({"type": "integer"}),
            &json!("x"),
            &["spec: Invalid value: \"string\": spec in body must be of type integer: \"string\""],
        );
        check(
            &json!({"type": "object", "required": ["a"]}),
            &json!({}),
            &["spec.a: Required value"],
        );
        check(
            &json!({"type": "string", "enum": ["A", "B"]}),
            &json!("C"),
            &["spec: Unsupported value: \"C\": supported values: \"A\", \"B\""],
        );
        check(
            &json!({"type": "string", "pattern": "^a+$"}),
            &json!("b"),
            &["spec: Invalid value: \"b\": spec in body should match '^a+$'"],
        );
        check(
            &json!({"type": "string", "minLength": 2}),
            &json!("b"),
            &["spec: Invalid value: \"b\": spec in body should be at least 2 chars long"],
        );
        check(
            &json!({"type": "integer", "minimum": 1}),
            &json!(0),
            &["spec: Invalid value: 0: spec in body should be greater than or equal to 1"],
        );
        check(
            &json!({"x-kubernetes-int-or-string": true}),
            &json!("10%"),
            &[],
        );
        check(
            &json!({"type": "string", "nullable": true}),
            &Value::Null,
            &[],
        );
        check(
            &json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}),
            &json!([{"name": "a", "x": 1}, {"name": "a", "x": 2}]),
            &["spec[1]: Duplicate value: {\"name\":\"a\"}"],
        );
    }
}
