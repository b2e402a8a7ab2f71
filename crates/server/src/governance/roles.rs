//! Who may do what: our own accounts, and the roles that are shipped for people.
//!
//! To ask, to approve and to add a container are three authorities, and reading logs is a fourth: no
//! shipped role has two that would let one person do another's part.

use serde_json::{Value, json};

use super::{CONTROLLER, Groups, NAMESPACE, WEBHOOK};

/// The shipped role of those who may ask for visits and join their own.
pub const REQUESTER: &str = "ephemera-requester";

/// The shipped role of those who may approve.
pub const APPROVER: &str = "ephemera-approver";

/// The shipped role of those who may look.
pub const VIEWER: &str = "ephemera-viewer";

const OURS: &str = "ephemera.dev";

/// All `ClusterRole`s.
pub fn cluster_roles() -> Vec<Value> {
    vec![
        role(WEBHOOK, &webhook()),
        role(CONTROLLER, &controller()),
        role(REQUESTER, &requester()),
        role(APPROVER, &approver()),
        role(VIEWER, &viewer()),
    ]
}

/// All `ClusterRoleBinding`s; those of people only if their groups are told.
pub fn bindings(groups: Option<&Groups>) -> Vec<Value> {
    let account =
        |name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE});
    let mut bindings = vec![
        binding(WEBHOOK, &account(WEBHOOK)),
        binding(CONTROLLER, &account(CONTROLLER)),
    ];
    if let Some(groups) = groups {
        let of_group = |name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name});
        bindings.push(binding(REQUESTER, &of_group(&groups.requesters)));
        bindings.push(binding(APPROVER, &of_group(&groups.approvers)));
        bindings.push(binding(VIEWER, &of_group(&groups.viewers)));
    }
    bindings
}

/// It reads, and writes nothing.
fn webhook() -> Vec<Value> {
    vec![
        rule("", &["pods", "namespaces"], &["get"]),
        rule(OURS, &["debugsessions"], &["get"]),
        rule(OURS, &["debugapprovals", "debugpolicies"], &["list"]),
    ]
}

/// It adds containers and writes the status of sessions.
fn controller() -> Vec<Value> {
    vec![
        rule("", &["pods"], &["get", "list", "watch"]),
        rule("", &["pods/ephemeralcontainers"], &["patch"]),
        rule("", &["namespaces", "nodes"], &["get"]),
        rule(
            OURS,
            &["debugsessions", "debugapprovals", "debugpolicies"],
            &["get", "list", "watch"],
        ),
        rule(OURS, &["debugsessions/status"], &["patch"]),
        rule(
            "authorization.k8s.io",
            &["subjectaccessreviews"],
            &["create"],
        ),
    ]
}

/// What `ephemera` and plain `kubectl debug` need. Admission decides which visit is let in.
fn requester() -> Vec<Value> {
    vec![
        rule("", &["namespaces"], &["get", "list"]),
        rule("", &["pods"], &["get", "list", "watch"]),
        rule("", &["pods/log"], &["get"]),
        rule("", &["pods/ephemeralcontainers"], &["get", "patch"]),
        // A WebSocket is authorised as `get` and, since v1.35, as `create` besides; SPDY as `create`.
        rule("", &["pods/attach", "pods/exec"], &["get", "create"]),
        rule(
            OURS,
            &["debugsessions"],
            &["create", "get", "list", "watch"],
        ),
        // A verdict of one's own is never an approval: with it an ask is taken back.
        rule(OURS, &["debugapprovals"], &["create", "get", "list"]),
        rule(OURS, &["debugpolicies"], &["get", "list"]),
    ]
}

fn approver() -> Vec<Value> {
    vec![
        rule("", &["pods"], &["get"]),
        rule(OURS, &["debugsessions"], &["get", "list", "watch"]),
        rule(OURS, &["debugapprovals"], &["create", "get", "list"]),
        rule(OURS, &["debugpolicies"], &["get", "list"]),
    ]
}

fn viewer() -> Vec<Value> {
    vec![rule(
        OURS,
        &["debugsessions", "debugapprovals", "debugpolicies"],
        &["get", "list", "watch"],
    )]
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

fn role(name: &str, rules: &[Value]) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    })
}

fn binding(role: &str, subject: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    })
}
