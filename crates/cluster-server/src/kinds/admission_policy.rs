//! ValidatingAdmissionPolicies
//! (`pkg/apis/admissionregistration/{v1/defaults,validation/validation}.go`, `pkg/registry/admissionregistration`).

use std::collections::HashSet;

use expression::{Environment, Type};
use serde_json::{Value, json};

use super::admission_rules::{
    bump, default_resources, elements, match_conditions, resource_faults, set, supported,
};
use super::{Strategy, names};
use crate::admission::{conditions, policy};
use crate::field::{FieldError, Path};

/// What is particular to ValidatingAdmissionPolicies.
pub struct PolicyStrategy;

/// The strategy of ValidatingAdmissionPolicies.
pub static POLICY: PolicyStrategy = PolicyStrategy;

const MOST_ANNOTATIONS: usize = 20;
const LONGEST_VALUE_EXPRESSION: usize = 5 * 1024;

impl Strategy for PolicyStrategy {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            set(spec, "failurePolicy", "Fail".into());
            default_resources(spec.get_mut("matchConstraints"));
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({});
        object["metadata"]["generation"] = 1.into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        spec_faults(object, &object["spec"], &Path::new("spec"))
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        if subresource == "status" {
            new["spec"] = old["spec"].clone();
            new["metadata"]["generation"] = old["metadata"]["generation"].clone();
        } else {
            new["status"] = old["status"].clone();
            bump(new, old);
        }
    }

    fn validate_update(&self, subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        if subresource == "status" {
            return Vec::new();
        }
        self.validate_create(new)
    }
}

/// `validateValidatingAdmissionPolicySpec`.
fn spec_faults(object: &Value, spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if spec["failurePolicy"].as_str().is_none() {
        out.push(FieldError::required(&path.child("failurePolicy"), ""));
    }
    out.extend(supported(spec, "failurePolicy", path, &["Fail", "Ignore"]));
    let has_params = !spec["paramKind"].is_null();
    if has_params {
        out.extend(param_kind(&spec["paramKind"], &path.child("paramKind")));
    }
    let constraints = path.child("matchConstraints");
    if spec["matchConstraints"].is_null() {
        out.push(FieldError::required(&constraints, ""));
    } else {
        out.extend(resource_faults(&spec["matchConstraints"], &constraints));
        if elements(&spec["matchConstraints"], "resourceRules", &constraints).is_empty() {
            out.push(FieldError::required(
                &constraints.child("resourceRules"),
                "",
            ));
        }
    }
    out.extend(match_conditions(spec, path, has_params));
    let declared = variables(spec, path, has_params, &mut out);
    let validations = elements(spec, "validations", path);
    let annotations = elements(spec, "auditAnnotations", path);
    if validations.is_empty() && annotations.is_empty() {
        let detail = "validations or auditAnnotations must contain at least one item";
        out.push(FieldError::required(&path.child("validations"), detail));
        out.push(FieldError::required(
            &path.child("auditAnnotations"),
            detail,
        ));
        return out;
    }
    let full = policy::environment(has_params, true, &declared);
    let messages = policy::environment(has_params, false, &declared);
    for (validation, at) in validations {
        out.extend(validation_faults(validation, &at, &full, &messages));
    }
    if annotations.len() > MOST_ANNOTATIONS {
        let detail = format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations");
        let value = spec["auditAnnotations"].clone();
        out.push(FieldError::invalid(
            &path.child("auditAnnotations"),
            value,
            detail,
        ));
    }
    let mut keys = HashSet::new();
    for (annotation, at) in annotations {
        out.extend(annotation_faults(object, annotation, &at, &full));
        let key = annotation["key"].as_str().unwrap_or_default();
        if !keys.insert(key) {
            out.push(FieldError::duplicate(&at.child("key"), key));
        }
    }
    out
}

/// Checks the variables in their order, each of which may name those before it; the answer is their types.
fn variables(
    spec: &Value,
    path: &Path,
    has_params: bool,
    out: &mut Vec<FieldError>,
) -> Vec<(String, Type)> {
    let mut declared = Vec::new();
    for (variable, at) in elements(spec, "variables", path) {
        let name = variable["name"].as_str().unwrap_or_default();
        let field = at.child("name");
        if name.trim().is_empty() {
            out.push(FieldError::required(&field, "name is not specified"));
        } else if !is_identifier(name) {
            out.push(FieldError::invalid(
                &field,
                name,
                "name is not a valid CEL identifier",
            ));
        }
        let source = variable["expression"].as_str().unwrap_or_default();
        let field = at.child("expression");
        let mut of = Type::Dyn;
        if source.trim().is_empty() {
            out.push(FieldError::required(&field, "expression is not specified"));
        } else {
            let environment = policy::environment(has_params, true, &declared);
            match conditions::compile(&environment, source, &[]) {
                Ok(compiled) => of = compiled.result().clone(),
                Err(why) => out.push(FieldError::invalid(&field, source, why)),
            }
        }
        declared.push((name.to_owned(), of));
    }
    declared
}

