//! Kinds that come and go.

use cluster_server::api::{Body, Context, DeleteOptions, ScaleChange};
use serde_json::{Value, json};

use super::Cluster;

fn definition() -> Value {
    json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "required": ["reason"],
                    "x-kubernetes-validations": [{"rule": "self.reason == oldSelf.reason", "message": "reason is immutable"}],
                    "properties": {"reason": {"type": "string"}, "count": {"type": "integer", "default": 2}}},
            }}}}],
    }})
}

/// Makes the definition and waits until it is served and says so.
pub(crate) async fn define(cluster: &Cluster, definition: Value) {
    let api = cluster.server.api();
    let key = "customresourcedefinitions.apiextensions.k8s.io";
    let mut watch = api.store.watch(key, api.store.revision()).expect("a watch");
    cluster
        .create(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "",
            definition,
        )
        .await
        .expect("a definition");
    loop {
        let change = watch.next().await.expect("a change");
        let mut conditions = change.object.value["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        if conditions.any(|one| one["type"] == "Established" && one["status"] == "True") {
            return;
        }
    }
}

#[tokio::test]
async fn a_custom_resource_is_defaulted_pruned_and_held_to_its_rules() {
    let cluster = Cluster::start().await;
    define(&cluster, definition()).await;
    let widget = json!({"metadata": {"name": "w"}, "spec": {"reason": "a", "unknown": 1}, "status": {"x": 1}});
    let made = cluster
        .create("example.com", "v1", "widgets", "n", widget)
        .await
        .expect("a widget");
    assert_eq!(made.value["spec"], json!({"reason": "a", "count": 2}));
    assert!(made.value.get("status").is_none());
    let error = cluster
        .create(
            "example.com",
            "v1",
            "widgets",
            "n",
            json!({"metadata": {"name": "x"}, "spec": {}}),
        )
        .await;
    assert_eq!(
        error.expect_err("invalid").message,
        "Widget.example.com \"x\" is invalid: [spec.reason: Required value, <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"
    );
    let mut changed = made.value.clone();
    changed["spec"]["reason"] = "b".into();
    let target = cluster.target("example.com", "v1", "widgets", "n", "w");
    let error = cluster
        .server
        .api()
        .update(&Context::system("test"), &target, changed)
        .await
        .expect_err("immutable");
    assert_eq!(
        error.message,
        "Widget.example.com \"w\" is invalid: spec: Invalid value: reason is immutable"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn deleting_a_definition_deletes_its_objects() {
    let cluster = Cluster::start().await;
    define(&cluster, definition()).await;
    let widget = json!({"metadata": {"name": "w"}, "spec": {"reason": "a"}});
    cluster
        .create("example.com", "v1", "widgets", "n", widget)
        .await
        .expect("a widget");
    let api = cluster.server.api();
    let key = "customresourcedefinitions.apiextensions.k8s.io";
    let mut watch = api.store.watch(key, api.store.revision()).expect("a watch");
    let target = cluster.target(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "",
        "widgets.example.com",
    );
    api.delete(&Context::system("test"), &target, &DeleteOptions::default())
        .await
        .expect("marked");
    while watch.next().await.expect("a change").kind != cluster_server::store::EventType::Deleted {}
    assert!(api.store.list("widgets.example.com", None).0.is_empty());
    cluster.stop().await;
}

#[tokio::test]
async fn scale_shows_and_changes_the_replicas() {
    let cluster = Cluster::start().await;
    let mut given = definition();
    given["spec"]["versions"][0]["subresources"]["scale"] = json!({
        "specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count", "labelSelectorPath": ".status.selector",
    });
    define(&cluster, given).await;
    let widget = json!({"metadata": {"name": "w"}, "spec": {"reason": "a"}});
    cluster
        .create("example.com", "v1", "widgets", "n", widget)
        .await
        .expect("a widget");
    let target = cluster
        .target("example.com", "v1", "widgets", "n", "w")
        .with_subresource("scale");
    let api = cluster.server.api();
    let scale = api.scale(&target).expect("a scale").value.clone();
    assert_eq!(
        (&scale["kind"], &scale["spec"], &scale["status"]),
        (
            &json!("Scale"),
            &json!({"replicas": 2}),
            &json!({"replicas": 0})
        )
    );
    let mut wanted = scale;
    wanted["spec"]["replicas"] = 5.into();
    let ctx = Context::system("test");
    let change = ScaleChange::Update(Body::from(wanted.clone()));
    let changed = api.change_scale(&ctx, &target, change).await;
    assert_eq!(changed.expect("changed").value["spec"]["replicas"], 5);
    let stored = api
        .store
        .get("widgets.example.com", "n", "w")
        .expect("there");
    assert_eq!(
        (
            &stored.value["spec"]["count"],
            &stored.value["metadata"]["generation"]
        ),
        (&json!(5), &json!(2))
    );
    // The revision that it was read at is another by now.
    let change = ScaleChange::Update(Body::from(wanted));
    let error = api.change_scale(&ctx, &target, change).await;
    assert_eq!(error.expect_err("stale").reason, "Conflict");
    cluster.stop().await;
}

#[tokio::test]
async fn what_was_wrong_before_a_definition_changed_may_stay() {
    let cluster = Cluster::start().await;
    define(&cluster, definition()).await;
    let widget = json!({"metadata": {"name": "w"}, "spec": {"reason": "a long one", "count": 1}});
    let made = cluster
        .create("example.com", "v1", "widgets", "n", widget)
        .await
        .expect("a widget");
    let api = cluster.server.api();
    let key = "customresourcedefinitions.apiextensions.k8s.io";
    let mut stricter = api
        .store
        .get(key, "", "widgets.example.com")
        .expect("there")
        .value
        .clone();
    let schema = &mut stricter["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"]["reason"]["maxLength"] = 3.into();
    let target = cluster.target(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "",
        "widgets.example.com",
    );
    let before = api.kinds.generation();
    let ctx = Context::system("test");
    api.update(&ctx, &target, stricter).await.expect("stricter");
    while api.kinds.generation() == before {
        tokio::task::yield_now().await;
    }
    let target = cluster.target("example.com", "v1", "widgets", "n", "w");
    let mut new = made.value.clone();
    new["spec"]["count"] = 2.into();
    let new = api.update(&ctx, &target, new).await.expect("let through");
    let mut longer = new.object.value.clone();
    longer["spec"]["reason"] = "a longer one".into();
    let error = api.update(&ctx, &target, longer).await;
    assert!(
        error
            .expect_err("too long")
            .message
            .contains("spec.reason: Too long: may not be more than 3 bytes")
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_rule_of_endless_cost_refuses_its_object_and_nobody_else() {
    let cluster = Cluster::start().await;
    let mut costly = definition();
    let rule = "self.list.all(a, self.list.all(b, self.list.all(c, self.list.all(d, a + b + c + d >= 0))))";
    let schema = &mut costly["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"] = json!({
        "type": "object", "properties": {"list": {"type": "array", "items": {"type": "integer"}}},
        "x-kubernetes-validations": [{"rule": rule}],
    });
    define(&cluster, costly).await;
    let widget = |count: usize| json!({"metadata": {"name": format!("w{count}")}, "spec": {"list": vec![1; count]}});
    let create = |count| cluster.create("example.com", "v1", "widgets", "n", widget(count));
    let error = create(1000).await.expect_err("too costly");
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            422,
            format!(
                "Widget.example.com \"w1000\" is invalid: spec: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: {rule}"
            )
            .as_str()
        )
    );
    create(2).await.expect("cheap enough");
    cluster.stop().await;
}

#[tokio::test]
async fn what_a_new_rule_would_refuse_may_stay_and_is_warned_of() {
    let cluster = Cluster::start().await;
    define(&cluster, definition()).await;
    let widget = json!({"metadata": {"name": "w"}, "spec": {"reason": "a", "count": 1}});
    let made = cluster
        .create("example.com", "v1", "widgets", "n", widget)
        .await
        .expect("a widget");
    let api = cluster.server.api();
    let key = "customresourcedefinitions.apiextensions.k8s.io";
    let stored = api
        .store
        .get(key, "", "widgets.example.com")
        .expect("there");
    let mut stricter = stored.value.clone();
    let schema = &mut stricter["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    schema["properties"]["spec"]["properties"]["count"]["x-kubernetes-validations"] =
        json!([{"rule": "self > 5", "message": "more than 5"}]);
    let target = cluster.target(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "",
        "widgets.example.com",
    );
    let before = api.kinds.generation();
    let ctx = Context::system("test");
    api.update(&ctx, &target, stricter).await.expect("stricter");
    while api.kinds.generation() == before {
        tokio::task::yield_now().await;
    }
    let target = cluster.target("example.com", "v1", "widgets", "n", "w");
    let mut new = made.value.clone();
    new["metadata"]["labels"] = json!({"touched": "yes"});
    let ctx = Context::system("test");
    let new = api.update(&ctx, &target, new).await.expect("let through");
    assert_eq!(
        ctx.warnings.all(),
        ["spec.count: Invalid value: 1: more than 5"]
    );
    let mut worse = new.object.value.clone();
    worse["spec"]["count"] = 2.into();
    let error = api.update(&ctx, &target, worse).await;
    assert_eq!(
        error.expect_err("judged").message,
        "Widget.example.com \"w\" is invalid: spec.count: Invalid value: 2: more than 5"
    );
    cluster.stop().await;
}
