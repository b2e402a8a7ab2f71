//! Admission webhooks as the API server asks them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::stub::Stub;
use super::wire::Client;
use super::{Cluster, pod};
use cluster_server::api::Context;
use cluster_server::audit::{Annotations, Level};

const GROUP: &str = "admissionregistration.k8s.io";

async fn configure(cluster: &Cluster, plural: &str, hooks: &[Value]) {
    let configuration = json!({"metadata": {"name": plural}, "webhooks": hooks});
    cluster
        .create(GROUP, "v1", plural, "", configuration)
        .await
        .expect("a configuration");
}

fn patch(operations: &Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string())})
}

#[tokio::test]
async fn a_refusal_is_answered_in_the_webhooks_words_and_nothing_is_stored() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(&cluster.server, |_| json!({"allowed": false, "status": {"code": 403, "message": "no", "reason": "Forbidden"}})).await;
    configure(
        &cluster,
        "validatingwebhookconfigurations",
        &[stub.hook("v.example.com", &["CREATE"], &["pods"])],
    )
    .await;
    let error = cluster.create_pod("p").await.expect_err("a refusal");
    assert_eq!((error.code, error.reason), (403, "Forbidden"));
    assert_eq!(
        error.message,
        "admission webhook \"v.example.com\" denied the request: no"
    );
    assert!(cluster.server.api().store.get("pods", "n", "p").is_none());
    let asked = stub.asked();
    assert_eq!(asked[0]["url"], "/judge?timeout=2s");
    assert_eq!(asked[0]["operation"], "CREATE");
    assert_eq!(asked[0]["object"]["kind"], "Pod");
    assert_eq!(asked[0]["oldObject"], Value::Null);
    assert_eq!(asked[0]["options"]["kind"], "CreateOptions");
    cluster.stop().await;
}

#[tokio::test]
async fn connections_are_kept_and_warnings_and_annotations_collected() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(
        &cluster.server,
        |_| json!({"allowed": true, "warnings": ["mind"], "auditAnnotations": {"k": "v"}}),
    )
    .await;
    configure(
        &cluster,
        "validatingwebhookconfigurations",
        &[stub.hook("v.example.com", &["*"], &["pods", "pods/*"])],
    )
    .await;
    let ctx = Context {
        annotations: Annotations::at(Level::Metadata),
        ..Context::system("test")
    };
    for name in ["a", "b", "c"] {
        cluster
            .create_as(&ctx, "", "v1", "pods", "n", pod(name))
            .await
            .expect("allowed");
    }
    assert_eq!((stub.asked().len(), stub.connections()), (3, 1));
    assert_eq!(ctx.warnings.all(), ["mind"]);
    assert_eq!(
        ctx.annotations
            .all()
            .get("v.example.com/k")
            .map(String::as_str),
        Some("v")
    );
    cluster.stop().await;
}

