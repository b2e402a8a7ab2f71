//! Acting as somebody else: the old verb, and the constrained ones.

use serde_json::{Value, json};

use super::Cluster;
use super::wire::{Answer, Client};

const RBAC: &str = "rbac.authorization.k8s.io";
const WHO: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Lets carl do what the rules say, everywhere.
async fn let_carl(cluster: &Cluster, rules: Value) {
    let role = json!({"metadata": {"name": "act"}, "rules": rules});
    let made = cluster.create(RBAC, "v1", "clusterroles", "", role).await;
    made.expect("a role");
    let binding = json!({"metadata": {"name": "act"}, "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": "act"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "carl"}]});
    let made = cluster
        .create(RBAC, "v1", "clusterrolebindings", "", binding)
        .await;
    made.expect("a binding");
}

fn carl(cluster: &Cluster) -> Client {
    let people = cluster.server.api().pki.people();
    let carl = people.iter().find(|person| person.name == "carl");
    Client::bearer(cluster, &carl.expect("carl").token)
}

async fn who(client: &Client) -> Answer {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    client.post(WHO, &body).await
}

#[tokio::test]
async fn a_constrained_right_is_for_the_verb_and_the_user_it_names() {
    let cluster = Cluster::start().await;
    let review = "authentication.k8s.io";
    let_carl(&cluster, json!([
        {"apiGroups": [review], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate:user-info"]},
        {"apiGroups": [review], "resources": ["userextras/example.com/scope"], "verbs": ["impersonate:user-info"]},
        {"apiGroups": [review], "resources": ["selfsubjectreviews"], "verbs": ["impersonate-on:user-info:create"]},
    ])).await;
    let bob = carl(&cluster)
        .header("impersonate-user", "bob")
        .header("impersonate-extra-example.com%2fscope", "read");
    let info = who(&bob).await.json()["status"]["userInfo"].clone();
    let expected = json!({"username": "bob", "groups": ["system:authenticated"], "extra": {"example.com/scope": ["read"]}});
    assert_eq!(info, expected);
    // Another verb is another right.
    let listed = bob.get("/api/v1/namespaces/n/pods").await;
    assert_eq!(
        listed.message(),
        "pods is forbidden: User \"carl\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"n\""
    );
    let masters = carl(&cluster)
        .header("impersonate-user", "bob")
        .header("impersonate-group", "system:masters");
    assert_eq!(
        who(&masters).await.message(),
        "groups.authentication.k8s.io \"system:masters\" is forbidden: User \"carl\" cannot impersonate:user-info resource \"groups\" in API group \"authentication.k8s.io\" at the cluster scope: impersonating the system:masters group is not allowed"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn the_old_right_covers_every_request() {
    let cluster = Cluster::start().await;
    let_carl(&cluster, json!([
        {"apiGroups": [""], "resources": ["users", "groups", "serviceaccounts"], "verbs": ["impersonate"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["uids", "userextras/scopes"], "verbs": ["impersonate"]},
    ])).await;
    let account = carl(&cluster).header("impersonate-user", "system:serviceaccount:n:robot");
    let info = who(&account).await.json()["status"]["userInfo"].clone();
    assert_eq!(
        info["groups"],
        json!([
            "system:serviceaccounts",
            "system:serviceaccounts:n",
            "system:authenticated"
        ])
    );
    let whole = carl(&cluster)
        .header("impersonate-user", "dora")
        .header("impersonate-uid", "7")
        .header("impersonate-group", "a")
        .header("impersonate-group", "b")
        .header("impersonate-extra-scopes", "x")
        .header("impersonate-extra-scopes", "y");
    let info = who(&whole).await.json()["status"]["userInfo"].clone();
    let expected = json!({"username": "dora", "uid": "7", "groups": ["a", "b", "system:authenticated"], "extra": {"scopes": ["x", "y"]}});
    assert_eq!(info, expected);
    let nobody = carl(&cluster).header("impersonate-group", "a");
    let answer = who(&nobody).await;
    assert_eq!(
        (answer.code, answer.message().as_str()),
        (
            400,
            "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"a\"}, Extra:map[string][]string(nil)} without impersonating a user name"
        )
    );
    let anonymous = carl(&cluster).header("impersonate-user", "system:anonymous");
    assert_eq!(anonymous.get("/version").await.code, 200);
    cluster.stop().await;
}
