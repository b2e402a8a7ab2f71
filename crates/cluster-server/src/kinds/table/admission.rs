//! Rows of what configures admission.

use jiff::Timestamp;
use serde_json::Value;

use super::Definition;
use super::columns::{AGE, N, column};
use super::rows::{age, count, name, or};

pub(super) const WEBHOOK: &[Definition] = &[
    N,
    column(
        "Webhooks",
        "integer",
        "Webhooks indicates the number of webhooks registered in this configuration",
        0,
    ),
    AGE,
];
pub(super) const POLICY: &[Definition] = &[
    N,
    column(
        "Validations",
        "integer",
        "Validations indicates the number of validation rules defined in this configuration",
        0,
    ),
    column(
        "ParamKind",
        "string",
        "ParamKind specifies the kind of resources used to parameterize this policy",
        0,
    ),
    AGE,
];
pub(super) const POLICY_BINDING: &[Definition] = &[
    N,
    column(
        "PolicyName",
        "string",
        "PolicyName indicates the policy definition which the policy binding binded to",
        0,
    ),
    column(
        "ParamRef",
        "string",
        "ParamRef indicates the param resource which sets the configration param",
        0,
    ),
    AGE,
];

const UNSET: &str = "<unset>";

pub(super) fn webhooks(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), count(&object["webhooks"]), age(object, now)]
}

pub(super) fn policy(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let parameters = match &spec["paramKind"] {
        Value::Null => UNSET.to_owned(),
        kind => format!("{}/{}", or(&kind["apiVersion"], ""), or(&kind["kind"], "")),
    };
    vec![
        name(object),
        count(&spec["validations"]),
        parameters.into(),
        age(object, now),
    ]
}

pub(super) fn policy_binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let reference = &spec["paramRef"];
    let parameters = match (or(&reference["namespace"], ""), or(&reference["name"], "")) {
        (_, name) if name.is_empty() => UNSET.to_owned(),
        (namespace, name) if namespace.is_empty() => name,
        (namespace, name) => format!("{namespace}/{name}"),
    };
    vec![
        name(object),
        spec["policyName"].clone(),
        parameters.into(),
        age(object, now),
    ]
}
