//! The `CustomResourceDefinition`s, as any cluster takes them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, ValidationRule,
};
use kube::CustomResourceExt;

use crate::{DebugApproval, DebugPolicy, DebugSession};

/// All of them, in the order of the flow.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        with_columns(DebugPolicy::crd(), &POLICY_COLUMNS),
        with_columns(immutable(DebugSession::crd()), &SESSION_COLUMNS),
        with_columns(immutable(DebugApproval::crd()), &APPROVAL_COLUMNS),
    ]
}

/// A column of `kubectl get`: name, type, path, and whether only `-o wide` shows it.
type Column = (&'static str, &'static str, &'static str, Shown);

#[derive(Clone, Copy)]
enum Shown {
    Always,
    Wide,
}

const AGE: Column = ("Age", "date", ".metadata.creationTimestamp", Shown::Always);

const POLICY_COLUMNS: [Column; 4] = [
    ("Effect", "string", ".spec.effect", Shown::Always),
    (
        "Groups",
        "string",
        ".spec.match.subjects.groups",
        Shown::Always,
    ),
    (
        "Approval",
        "string",
        ".spec.approval.quorum[*].group",
        Shown::Always,
    ),
    AGE,
];

const SESSION_COLUMNS: [Column; 8] = [
    ("Pod", "string", ".spec.pod.name", Shown::Always),
    (
        "Requester",
        "string",
        ".spec.requester.username",
        Shown::Always,
    ),
    ("Phase", "string", ".status.phase", Shown::Always),
    ("Ticket", "string", ".spec.ticket", Shown::Always),
    ("Container", "string", ".status.handle", Shown::Wide),
    ("Image", "string", ".spec.container.image", Shown::Wide),
    ("Message", "string", ".status.message", Shown::Wide),
    AGE,
];

const APPROVAL_COLUMNS: [Column; 4] = [
    ("Session", "string", ".spec.session", Shown::Always),
    ("Verdict", "string", ".spec.verdict", Shown::Always),
    (
        "Approver",
        "string",
        ".spec.approver.username",
        Shown::Always,
    ),
    AGE,
];

fn with_columns(mut crd: CustomResourceDefinition, columns: &[Column]) -> CustomResourceDefinition {
    let columns: Vec<CustomResourceColumnDefinition> = columns
        .iter()
        .map(
            |(name, type_, json_path, shown)| CustomResourceColumnDefinition {
                name: (*name).into(),
                type_: (*type_).into(),
                json_path: (*json_path).into(),
                priority: match shown {
                    Shown::Always => None,
                    Shown::Wide => Some(1),
                },
                ..CustomResourceColumnDefinition::default()
            },
        )
        .collect();
    for version in &mut crd.spec.versions {
        version.additional_printer_columns = Some(columns.clone());
    }
    crd
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
