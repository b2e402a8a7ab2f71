//! A policy with its expressions compiled.

use expression::{Environment, ObjectType, Type};
use serde_json::Value;

use super::super::conditions::{self, Compiled};
use crate::store::Object;

/// A validation of a policy.
pub(super) struct Validation {
    pub(super) expression: Compiled,
    pub(super) source: String,
    pub(super) message: String,
    pub(super) message_expression: Option<Compiled>,
    pub(super) reason: Option<String>,
}

/// An audit annotation of a policy.
pub(super) struct AuditAnnotation {
    pub(super) key: String,
    pub(super) source: String,
    pub(super) value: Compiled,
}

/// A policy, compiled.
pub(super) struct Policy {
    /// The revision of the object that this was compiled from.
    pub(super) revision: u64,
    pub(super) ignores_failures: bool,
    pub(super) conditions: Vec<Compiled>,
    pub(super) variables: Vec<(String, Compiled)>,
    pub(super) validations: Vec<Validation>,
    pub(super) annotations: Vec<AuditAnnotation>,
}

/// The type of `variables`: one field for each variable that is declared so far.
pub fn variables_type(declared: &[(String, Type)]) -> Type {
    Type::Object(std::sync::Arc::new(ObjectType {
        name: "kubernetes.variables".to_owned(),
        fields: declared.iter().cloned().collect(),
    }))
}

/// The environment of a policy's expressions, with the variables declared so far.
pub fn environment(
    has_params: bool,
    has_authorizer: bool,
    declared: &[(String, Type)],
) -> Environment {
    conditions::environment(has_params, has_authorizer).with("variables", variables_type(declared))
}

impl Policy {
    /// Compiles all expressions of the stored policy. What does not compile fails when it is evaluated.
    pub(super) fn compile(stored: &Object) -> Self {
        let spec = &stored.value["spec"];
        let has_params = !spec["paramKind"].is_null();
        let list = |name: &str| spec[name].as_array().cloned().unwrap_or_default();
        let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let mut declared = Vec::new();
        let mut variables = Vec::new();
        for variable in list("variables") {
            let name = text(&variable, "name");
            let environment = environment(has_params, true, &declared);
            let compiled = conditions::compile(&environment, &text(&variable, "expression"), &[]);
            let of = compiled
                .as_ref()
                .map_or(Type::Dyn, |compiled| compiled.result().clone());
            declared.push((name.clone(), of));
            variables.push((name, compiled));
        }
        let full = environment(has_params, true, &declared);
        let plain = conditions::environment(has_params, true);
        let messages = environment(has_params, false, &declared);
        let validation = |validation: &Value| Validation {
            expression: conditions::compile(&full, &text(validation, "expression"), &[Type::Bool]),
            source: text(validation, "expression"),
            message: text(validation, "message"),
            message_expression: validation["messageExpression"]
                .as_str()
                .filter(|source| !source.is_empty())
                .map(|source| conditions::compile(&messages, source, &[Type::String])),
            reason: validation["reason"].as_str().map(str::to_owned),
        };
        let annotation = |annotation: &Value| {
            let source = text(annotation, "valueExpression");
            AuditAnnotation {
                key: text(annotation, "key"),
                value: conditions::compile(&full, &source, &[Type::String, Type::Null]),
                source,
            }
        };
        let condition = |condition: &Value| {
            conditions::compile(&plain, &text(condition, "expression"), &[Type::Bool])
        };
        Self {
            revision: stored.revision,
            ignores_failures: spec["failurePolicy"] == "Ignore",
            conditions: list("matchConditions").iter().map(condition).collect(),
            validations: list("validations").iter().map(validation).collect(),
            annotations: list("auditAnnotations").iter().map(annotation).collect(),
            variables,
        }
    }
}
