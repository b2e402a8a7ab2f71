//! Budgets of disruption, evictions that ask them, and Events.

use cluster_server::api::{Context, Evicted, Target};
use cluster_server::error::ApiError;
use serde_json::{Value, json};

use super::{Cluster, pod};

const BUDGETS: &str = "poddisruptionbudgets.policy";

/// The budget's status, once `holds` says that it is what is waited for.
async fn status(cluster: &Cluster, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let api = cluster.server.api();
    loop {
        let mut watch = api
            .store
            .watch(BUDGETS, api.store.revision())
            .expect("a watch");
        let budget = api.store.get(BUDGETS, "n", name).expect("a budget");
        if holds(&budget.value["status"]) {
            return budget.value["status"].clone();
        }
        watch.next().await.expect("a change");
    }
}

/// A Pod that runs and is ready.
async fn ready_pod(cluster: &Cluster, name: &str) {
    let mut given = pod(name);
    given["metadata"]["labels"] = json!({"app": "web"});
    let made = cluster.create("", "v1", "pods", "n", given).await;
    let mut value = made.expect("a pod").value.clone();
    value["status"] =
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
    let target = cluster
        .target("", "v1", "pods", "n", name)
        .with_subresource("status");
    let api = cluster.server.api();
    let updated = api.update(&Context::system("test"), &target, value).await;
    updated.expect("a ready pod");
}

async fn budget(cluster: &Cluster, name: &str, mut spec: Value) {
    spec["selector"] = json!({"matchLabels": {"app": "web"}});
    let given = json!({"metadata": {"name": name}, "spec": spec});
    let made = cluster
        .create("policy", "v1", "poddisruptionbudgets", "n", given)
        .await;
    made.expect("a budget");
}

async fn evict(cluster: &Cluster, name: &str) -> Result<Evicted, ApiError> {
    let target: Target = cluster
        .target("", "v1", "pods", "n", name)
        .with_subresource("eviction");
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "n"}});
    let api = cluster.server.api();
    api.evict(&Context::system("test"), &target, &eviction)
        .await
}

#[tokio::test]
async fn a_budget_allows_as_many_evictions_as_it_has_pods_to_spare() {
    let cluster = Cluster::start().await;
    ready_pod(&cluster, "a").await;
    ready_pod(&cluster, "b").await;
    budget(&cluster, "web", json!({"minAvailable": 1})).await;
    let seen = status(&cluster, "web", |status| status["disruptionsAllowed"] == 1).await;
    assert_eq!(
        (
            &seen["expectedPods"],
            &seen["currentHealthy"],
            &seen["desiredHealthy"]
        ),
        (&json!(2), &json!(2), &json!(1))
    );
    assert_eq!(seen["conditions"][0]["reason"], "SufficientPods");
    assert!(matches!(evict(&cluster, "a").await, Ok(Evicted::Deleted)));
    status(&cluster, "web", |status| status["currentHealthy"] == 1).await;
    let error = evict(&cluster, "b").await.err().expect("refused");
    assert_eq!((error.code, error.reason), (429, "TooManyRequests"));
    assert_eq!(
        error.message,
        "Cannot evict pod as it would violate the pod's disruption budget."
    );
    assert_eq!(
        error.details,
        Some(
            json!({"causes": [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 1 healthy pods and has 1 currently"}]})
        )
    );
    cluster.stop().await;
}

#[tokio::test]
async fn pods_without_a_controller_are_no_part_of_a_whole() {
    let cluster = Cluster::start().await;
    ready_pod(&cluster, "a").await;
    budget(&cluster, "web", json!({"maxUnavailable": 1})).await;
    let seen = status(&cluster, "web", |status| status["currentHealthy"] == 1).await;
    assert_eq!(
        (&seen["expectedPods"], &seen["disruptionsAllowed"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(seen["conditions"][0]["reason"], "InsufficientPods");
    cluster.stop().await;
}

#[tokio::test]
async fn two_budgets_for_one_pod_are_one_too_many() {
    let cluster = Cluster::start().await;
    ready_pod(&cluster, "a").await;
    budget(&cluster, "one", json!({"minAvailable": 0})).await;
    budget(&cluster, "two", json!({"minAvailable": 0})).await;
    let Ok(Evicted::Unanswerable(status)) = evict(&cluster, "a").await else {
        panic!("an answer that is none");
    };
    assert_eq!(
        (&status["code"], &status["message"]),
        (
            &json!(500),
            &json!(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            )
        )
    );
    cluster.stop().await;
}

#[tokio::test]
async fn an_event_is_one_object_under_both_groups() {
    let cluster = Cluster::start().await;
    let event = json!({
        "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "p", "namespace": "n"},
        "reason": "Because", "message": "it was so", "type": "Normal", "count": 3,
    });
    let made = cluster.create("", "v1", "events", "n", event).await;
    made.expect("an event");
    let target = cluster.target("events.k8s.io", "v1", "events", "n", "e");
    let api = cluster.server.api();
    let seen = api.get(&target).expect("the same event").value.clone();
    assert_eq!(
        (
            &seen["apiVersion"],
            &seen["note"],
            &seen["regarding"]["name"],
            &seen["deprecatedCount"]
        ),
        (
            &json!("events.k8s.io/v1"),
            &json!("it was so"),
            &json!("p"),
            &json!(3)
        )
    );
    assert!(seen.get("message").is_none());
    let younger = json!({
        "metadata": {"name": "f"}, "regarding": {"kind": "Pod", "name": "p", "namespace": "n"}, "type": "Warning",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "example.com/c", "reportingInstance": "c-0",
        "action": "Act", "reason": "Because", "note": "so",
    });
    let made = cluster
        .create("events.k8s.io", "v1", "events", "n", younger)
        .await;
    assert_eq!(made.expect("an event").value["note"], "so");
    let target = cluster.target("", "v1", "events", "n", "f");
    let seen = api.get(&target).expect("the same event").value.clone();
    assert_eq!(
        (
            &seen["apiVersion"],
            &seen["message"],
            &seen["reportingComponent"]
        ),
        (&json!("v1"), &json!("so"), &json!("example.com/c"))
    );
    cluster.stop().await;
}
