//! What webhooks may answer, and what is made of answers that are none.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster_server::api::Context;
use cluster_server::audit::{Annotations, Level};
use serde_json::{Value, json};

use super::stub::Stub;
use super::{Cluster, pod};

const GROUP: &str = "admissionregistration.k8s.io";
const MUTATING: &str = "mutatingwebhookconfigurations";
const VALIDATING: &str = "validatingwebhookconfigurations";

async fn configure(cluster: &Cluster, plural: &str, hooks: &[Value]) {
    let configuration = json!({"metadata": {"name": "c"}, "webhooks": hooks});
    cluster
        .create(GROUP, "v1", plural, "", configuration)
        .await
        .expect("a configuration");
}

fn patch(operations: &Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(operations.to_string())})
}

/// What a client is told when a webhook answers so, and whether `failurePolicy: Ignore` lets the request through.
async fn check(plural: &str, answer: Value, expected: &str, ignored: bool) {
    let cluster = Cluster::start().await;
    let told = answer.clone();
    let stub = Stub::start(&cluster.server, move |_| told.clone()).await;
    let hook = stub.hook("w.example.com", &["CREATE"], &["pods"]);
    configure(&cluster, plural, &[hook]).await;
    let error = cluster.create_pod("p").await.expect_err("a refusal");
    assert_eq!(
        error.message,
        format!("Internal error occurred: {expected}"),
        "{answer}"
    );
    assert_eq!((error.code, error.reason), (500, "InternalError"));
    assert!(cluster.server.api().store.get("pods", "n", "p").is_none());
    cluster.stop().await;

    let cluster = Cluster::start().await;
    let told = answer.clone();
    let stub = Stub::start(&cluster.server, move |_| told.clone()).await;
    let mut hook = stub.hook("w.example.com", &["CREATE"], &["pods"]);
    hook["failurePolicy"] = "Ignore".into();
    configure(&cluster, plural, &[hook]).await;
    assert_eq!(cluster.create_pod("p").await.is_ok(), ignored, "{answer}");
    cluster.stop().await;
}

const FAILED: &str = "failed calling webhook \"w.example.com\": ";

#[tokio::test]
async fn answers_that_are_none_count_as_failures() {
    let raw = |status: u16, body: &str| json!({"raw": {"status": status, "body": body}});
    for (answer, why) in [
        (
            raw(500, "boom"),
            "failed to call webhook: an error on the server (\"boom\") has prevented the request from succeeding",
        ),
        (
            raw(404, ""),
            "failed to call webhook: the server could not find the requested resource",
        ),
        (
            raw(
                200,
                "{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\"}",
            ),
            "received invalid webhook response: webhook response was absent",
        ),
        (
            json!({"raw": {"status": 302, "location": "https://127.0.0.1:9/elsewhere"}}),
            "failed to call webhook: the server responded with the status code 302 but did not return more information",
        ),
    ] {
        check(VALIDATING, answer, &format!("{FAILED}{why}"), true).await;
    }
    check(VALIDATING, patch(&json!([])), &format!("{FAILED}received invalid webhook response: validating webhook may not return response.patch"), true).await;
}

#[tokio::test]
async fn patches_that_cannot_be_used_are_failures_or_errors() {
    let with = |patch: &str| json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch)});
    let mut untyped = with("[]");
    untyped["patchType"] = Value::Null;
    check(MUTATING, untyped, &format!("{FAILED}received invalid webhook response: webhook returned response.patch but not response.patchType"), true).await;
    check(MUTATING, json!({"allowed": true, "patchType": "JSONPatch"}), &format!("{FAILED}received invalid webhook response: webhook returned response.patchType but not response.patch"), true).await;
    // Where the patch does not fit it is no failure of the call: nobody ignores it.
    let misfit = json!([{"op": "replace", "path": "/spec/nothing", "value": 1}]);
    check(
        MUTATING,
        patch(&misfit),
        "replace operation does not apply: doc is missing key: /spec/nothing: missing value",
        false,
    )
    .await;
}

