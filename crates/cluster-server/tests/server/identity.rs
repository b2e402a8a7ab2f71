//! Who somebody is, what they may do, and tokens that end with what they are bound to.

use cluster_server::api::{Context, Target};
use cluster_server::authz::impersonate;
use cluster_server::identity::Attributes;
use cluster_server::reviews;
use serde_json::{Value, json};

use super::{Cluster, context, user};

const RBAC: &str = "rbac.authorization.k8s.io";

async fn token(cluster: &Cluster, spec: Value) -> Result<Value, cluster_server::error::ApiError> {
    let target: Target = cluster
        .target("", "v1", "serviceaccounts", "n", "default")
        .with_subresource("token");
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    reviews::create(
        cluster.server.api(),
        &Context::system("test"),
        &target,
        body,
    )
    .await
}

#[tokio::test]
async fn a_bound_token_names_its_account_and_ends_with_its_pod() {
    let cluster = Cluster::start().await;
    cluster.create_pod("p").await.expect("a pod");
    let reference = json!({"apiVersion": "v1", "kind": "Pod", "name": "p"});
    let granted = token(&cluster, json!({"boundObjectRef": reference}))
        .await
        .expect("a token");
    let text = granted["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let authenticator = &cluster.server.api().authenticator;
    let who = authenticator.review(&text, &[]).expect("a user").0;
    assert_eq!(who.name, "system:serviceaccount:n:default");
    assert_eq!(
        who.groups,
        [
            "system:serviceaccounts",
            "system:serviceaccounts:n",
            "system:authenticated"
        ]
    );
    assert_eq!(who.extra["authentication.kubernetes.io/pod-name"], ["p"]);
    assert!(
        authenticator
            .review(&text, &["elsewhere".to_owned()])
            .is_err()
    );
    let mut forged = text.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    assert!(authenticator.review(&forged, &[]).is_err());
    cluster
        .server
        .api()
        .store
        .delete("pods", "n", "p", None)
        .await
        .expect("deleted");
    assert!(authenticator.review(&text, &[]).is_err());
    cluster.stop().await;
}

#[tokio::test]
async fn a_token_request_is_refused_where_it_makes_no_sense() {
    let cluster = Cluster::start().await;
    let error = token(&cluster, json!({"expirationSeconds": 10}))
        .await
        .expect_err("refused");
    assert_eq!(
        error.message,
        "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes"
    );
    let reference = json!({"apiVersion": "v1", "kind": "Pod", "name": "gone"});
    assert_eq!(
        token(&cluster, json!({"boundObjectRef": reference}))
            .await
            .expect_err("refused")
            .code,
        404
    );
    cluster.stop().await;
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_hold() {
    let cluster = Cluster::start().await;
    let role = json!({"metadata": {"name": "writer"}, "rules": [
        {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]});
    cluster
        .create(RBAC, "v1", "roles", "n", role)
        .await
        .expect("a role");
    let binding = |name: &str, role: &str| {
        json!({"metadata": {"name": name}, "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "alice"}]})
    };
    cluster
        .create(RBAC, "v1", "rolebindings", "n", binding("writer", "writer"))
        .await
        .expect("a binding");
    let alice = context(user("alice", &[]));
    let asks = |verbs: Value| json!({"metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs}]});
    let error = cluster
        .create_as(
            &alice,
            RBAC,
            "v1",
            "roles",
            "n",
            asks(json!(["get", "delete"])),
        )
        .await
        .expect_err("too much");
    assert_eq!(
        error.message,
        "roles.rbac.authorization.k8s.io \"r\" is forbidden: user \"alice\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}"
    );
    cluster
        .create_as(&alice, RBAC, "v1", "roles", "n", asks(json!(["get"])))
        .await
        .expect("held");
    cluster
        .create_as(&alice, RBAC, "v1", "rolebindings", "n", binding("b", "r"))
        .await
        .expect("held");
    cluster.stop().await;
}

#[tokio::test]
async fn a_role_that_feeds_edit_reaches_who_holds_edit() {
    let cluster = Cluster::start().await;
    let role = json!({
        "metadata": {"name": "debuggers", "labels": {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}},
        "rules": [{"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["patch"]}],
    });
    let api = cluster.server.api();
    let mut watch = api
        .store
        .watch(
            "clusterroles.rbac.authorization.k8s.io",
            api.store.revision(),
        )
        .expect("a watch");
    cluster
        .create(RBAC, "v1", "clusterroles", "", role)
        .await
        .expect("a role");
    let wanted = json!("pods/ephemeralcontainers");
    loop {
        let change = watch.next().await.expect("a change");
        let mut rules = change.object.value["rules"]
            .as_array()
            .into_iter()
            .flatten();
        let fed = rules.any(|rule| {
            rule["resources"]
                .as_array()
                .is_some_and(|list| list.contains(&wanted))
        });
        // `edit` feeds `admin`, which therefore comes last.
        if fed && change.object.value["metadata"]["name"] == "admin" {
            break;
        }
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_node_is_known_by_its_certificate_and_keeps_to_its_own() {
    let cluster = Cluster::start().await;
    let api = cluster.server.api();
    let credential = cluster.server.node_credential("n1").expect("a credential");
    let (chain, _) = credential
        .client
        .to_der(std::path::Path::new("client.key"))
        .expect("a certificate");
    let node = api
        .authenticator
        .authenticate(&http::HeaderMap::new(), chain.first())
        .await
        .expect("a user");
    assert_eq!(
        (node.name.as_str(), node.groups.as_slice()),
        (
            "system:node:n1",
            &["system:nodes".to_owned(), "system:authenticated".to_owned()][..]
        )
    );
    for (name, on) in [("mine", "n1"), ("other", "n2")] {
        let mut pod = super::pod(name);
        pod["spec"]["nodeName"] = on.into();
        pod["spec"]["volumes"] =
            json!([{"name": "s", "secret": {"secretName": format!("secret-of-{name}")}}]);
        cluster
            .create("", "v1", "pods", "n", pod)
            .await
            .expect("a pod");
    }
    let check = |verb: &str, resource: &str, subresource: &str, name: &str, expected: bool| {
        let request = Attributes {
            verb: verb.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            namespace: "n".into(),
            name: name.into(),
            version: "v1".into(),
            ..Attributes::default()
        };
        let decision = api.authorizer.authorize(&node, &request);
        assert_eq!(
            decision.allowed, expected,
            "{verb} {resource} {name}: {}",
            decision.reason
        );
    };
    check("get", "secrets", "", "secret-of-mine", true);
    check("get", "secrets", "", "secret-of-other", false);
    check("list", "secrets", "", "", false);
    check("patch", "pods", "status", "mine", true);
    check("patch", "pods", "ephemeralcontainers", "mine", false);
    check("create", "pods", "exec", "mine", false);
    check("get", "nodes", "", "n1", true);
    cluster.stop().await;
}

/// Lets alice act as bob and as a member of `sre`.
async fn let_alice_act(cluster: &Cluster) {
    let rules = json!([
        {"apiGroups": [""], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["sre"], "verbs": ["impersonate"]},
    ]);
    cluster
        .create(
            RBAC,
            "v1",
            "clusterroles",
            "",
            json!({"metadata": {"name": "act"}, "rules": rules}),
        )
        .await
        .expect("a role");
    let binding = json!({"metadata": {"name": "act"}, "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "act"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "alice"}]});
    cluster
        .create(RBAC, "v1", "clusterrolebindings", "", binding)
        .await
        .expect("a binding");
}

#[tokio::test]
async fn impersonation_needs_a_right_for_every_part_of_the_identity() {
    let cluster = Cluster::start().await;
    let_alice_act(&cluster).await;
    let request = Attributes {
        verb: "list".into(),
        resource: "pods".into(),
        version: "v1".into(),
        namespace: "n".into(),
        ..Attributes::default()
    };
    let act = |headers: &[(&'static str, &str)]| {
        let mut map = http::HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header"));
        }
        impersonate(
            &cluster.server.api().authorizer,
            &user("alice", &[]),
            &map,
            &request,
        )
    };
    assert_eq!(act(&[]).expect("herself"), None);
    let bob = act(&[("impersonate-user", "bob"), ("impersonate-group", "sre")])
        .expect("bob")
        .expect("somebody else")
        .user;
    assert_eq!(
        (bob.name.as_str(), bob.groups),
        (
            "bob",
            vec!["sre".to_owned(), "system:authenticated".to_owned()]
        )
    );
    for headers in [
        &[("impersonate-user", "carl")][..],
        &[
            ("impersonate-user", "bob"),
            ("impersonate-group", "system:masters"),
        ],
        &[("impersonate-user", "bob"), ("impersonate-uid", "1")],
        &[
            ("impersonate-user", "bob"),
            ("impersonate-extra-scopes", "all"),
        ],
    ] {
        let error = act(headers).expect_err("refused");
        assert_eq!(
            error.message,
            "pods is forbidden: User \"alice\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"n\""
        );
    }
    assert_eq!(
        act(&[("impersonate-group", "sre")])
            .expect_err("nobody")
            .code,
        400
    );
    cluster.stop().await;
}