#[tokio::test]
async fn mutating_webhooks_come_in_order_and_may_ask_to_be_asked_again() {
    let cluster = Cluster::start().await;
    let first = Stub::start(&cluster.server, |request| {
        let seen = request["object"]["metadata"]["labels"]["second"].is_string();
        patch(&json!([{"op": "add", "path": "/metadata/annotations", "value": {"saw-second": seen.to_string()}}]))
    })
    .await;
    let second = Stub::start(&cluster.server, |_| {
        patch(&json!([{"op": "add", "path": "/metadata/labels", "value": {"second": "yes"}}]))
    })
    .await;
    let mut eager = first.hook("a.example.com", &["CREATE"], &["pods"]);
    eager["reinvocationPolicy"] = "IfNeeded".into();
    let mut patient = second.hook("b.example.com", &["CREATE"], &["pods"]);
    patient["reinvocationPolicy"] = "Never".into();
    configure(&cluster, "mutatingwebhookconfigurations", &[eager, patient]).await;
    let pod = cluster.create_pod("p").await.expect("a pod");
    assert_eq!(pod.value["metadata"]["labels"]["second"], "yes");
    assert_eq!(pod.value["metadata"]["annotations"]["saw-second"], "true");
    assert_eq!((first.asked().len(), second.asked().len()), (2, 1));
    cluster.stop().await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_reached_refuses_unless_its_policy_is_ignore() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(&cluster.server, |_| json!({"allowed": true})).await;
    let mut hook = stub.hook("v.example.com", &["CREATE"], &["pods"]);
    // Nothing listens on the discard port of loopback.
    hook["clientConfig"]["url"] = "https://127.0.0.1:9/x".into();
    configure(
        &cluster,
        "validatingwebhookconfigurations",
        std::slice::from_ref(&hook),
    )
    .await;
    let error = cluster.create_pod("p").await.expect_err("a refusal");
    assert_eq!((error.code, error.reason), (500, "InternalError"));
    let head = "Internal error occurred: failed calling webhook \"v.example.com\": failed to call webhook: Post \"https://127.0.0.1:9/x?timeout=2s\": dial tcp 127.0.0.1:9: connect: connection refused";
    assert_eq!(error.message, head);

    let target = cluster.target(
        GROUP,
        "v1",
        "validatingwebhookconfigurations",
        "",
        "validatingwebhookconfigurations",
    );
    let ctx = Context::system("test");
    cluster
        .server
        .api()
        .delete(
            &ctx,
            &target,
            &cluster_server::api::DeleteOptions::default(),
        )
        .await
        .expect("deleted");
    hook["failurePolicy"] = "Ignore".into();
    configure(&cluster, "validatingwebhookconfigurations", &[hook]).await;
    cluster.create_pod("p").await.expect("let through");
    cluster.stop().await;
}

#[tokio::test]
async fn answers_that_fit_no_question_refuse() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(
        &cluster.server,
        |_| json!({"uid": "another", "allowed": true}),
    )
    .await;
    configure(
        &cluster,
        "validatingwebhookconfigurations",
        &[stub.hook("v.example.com", &["CREATE"], &["pods"])],
    )
    .await;
    let error = cluster.create_pod("p").await.expect_err("a refusal");
    assert!(
        error
            .message
            .contains("received invalid webhook response: expected response.uid="),
        "{}",
        error.message
    );
    cluster.stop().await;
}

#[tokio::test]
async fn conditions_and_selectors_decide_who_is_asked() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(&cluster.server, |_| json!({"allowed": false})).await;
    let mut hook = stub.hook("v.example.com", &["CREATE"], &["pods"]);
    hook["matchConditions"] =
        json!([{"name": "debuggers", "expression": "request.name.startsWith('debug-')"}]);
    hook["namespaceSelector"] = json!({"matchLabels": {"kubernetes.io/metadata.name": "n"}});
    configure(&cluster, "validatingwebhookconfigurations", &[hook]).await;
    cluster
        .create_pod("ordinary")
        .await
        .expect("not asked about");
    cluster
        .create_pod("debug-1")
        .await
        .expect_err("asked about");
    cluster
        .ensure(
            "",
            "v1",
            "namespaces",
            "",
            json!({"metadata": {"name": "other"}}),
        )
        .await;
    cluster
        .ensure(
            "",
            "v1",
            "serviceaccounts",
            "other",
            json!({"metadata": {"name": "default"}}),
        )
        .await;
    cluster
        .create("", "v1", "pods", "other", pod("debug-1"))
        .await
        .expect("another namespace");
    assert_eq!(stub.asked().len(), 1);
    cluster.stop().await;
}

#[tokio::test]
async fn no_version_of_an_object_passes_a_webhook_by() {
    let cluster = Cluster::start().await;
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = |name: &str, storage: bool| json!({"name": name, "served": true, "storage": storage, "schema": schema});
    let definition = json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [version("v1", true), version("v1alpha1", false)],
    }});
    super::custom_resources::define(&cluster, definition).await;
    let stub = Stub::start(&cluster.server, |_| json!({"allowed": false})).await;
    let mut hook = stub.hook("v.example.com", &["CREATE"], &["widgets"]);
    hook["rules"][0]["apiGroups"] = json!(["example.com"]);
    configure(&cluster, "validatingwebhookconfigurations", &[hook]).await;
    let widget = json!({"metadata": {"name": "w"}});
    cluster
        .create("example.com", "v1alpha1", "widgets", "n", widget)
        .await
        .expect_err("asked about");
    let asked = &stub.asked()[0];
    assert_eq!(asked["object"]["apiVersion"], "example.com/v1");
    assert_eq!(asked["resource"]["version"], "v1");
    assert_eq!(asked["requestResource"]["version"], "v1alpha1");
    cluster.stop().await;
}

