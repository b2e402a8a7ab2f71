//! What webhook configurations and admission policies have in common: rules, selectors, match conditions
//! (`pkg/apis/admissionregistration/validation/validation.go`).

use std::collections::{BTreeSet, HashSet};

use expression::Type;
use serde_json::{Map, Value, json};

use super::{metadata, names};
use crate::admission::conditions;
use crate::field::{Fault, FieldError, Path};

/// Sets a field that is absent or null.
pub(super) fn set(map: &mut Map<String, Value>, field: &str, value: Value) {
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), value);
    }
}

/// `SetDefaults_Rule` for each rule of a list.
pub(super) fn default_rules(rules: Option<&mut Value>) {
    for rule in rules.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(rule) = rule.as_object_mut() {
            set(rule, "scope", "*".into());
        }
    }
}

/// The texts of a list.
pub(super) fn strings<'a>(value: &'a Value, field: &str) -> Vec<&'a str> {
    let list = value[field].as_array().into_iter().flatten();
    list.filter_map(Value::as_str).collect()
}

/// The elements of a list, each with its path.
pub(super) fn elements<'a>(value: &'a Value, field: &str, path: &Path) -> Vec<(&'a Value, Path)> {
    let list = value[field].as_array().into_iter().flatten().enumerate();
    list.map(|(at, one)| (one, path.child(field).index(at)))
        .collect()
}

/// A field that is one of a few words, if it is there.
pub(super) fn supported(
    value: &Value,
    field: &str,
    path: &Path,
    words: &[&str],
) -> Option<FieldError> {
    let word = value[field].as_str().filter(|word| !words.contains(word))?;
    Some(FieldError::not_supported(&path.child(field), word, words))
}

/// `validateRuleWithOperations`.
pub(super) fn rule(rule: &Value, path: &Path) -> Vec<FieldError> {
    const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    let mut out = Vec::new();
    for (field, what) in [
        ("operations", "operations"),
        ("apiGroups", "API groups"),
        ("apiVersions", "API versions"),
    ] {
        let (values, at) = (strings(rule, field), path.child(field));
        if values.is_empty() {
            out.push(FieldError::required(&at, ""));
        }
        if values.len() > 1 && values.contains(&"*") {
            let detail = format!("if '*' is present, must not specify other {what}");
            out.push(FieldError::invalid(&at, json!(values), detail));
        }
        for (index, value) in values.iter().enumerate() {
            if field == "operations" && !OPERATIONS.contains(value) {
                out.push(FieldError::not_supported(
                    &at.index(index),
                    *value,
                    &OPERATIONS,
                ));
            }
            if field == "apiVersions" && value.is_empty() {
                out.push(FieldError::required(&at.index(index), ""));
            }
        }
    }
    out.extend(resources(
        &strings(rule, "resources"),
        &path.child("resources"),
    ));
    out.extend(supported(
        rule,
        "scope",
        path,
        &["*", "Cluster", "Namespaced"],
    ));
    out
}

/// `validateResources`.
fn resources(all: &[&str], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if all.is_empty() {
        out.push(FieldError::required(path, ""));
    }
    let (mut whole, mut every) = (BTreeSet::new(), BTreeSet::new());
    let mut plain = false;
    for (at, one) in all.iter().enumerate() {
        if one.is_empty() {
            out.push(FieldError::required(&path.index(at), ""));
            continue;
        }
        let Some((resource, subresource)) = one.split_once('/') else {
            plain = *one != "*";
            continue;
        };
        if whole.contains(resource) {
            let detail = format!("if '{resource}/*' is present, must not specify {one}");
            out.push(FieldError::invalid(&path.index(at), *one, detail));
        }
        if every.contains(subresource) {
            let detail = format!("if '*/{subresource}' is present, must not specify {one}");
            out.push(FieldError::invalid(&path.index(at), *one, detail));
        }
        if subresource == "*" {
            whole.insert(resource);
        }
        if resource == "*" {
            every.insert(subresource);
        }
    }
    if all.len() > 1 && all.contains(&"*/*") {
        let detail = "if '*/*' is present, must not specify other resources";
        out.push(FieldError::invalid(path, json!(all), detail));
    }
    if all.contains(&"*") && plain {
        let detail = "if '*' is present, must not specify other resources without subresources";
        out.push(FieldError::invalid(path, json!(all), detail));
    }
    out
}

