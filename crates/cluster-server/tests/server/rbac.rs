//! Rights over rights: what may be granted, and what is told of it.

use serde_json::{Value, json};

use super::Cluster;
use super::wire::{Answer, Client};

const RBAC: &str = "rbac.authorization.k8s.io";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/n/roles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/n/rolebindings";

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

/// Gives carl a role of these rules in the namespace `n`.
async fn give_carl(cluster: &Cluster, name: &str, rules: Value) {
    let role = json!({"metadata": {"name": name}, "rules": rules});
    let made = cluster.create(RBAC, "v1", "roles", "n", role).await;
    made.expect("a role");
    let made = cluster
        .create(RBAC, "v1", "rolebindings", "n", binding(name, "Role", name))
        .await;
    made.expect("a binding");
}

fn binding(name: &str, kind: &str, role: &str) -> Value {
    json!({"metadata": {"name": name}, "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "carl"}]})
}

fn carl(cluster: &Cluster) -> Client {
    let people = cluster.server.api().pki.people();
    let carl = people.iter().find(|person| person.name == "carl");
    Client::bearer(cluster, &carl.expect("carl").token)
}

async fn write(client: &Client, path: &str, kind: &str, object: &Value) -> Answer {
    let mut object = object.clone();
    object["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
    object["kind"] = kind.into();
    client.post(path, &object).await
}

#[tokio::test]
async fn what_is_not_held_is_refused_before_what_is_invalid() {
    let cluster = Cluster::start().await;
    let all = ["create", "update", "patch", "get"];
    give_carl(
        &cluster,
        "writer",
        json!([rule(RBAC, &["roles", "rolebindings"], &all)]),
    )
    .await;
    let carl = carl(&cluster);
    let role = json!({"metadata": {"name": "r"}, "rules": [rule("", &["pods"], &["get", "list"]), {"apiGroups": [""], "resources": ["x"]}]});
    let answer = write(&carl, ROLES, "Role", &role).await;
    assert_eq!(
        (answer.code, answer.message().as_str()),
        (
            403,
            "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"carl\" (groups=[\"viewers\" \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}"
        )
    );
    let missing = write(
        &carl,
        BINDINGS,
        "RoleBinding",
        &binding("b", "ClusterRole", "gone"),
    )
    .await;
    assert_eq!(
        (missing.code, missing.message().as_str()),
        (
            404,
            "clusterroles.rbac.authorization.k8s.io \"gone\" not found"
        )
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_role_that_is_not_held_cannot_even_be_labelled() {
    let cluster = Cluster::start().await;
    give_carl(
        &cluster,
        "writer",
        json!([rule(RBAC, &["roles"], &["patch", "get"])]),
    )
    .await;
    let role = json!({"metadata": {"name": "strong"}, "rules": [rule("", &["secrets"], &["get"])]});
    let made = cluster.create(RBAC, "v1", "roles", "n", role).await;
    made.expect("a role");
    let path = format!("{ROLES}/strong");
    let client = carl(&cluster).header("content-type", "application/merge-patch+json");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let answer = client.send("PATCH", &path, Some(&label)).await;
    assert_eq!(answer.code, 403, "{}", answer.text);
    let upkeep = json!({"metadata": {"finalizers": ["example.com/x"]}});
    let answer = client.send("PATCH", &path, Some(&upkeep)).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    cluster.stop().await;
}

#[tokio::test]
async fn a_dangling_binding_is_told_with_what_is_missing() {
    let cluster = Cluster::start().await;
    let rules = json!([rule(RBAC, &["roles"], &["create"])]);
    give_carl(&cluster, "writer", rules).await;
    let dangling = binding("dangling", "Role", "gone");
    let made = cluster
        .create(RBAC, "v1", "rolebindings", "n", dangling)
        .await;
    made.expect("a binding");
    let role = json!({"metadata": {"name": "r"}, "rules": [rule("", &["pods"], &["get"])]});
    let answer = write(&carl(&cluster), ROLES, "Role", &role).await;
    let end = "\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}; resolution errors: [role.rbac.authorization.k8s.io \"gone\" not found]";
    assert!(answer.message().ends_with(end), "{}", answer.message());
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "n"}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let review = carl(&cluster).post(path, &body).await.json();
    assert_eq!(review["spec"], json!({}));
    assert_eq!(
        review["status"]["evaluationError"],
        "role.rbac.authorization.k8s.io \"gone\" not found"
    );
    assert_eq!(review["status"]["incomplete"], false);
    let list = carl(&cluster).get("/api/v1/namespaces/n/pods").await;
    assert!(list.message().ends_with(
        "in the namespace \"n\": RBAC: role.rbac.authorization.k8s.io \"gone\" not found"
    ));
    cluster.stop().await;
}

#[tokio::test]
async fn who_may_bind_a_role_need_not_hold_it() {
    let cluster = Cluster::start().await;
    let mut bind = rule(RBAC, &["clusterroles"], &["bind"]);
    bind["resourceNames"] = json!(["admin"]);
    let mut escalate = rule(RBAC, &["roles"], &["escalate"]);
    escalate["resourceNames"] = json!(["mine"]);
    let write_all = rule(
        RBAC,
        &["roles", "rolebindings"],
        &["create", "patch", "get"],
    );
    give_carl(&cluster, "binder", json!([write_all, bind, escalate])).await;
    let carl = carl(&cluster);
    let admin = write(
        &carl,
        BINDINGS,
        "RoleBinding",
        &binding("a", "ClusterRole", "admin"),
    )
    .await;
    assert_eq!(admin.code, 201, "{}", admin.text);
    let other = binding("c", "ClusterRole", "cluster-admin");
    assert_eq!(
        write(&carl, BINDINGS, "RoleBinding", &other).await.code,
        403
    );
    // A create has no name in its URL: a right to escalate one name is none to create it.
    let mine = json!({"metadata": {"name": "mine"}, "rules": [rule("x", &["y"], &["z"])]});
    assert_eq!(write(&carl, ROLES, "Role", &mine).await.code, 403);
    cluster.stop().await;
}

#[tokio::test]
async fn selectors_in_access_reviews_are_given_one_way() {
    let cluster = Cluster::start().await;
    let attributes = json!({"verb": "list", "resource": "pods", "namespace": "n",
        "fieldSelector": {"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "In", "values": ["b"]}]},
        "labelSelector": {}});
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer = Client::admin(&cluster).post(path, &body).await;
    assert_eq!(answer.code, 422);
    assert!(
        answer.message().ends_with("is invalid: [spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: \"a=b\": may not specified at the same time as requirements, spec.resourceAttributes.labelSelector.requirements: Required value: when spec.resourceAttributes.labelSelector is specified, requirements or rawSelector is required]"),
        "{}",
        answer.message()
    );
    cluster.stop().await;
}