#[tokio::test]
async fn a_namespace_is_asked_about_by_its_own_name() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(&cluster.server, |_| json!({"allowed": true})).await;
    configure(
        &cluster,
        "validatingwebhookconfigurations",
        &[stub.hook("v.example.com", &["CREATE"], &["namespaces"])],
    )
    .await;
    cluster
        .ensure(
            "",
            "v1",
            "namespaces",
            "",
            json!({"metadata": {"name": "made"}}),
        )
        .await;
    assert_eq!(stub.asked()[0]["namespace"], "made");
    assert_eq!(stub.asked()[0]["name"], "made");
    cluster.stop().await;
}

#[tokio::test]
async fn a_review_of_a_token_request_tells_the_options_of_its_request() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(&cluster.server, |_| json!({"allowed": true})).await;
    let hook = stub.hook("v.example.com", &["CREATE"], &["serviceaccounts/token"]);
    configure(&cluster, "validatingwebhookconfigurations", &[hook]).await;
    let path = "/api/v1/namespaces/n/serviceaccounts/default/token?dryRun=All&fieldManager=me";
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    let answer = Client::admin(&cluster).post(path, &body).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    let asked = &stub.asked()[0];
    let options = json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"], "fieldManager": "me"});
    assert_eq!(asked["options"], options);
    assert_eq!(asked["dryRun"], true);
    assert_eq!(asked["kind"]["group"], "authentication.k8s.io");
    cluster.stop().await;
}

#[tokio::test]
async fn the_audit_event_tells_what_webhooks_did() {
    let check = async |level: Level, answer: fn(&Value) -> Value, expected: &[(&str, &str)]| {
        let cluster = Cluster::start().await;
        let stub = Stub::start(&cluster.server, answer).await;
        let hook = stub.hook("m.example.com", &["CREATE"], &["pods"]);
        configure(&cluster, "mutatingwebhookconfigurations", &[hook]).await;
        let ctx = Context {
            annotations: Annotations::at(level),
            ..Context::system("test")
        };
        // Refused or not: either is told.
        drop(
            cluster
                .create_as(&ctx, "", "v1", "pods", "n", pod("p"))
                .await,
        );
        let all = ctx.annotations.all();
        let all: Vec<_> = all
            .iter()
            .filter(|(key, _)| !key.starts_with("pod-security"))
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(all, expected, "{level:?}");
        cluster.stop().await;
    };
    let place = "webhook.admission.k8s.io/round_0_index_0";
    let mutation = format!("mutation.{place}");
    let note =
        r#"{"configuration":"mutatingwebhookconfigurations","webhook":"m.example.com","mutated":"#;
    let (yes, no) = (format!("{note}true}}"), format!("{note}false}}"));
    let label: fn(&Value) -> Value =
        |_| patch(&json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]));
    check(Level::Metadata, label, &[(&mutation, &yes)]).await;
    let operations = r#"{"configuration":"mutatingwebhookconfigurations","webhook":"m.example.com","patch":[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}],"patchType":"JSONPatch"}"#;
    let change = format!("patch.{place}");
    check(
        Level::Request,
        label,
        &[(&mutation, &yes), (&change, operations)],
    )
    .await;
    check(Level::Request, |_| patch(&json!([])), &[(&mutation, &no)]).await;
    let refuse = |_: &Value| json!({"allowed": false, "auditAnnotations": {"why": "x", "no/key/at all": "y"}});
    let why = "m.example.com/why";
    check(Level::Metadata, refuse, &[(why, "x"), (&mutation, &no)]).await;
}