#[tokio::test]
async fn an_answer_beyond_all_bounds_is_a_failure() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(
        &cluster.server,
        |_| json!({"raw": {"status": 200, "body": "x".repeat(4 << 20)}}),
    )
    .await;
    configure(
        &cluster,
        VALIDATING,
        &[stub.hook("w.example.com", &["CREATE"], &["pods"])],
    )
    .await;
    let error = cluster.create_pod("p").await.expect_err("a refusal");
    assert!(error.message.contains("failed to call webhook"), "{error}");
    cluster.stop().await;
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_in_time_is_a_failure() {
    let cluster = Cluster::start().await;
    // Accepts connections and says nothing.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let stub = Stub::start(&cluster.server, |_| json!({"allowed": true})).await;
    let mut hook = stub.hook("w.example.com", &["CREATE"], &["pods"]);
    hook["clientConfig"]["url"] = format!("https://127.0.0.1:{port}/slow").into();
    hook["timeoutSeconds"] = 1.into();
    configure(&cluster, VALIDATING, &[hook]).await;
    let error = cluster.create_pod("p").await.expect_err("a refusal");
    assert_eq!(
        error.message,
        format!(
            "Internal error occurred: {FAILED}failed to call webhook: Post \"https://127.0.0.1:{port}/slow?timeout=1s\": context deadline exceeded"
        )
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_a_failure() {
    let cluster = Cluster::start().await;
    let other = Cluster::start().await;
    let stub = Stub::start(&other.server, |_| json!({"allowed": true})).await;
    let mut hook = stub.hook("w.example.com", &["CREATE"], &["pods"]);
    hook["clientConfig"]["caBundle"] = STANDARD.encode(cluster.server.ca_pem()).into();
    configure(&cluster, VALIDATING, &[hook]).await;
    let error = cluster.create_pod("p").await.expect_err("a refusal");
    assert!(
        error
            .message
            .contains(": tls: failed to verify certificate: x509: "),
        "{error}"
    );
    other.stop().await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_service_leads_to_the_webhook() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(&cluster.server, |_| json!({"allowed": true})).await;
    let mut hook = stub.hook("w.example.com", &["CREATE"], &["pods"]);
    let bundle = hook["clientConfig"]["caBundle"].clone();
    hook["clientConfig"] = json!({"service": {"namespace": "n", "name": "hook", "path": "/judge", "port": stub.port()}, "caBundle": bundle});
    configure(&cluster, VALIDATING, &[hook]).await;
    let error = cluster.create_pod("p").await.expect_err("a refusal");
    let port = stub.port();
    assert_eq!(
        error.message,
        format!(
            "Internal error occurred: {FAILED}failed to call webhook: Post \"https://hook.n.svc:{port}/judge?timeout=2s\": service \"hook\" not found"
        )
    );
    let spec =
        json!({"type": "ExternalName", "externalName": "127.0.0.1", "ports": [{"port": port}]});
    cluster
        .create(
            "",
            "v1",
            "services",
            "n",
            json!({"metadata": {"name": "hook"}, "spec": spec}),
        )
        .await
        .expect("a service");
    cluster.create_pod("p").await.expect("allowed");
    assert_eq!(stub.asked()[0]["url"], "/judge?timeout=2s");
    cluster.stop().await;
}

#[tokio::test]
async fn every_call_of_a_mutating_webhook_is_noted_and_every_patch() {
    let cluster = Cluster::start().await;
    let operations = json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]);
    let answer = patch(&operations);
    let stub = Stub::start(&cluster.server, move |_| answer.clone()).await;
    let idle = Stub::start(&cluster.server, |_| json!({"allowed": true})).await;
    let down = {
        let mut hook = idle.hook("d.example.com", &["CREATE"], &["pods"]);
        hook["clientConfig"]["url"] = "https://127.0.0.1:9/x".into();
        hook["failurePolicy"] = "Ignore".into();
        hook
    };
    let hooks = [
        stub.hook("a.example.com", &["CREATE"], &["pods"]),
        idle.hook("b.example.com", &["CREATE"], &["pods"]),
        down,
    ];
    configure(&cluster, MUTATING, &hooks).await;
    let ctx = Context {
        annotations: Annotations::at(Level::Request),
        ..Context::system("test")
    };
    cluster
        .create_as(&ctx, "", "v1", "pods", "n", pod("p"))
        .await
        .expect("allowed");
    let annotations = ctx.annotations.all();
    let noted = |key: &str| annotations.get(key).cloned().unwrap_or_default();
    for (index, name, mutated) in [(0, "a", true), (1, "b", false), (2, "d", false)] {
        assert_eq!(
            noted(&format!("mutation.webhook.admission.k8s.io/round_0_index_{index}")),
            json!({"configuration": "c", "webhook": format!("{name}.example.com"), "mutated": mutated}).to_string()
        );
    }
    assert_eq!(
        noted("patch.webhook.admission.k8s.io/round_0_index_0"),
        json!({"configuration": "c", "webhook": "a.example.com", "patch": operations, "patchType": "JSONPatch"}).to_string()
    );
    assert_eq!(
        noted("failed-open.mutation.webhook.admission.k8s.io/round_0_index_2"),
        "d.example.com"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_webhook_that_reads_only_the_old_version_is_asked_in_it() {
    let cluster = Cluster::start().await;
    let stub = Stub::start(&cluster.server, |_| {
        let review = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": "AdmissionReview", "response": {"allowed": true}});
        json!({"raw": {"status": 200, "body": review.to_string()}})
    })
    .await;
    let mut hook = stub.hook("w.example.com", &["CREATE"], &["pods"]);
    hook["admissionReviewVersions"] = json!(["v9", "v1beta1", "v1"]);
    configure(&cluster, VALIDATING, &[hook]).await;
    cluster.create_pod("p").await.expect("allowed");
    cluster.stop().await;
}

#[tokio::test]
async fn match_conditions_that_err_refuse_unless_failures_are_ignored() {
    for (policy, admitted) in [("Fail", false), ("Ignore", true)] {
        let cluster = Cluster::start().await;
        let stub = Stub::start(&cluster.server, |_| json!({"allowed": false})).await;
        let mut hook = stub.hook("w.example.com", &["CREATE"], &["pods"]);
        hook["failurePolicy"] = policy.into();
        hook["matchConditions"] = json!([{"name": "c", "expression": "object.spec.nothing == 1"}]);
        configure(&cluster, VALIDATING, &[hook]).await;
        let outcome = cluster.create_pod("p").await;
        assert_eq!(outcome.is_ok(), admitted, "{policy}");
        if let Err(error) = outcome {
            assert_eq!(
                error.message,
                "pods \"p\" is forbidden: expression 'object.spec.nothing == 1' resulted in error: no such key: nothing"
            );
        }
        assert!(stub.asked().is_empty());
        cluster.stop().await;
    }
}
