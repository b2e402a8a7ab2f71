//! ValidatingAdmissionPolicyBindings (`pkg/apis/admissionregistration`).

use std::collections::HashSet;

use serde_json::{Value, json};

use super::admission_rules::{
    bump, default_resources, resource_faults, selector, strings, supported,
};
use super::{Strategy, names};
use crate::field::{FieldError, Path};

/// What is particular to ValidatingAdmissionPolicyBindings.
pub struct BindingStrategy;

/// The strategy of ValidatingAdmissionPolicyBindings.
pub static BINDING: BindingStrategy = BindingStrategy;

impl Strategy for BindingStrategy {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = object.get_mut("spec") {
            default_resources(spec.get_mut("matchResources"));
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["metadata"]["generation"] = 1.into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        let mut out = Vec::new();
        let name = spec["policyName"].as_str().unwrap_or_default();
        let field = path.child("policyName");
        if name.is_empty() {
            out.push(FieldError::required(&field, ""));
        } else {
            let faults = names::dns_subdomain(name).into_iter();
            out.extend(faults.map(|text| FieldError::invalid(&field, name, text)));
        }
        out.extend(param_ref(&spec["paramRef"], &path.child("paramRef")));
        // Kubernetes spells the path of this field so.
        out.extend(resource_faults(
            &spec["matchResources"],
            &path.child("matchResouces"),
        ));
        out.extend(action_faults(spec, &path.child("validationActions")));
        out
    }

    fn prepare_update(&self, _subresource: &str, new: &mut Value, old: &Value) {
        bump(new, old);
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        self.validate_create(new)
    }
}

/// `validateParamRef`.
fn param_ref(reference: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if reference.is_null() {
        return out;
    }
    let exclusive = "name and selector are mutually exclusive";
    let name = reference["name"].as_str().unwrap_or_default();
    let has_selector = !reference["selector"].is_null();
    if !name.is_empty() {
        let field = path.child("name");
        let faults = names::path_segment(name).into_iter();
        out.extend(faults.map(|text| FieldError::invalid(&field, name, text)));
        if has_selector {
            out.push(FieldError::forbidden(&field, exclusive));
        }
    }
    if has_selector {
        out.extend(selector(&reference["selector"], &path.child("selector")));
        if !name.is_empty() {
            out.push(FieldError::forbidden(&path.child("selector"), exclusive));
        }
    }
    if name.is_empty() && !has_selector {
        out.push(FieldError::required(
            path,
            "one of name or selector must be specified",
        ));
    }
    match reference["parameterNotFoundAction"].as_str() {
        None | Some("") => out.push(FieldError::required(
            &path.child("parameterNotFoundAction"),
            "",
        )),
        Some(_) => out.extend(supported(
            reference,
            "parameterNotFoundAction",
            path,
            &["Deny", "Allow"],
        )),
    }
    out
}

/// `validateValidationActions`.
fn action_faults(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let actions = strings(spec, "validationActions");
    let mut seen = HashSet::new();
    for (at, action) in actions.iter().enumerate() {
        if !["Audit", "Deny", "Warn"].contains(action) {
            out.push(FieldError::not_supported(
                &path.index(at),
                *action,
                &["Audit", "Deny", "Warn"],
            ));
        }
        if !seen.insert(*action) {
            out.push(FieldError::duplicate(&path.index(at), *action));
        }
    }
    if seen.contains("Deny") && seen.contains("Warn") {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        out.push(FieldError::invalid(path, json!(actions), detail));
    }
    if seen.is_empty() {
        out.push(FieldError::required(
            path,
            "at least one validation action is required",
        ));
    }
    out
}