/// `metav1validation.ValidateLabelSelector`.
pub(super) fn selector(selector: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = metadata::validate_labels(&selector["matchLabels"], &path.child("matchLabels"));
    for (expression, at) in elements(selector, "matchExpressions", path) {
        let values = strings(expression, "values");
        let operator = expression["operator"].as_str().unwrap_or_default();
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let detail = "must be specified when `operator` is 'In' or 'NotIn'";
                out.push(FieldError::required(&at.child("values"), detail));
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                out.push(FieldError::forbidden(&at.child("values"), detail));
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => {
                let detail = "not a valid selector operator";
                out.push(FieldError::invalid(&at.child("operator"), other, detail));
            }
        }
        let key = expression["key"].as_str().unwrap_or_default();
        let faults = names::qualified(key).into_iter();
        out.extend(faults.map(|text| FieldError::invalid(&at.child("key"), key, text)));
        for (index, value) in values.into_iter().enumerate() {
            let field = at.child("values").index(index);
            let faults = names::label_value(value).into_iter();
            out.extend(faults.map(|text| FieldError::invalid(&field, value, text)));
        }
    }
    out
}

/// `validateMatchConditions` for the list in `value`.
pub(super) fn match_conditions(value: &Value, path: &Path, has_params: bool) -> Vec<FieldError> {
    const MOST: usize = 64;
    let mut out = Vec::new();
    let all = elements(value, "matchConditions", path);
    if all.len() > MOST {
        out.push(FieldError::new(
            &path.child("matchConditions"),
            Fault::TooMany(all.len(), MOST),
            "",
        ));
    }
    let environment = conditions::environment(has_params, true);
    let mut seen = HashSet::new();
    for (condition, at) in all {
        let expression = condition["expression"].as_str().unwrap_or_default().trim();
        let field = at.child("expression");
        if expression.is_empty() {
            out.push(FieldError::required(&field, ""));
        } else if let Err(why) = conditions::compile(&environment, expression, &[Type::Bool]) {
            out.push(FieldError::invalid(&field, expression, why));
        }
        let name = condition["name"].as_str().unwrap_or_default();
        let field = at.child("name");
        if name.is_empty() {
            out.push(FieldError::required(&field, ""));
        } else {
            let faults = names::qualified(name).into_iter();
            out.extend(faults.map(|text| FieldError::invalid(&field, name, text)));
            if !seen.insert(name) {
                out.push(FieldError::duplicate(&field, name));
            }
        }
    }
    out
}

/// `SetDefaults_MatchResources`.
pub(super) fn default_resources(resources: Option<&mut Value>) {
    let Some(resources) = resources.and_then(Value::as_object_mut) else {
        return;
    };
    set(resources, "matchPolicy", "Equivalent".into());
    set(resources, "namespaceSelector", json!({}));
    set(resources, "objectSelector", json!({}));
    for list in ["resourceRules", "excludeResourceRules"] {
        default_rules(resources.get_mut(list));
    }
}

/// The generation grows with the spec.
pub(super) fn bump(new: &mut Value, old: &Value) {
    let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
    new["metadata"]["generation"] = (generation + i64::from(new["spec"] != old["spec"])).into();
}

/// `validateMatchResources`.
pub(super) fn resource_faults(resources: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if resources.is_null() {
        return out;
    }
    if resources["matchPolicy"].as_str().is_none() {
        out.push(FieldError::required(&path.child("matchPolicy"), ""));
    }
    out.extend(supported(
        resources,
        "matchPolicy",
        path,
        &["Equivalent", "Exact"],
    ));
    for name in ["namespaceSelector", "objectSelector"] {
        if resources[name].is_null() {
            out.push(FieldError::required(&path.child(name), ""));
        } else {
            out.extend(selector(&resources[name], &path.child(name)));
        }
    }
    for list in ["resourceRules", "excludeResourceRules"] {
        for (named, at) in elements(resources, list, path) {
            let mut seen = HashSet::new();
            for (index, name) in strings(named, "resourceNames").into_iter().enumerate() {
                let field = at.child("resourceNames").index(index);
                let faults = names::path_segment(name).into_iter();
                out.extend(faults.map(|text| FieldError::invalid(&field, name, text)));
                if !seen.insert(name) {
                    out.push(FieldError::duplicate(&field, name));
                }
            }
            out.extend(rule(named, &at));
        }
    }
    out
}
