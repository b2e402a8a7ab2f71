//! RBAC objects, written short.

use authority::Rbac;
use serde_json::{Value, json};

/// `(name, rules)`; a rule is `(groups, resources, verbs)`.
pub(crate) type Rules<'a> = &'a [(&'a [&'a str], &'a [&'a str], &'a [&'a str])];

pub(crate) fn rules(rules: Rules<'_>) -> Value {
    let rules = rules.iter().map(|(groups, resources, verbs)| {
        json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
    });
    rules.collect()
}

pub(crate) fn cluster_role(rbac: &mut Rbac, name: &str, of: Rules<'_>) {
    let role = json!({"metadata": {"name": name}, "rules": rules(of)});
    rbac.cluster_roles
        .push(serde_json::from_value(role).unwrap());
}

pub(crate) fn bind(rbac: &mut Rbac, role: &str, kind: &str, name: &str) {
    let binding = json!({
        "metadata": {"name": format!("{role}-to-{name}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": kind, "name": name}],
    });
    rbac.cluster_role_bindings
        .push(serde_json::from_value(binding).unwrap());
}

pub(crate) fn bind_in(rbac: &mut Rbac, namespace: &str, role: (&str, &str), subject: &Value) {
    let (kind, name) = role;
    let binding = json!({
        "metadata": {"name": format!("{name}-bound"), "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [subject],
    });
    rbac.role_bindings
        .push(serde_json::from_value(binding).unwrap());
}
