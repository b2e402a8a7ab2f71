//! The APIServices of what this server answers itself.
//!
//! Source: `pkg/controlplane/apiserver/aggregator.go` (priorities), `kube-aggregator/pkg/controllers/autoregister`.

use serde_json::{Value, json};

/// Says that an APIService comes and goes with what it is about.
pub(super) const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Groups with the priority that Kubernetes gives them, and the one of their stable version.
const PRIORITIES: [(&str, i64, i64); 16] = [
    ("", 18000, 1),
    ("events.k8s.io", 17750, 15),
    ("authentication.k8s.io", 17700, 15),
    ("authorization.k8s.io", 17600, 15),
    ("certificates.k8s.io", 17300, 15),
    ("networking.k8s.io", 17200, 15),
    ("policy", 17100, 15),
    ("rbac.authorization.k8s.io", 17000, 15),
    ("storage.k8s.io", 16800, 15),
    ("apiextensions.k8s.io", 16700, 15),
    ("admissionregistration.k8s.io", 16700, 15),
    ("scheduling.k8s.io", 16600, 15),
    ("coordination.k8s.io", 16500, 15),
    ("node.k8s.io", 16300, 15),
    ("discovery.k8s.io", 16200, 15),
    ("apps", 17800, 15),
];
/// Those of custom resources.
const CUSTOM: (i64, i64) = (1000, 100);

/// `groupPriorityMinimum` and `versionPriority` of a group that is served here. The group of APIServices itself is
/// before all others.
pub fn priority(group: &str) -> (i64, i64) {
    if group == super::OWN_GROUP {
        return (i64::MAX, 15);
    }
    PRIORITIES
        .iter()
        .find(|(name, ..)| *name == group)
        .map_or(CUSTOM, |&(_, group, version)| (group, version))
}

/// The name of a group and version's APIService.
pub(super) fn name(group: &str, version: &str) -> String {
    format!("{version}.{group}")
}

/// The APIService of a group and version that is served here; `custom` if by a CustomResourceDefinition.
pub(super) fn object(group: &str, version: &str, custom: bool) -> Value {
    let (of_group, of_version) = priority(group);
    let managed = if custom { "true" } else { "onstart" };
    let mut spec = json!({"groupPriorityMinimum": of_group, "version": version, "versionPriority": of_version});
    if !group.is_empty() {
        spec["group"] = group.into();
    }
    json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": name(group, version), "labels": {MANAGED: managed}},
        "spec": spec,
    })
}
