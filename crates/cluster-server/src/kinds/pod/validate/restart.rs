//! When a container is started again: after it ended, and after its resources changed.

use std::collections::HashSet;

use serde_json::Value;

use super::{list, text};
use crate::field::{Fault, FieldError, Path};

const POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
const ACTIONS: [&str; 2] = ["Restart", "RestartAllContainers"];
const OPERATORS: [&str; 2] = ["In", "NotIn"];
const MAX_RULES: usize = 20;
const MAX_EXIT_CODES: usize = 255;

/// The faults of `restartPolicy` and `restartPolicyRules` (`validateContainerRestartPolicy`).
pub(super) fn of_container(container: &Value, path: &Path) -> Vec<FieldError> {
    let (policy, rules) = (
        path.child("restartPolicy"),
        path.child("restartPolicyRules"),
    );
    let held = list(&container["restartPolicyRules"]);
    let mut out = Vec::new();
    match container["restartPolicy"].as_str() {
        None if !held.is_empty() => {
            let detail = "must specify restartPolicy when restart rules are used";
            out.push(FieldError::required(&policy, detail));
        }
        Some(text) if !POLICIES.contains(&text) => {
            out.push(FieldError::not_supported(&policy, text, &POLICIES));
        }
        _ => {}
    }
    if held.len() > MAX_RULES {
        out.push(FieldError::new(&rules, Fault::TooLong(MAX_RULES), ""));
    }
    for (at, rule) in held.iter().enumerate() {
        out.extend(of_rule(rule, &rules.index(at)));
    }
    out
}

fn of_rule(rule: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let (action, codes) = (text(rule, "action"), &rule["exitCodes"]);
    if !ACTIONS.contains(&action) {
        out.push(FieldError::not_supported(
            &path.child("action"),
            action,
            &ACTIONS,
        ));
    }
    let field = path.child("exitCodes");
    if !codes.is_object() {
        out.push(FieldError::required(&field, "must be specified"));
        return out;
    }
    let operator = text(codes, "operator");
    if !OPERATORS.contains(&operator) {
        let field = field.child("operator");
        out.push(FieldError::not_supported(&field, operator, &OPERATORS));
    }
    if list(&codes["values"]).len() > MAX_EXIT_CODES {
        let fault = Fault::TooLong(MAX_EXIT_CODES);
        out.push(FieldError::new(&field.child("values"), fault, ""));
    }
    out
}

/// The faults of `resizePolicy` (`validateResizePolicy`). Most paths carry no index, as in Kubernetes.
pub(super) fn on_resize(policies: &Value, pod_policy: &str, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (at, one) in list(policies).iter().enumerate() {
        let (resource, policy) = (text(one, "resourceName"), text(one, "restartPolicy"));
        if !seen.insert(resource) {
            out.push(FieldError::duplicate(&path.index(at), resource));
        }
        for (value, supported) in [
            (resource, ["cpu", "memory"]),
            (policy, ["NotRequired", "RestartContainer"]),
        ] {
            out.extend(super::one_of(path, value, &supported));
        }
        if pod_policy == "Never" && policy != "NotRequired" {
            let detail = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            out.push(FieldError::invalid(path, policy, detail));
        }
    }
    out
}