/// Whether expressions can name a variable so.
fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    // A word that is kept is escaped, and so differs.
    let kept = expression::escape(name).is_none_or(|escaped| escaped == format!("__{name}__"));
    first && characters.all(|c| c.is_ascii_alphanumeric() || c == '_') && !kept
}

fn has_line_breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// `validateValidation`.
fn validation_faults(
    validation: &Value,
    at: &Path,
    full: &Environment,
    messages: &Environment,
) -> Vec<FieldError> {
    let mut out = Vec::new();
    let text = |name: &str| validation[name].as_str().unwrap_or_default();
    let (source, field) = (text("expression"), at.child("expression"));
    if source.trim().is_empty() {
        out.push(FieldError::required(&field, "expression is not specified"));
    } else if let Err(why) = conditions::compile(full, source, &[Type::Bool]) {
        out.push(FieldError::invalid(&field, source, why));
    }
    let (source, field) = (text("messageExpression"), at.child("messageExpression"));
    if !source.is_empty() && source.trim().is_empty() {
        out.push(FieldError::invalid(
            &field,
            source,
            "must be non-empty if specified",
        ));
    } else if !source.is_empty()
        && let Err(why) = conditions::compile(messages, source, &[Type::String])
    {
        out.push(FieldError::invalid(&field, source, why));
    }
    let (message, field) = (text("message"), at.child("message"));
    if !message.is_empty() && message.trim().is_empty() {
        out.push(FieldError::invalid(
            &field,
            message,
            "message must be non-empty if specified",
        ));
    } else if has_line_breaks(message.trim()) {
        out.push(FieldError::invalid(
            &field,
            message,
            "message must not contain line breaks",
        ));
    }
    let reasons = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
    out.extend(supported(validation, "reason", at, &reasons));
    out
}

/// `validateAuditAnnotation`.
fn annotation_faults(
    object: &Value,
    annotation: &Value,
    at: &Path,
    full: &Environment,
) -> Vec<FieldError> {
    let mut out = Vec::new();
    let key = annotation["key"].as_str().unwrap_or_default();
    let field = at.child("key");
    match object["metadata"]["name"]
        .as_str()
        .filter(|name| !name.is_empty())
    {
        Some(name) => {
            let qualified = format!("{name}/{key}");
            let faults = names::qualified(&qualified).into_iter();
            out.extend(faults.map(|text| FieldError::invalid(&field, qualified.as_str(), text)));
        }
        None => out.push(FieldError::invalid(
            &field,
            key,
            "requires metadata.name be non-empty",
        )),
    }
    let source = annotation["valueExpression"].as_str().unwrap_or_default();
    let (trimmed, field) = (source.trim(), at.child("valueExpression"));
    if trimmed.is_empty() {
        out.push(FieldError::required(
            &field,
            "valueExpression is not specified",
        ));
    } else if trimmed.len() > LONGEST_VALUE_EXPRESSION {
        let detail = format!("must not exceed {LONGEST_VALUE_EXPRESSION} bytes in length");
        out.push(FieldError::required(&field, detail));
    } else if let Err(why) = conditions::compile(full, trimmed, &[Type::String, Type::Null]) {
        out.push(FieldError::invalid(&field, source, why));
    }
    out
}

/// `validateParamKind`.
fn param_kind(kind: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let api_version = kind["apiVersion"].as_str().unwrap_or_default();
    let field = path.child("apiVersion");
    match api_version.split('/').collect::<Vec<_>>()[..] {
        [""] => out.push(FieldError::required(&field, "")),
        [version] => out.extend(version_faults(api_version, version, &field)),
        [group, version] => {
            let faults = if group.is_empty() {
                Vec::new()
            } else {
                names::dns_subdomain(group)
            };
            if !faults.is_empty() {
                out.push(FieldError::invalid(&field, group, faults.join(",")));
            }
            out.extend(version_faults(api_version, version, &field));
        }
        _ => {
            let detail = format!("unexpected GroupVersion string: {api_version}");
            out.push(FieldError::invalid(&field, api_version, detail));
        }
    }
    let name = kind["kind"].as_str().unwrap_or_default();
    let field = path.child("kind");
    if name.is_empty() {
        out.push(FieldError::required(&field, ""));
    } else {
        let faults = names::dns_1035_label(&name.to_lowercase());
        if !faults.is_empty() {
            let detail = format!(
                "may have mixed case, but should otherwise match: {}",
                faults.join(",")
            );
            out.push(FieldError::invalid(&field, name, detail));
        }
    }
    out
}

fn version_faults(whole: &str, version: &str, field: &Path) -> Option<FieldError> {
    if version.is_empty() {
        return Some(FieldError::invalid(
            field,
            whole,
            "version must be specified",
        ));
    }
    let faults = names::dns_1035_label(version);
    (!faults.is_empty()).then(|| FieldError::invalid(field, version, faults.join(",")))
}
