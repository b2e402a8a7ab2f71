//! The `CustomResourceDefinition`s, as any cluster takes them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, ValidationRule,
};
use kube::CustomResourceExt;

use crate::{DebugApproval, DebugPolicy, DebugSession};

/// All of them, in the order of the flow.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        DebugPolicy::crd(),
        immutable(DebugSession::crd()),
        immutable(DebugApproval::crd()),
    ]
}

/// `spec` cannot change after create. The webhook says the same of the fields that CEL cannot see
/// (`x-kubernetes-preserve-unknown-fields`); this holds while the webhook is away.
fn immutable(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut();
        let schema = schema.and_then(|s| s.open_api_v3_schema.as_mut());
        let properties = schema.and_then(|s| s.properties.as_mut());
        if let Some(spec) = properties.and_then(|p| p.get_mut("spec")) {
            spec.x_kubernetes_validations = Some(vec![ValidationRule {
                rule: "self == oldSelf".into(),
                message: Some("it cannot be changed: make a new one".into()),
                ..ValidationRule::default()
            }]);
        }
    }
    crd
}
