//! What only shows over HTTP: forms, sizes, methods, pages, watches.

#![expect(
    clippy::expect_used,
    reason = "a test ends where its server does not answer"
)]

mod audit;
mod client;
mod face;
mod lists;
mod watches;

use client::{Cluster, Wanted};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/namespaces/default/pods";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const DISCOVERY: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

fn pod(name: &str) -> Value {
    let container = json!({"name": "app", "image": "x:1"});
    json!({"metadata": {"name": name, "labels": {"n": name}}, "spec": {"schedulerName": "nobody", "containers": [container]}})
}

fn config_map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"a": "b"}})
}

#[tokio::test]
async fn what_cannot_be_served_is_told_by_its_code() {
    let cluster = Cluster::start().await;
    let json = "application/json";
    let large = "x".repeat(3 * 1024 * 1024 + 1);
    let cases = [
        (
            406,
            "NotAcceptable",
            Wanted::new("GET", PODS).accept("application/vnd.kubernetes.protobuf"),
        ),
        (
            415,
            "UnsupportedMediaType",
            Wanted::new("POST", PODS).body("text/plain", "{}"),
        ),
        (
            413,
            "RequestEntityTooLarge",
            Wanted::new("POST", PODS).body(json, &large),
        ),
        (
            405,
            "MethodNotAllowed",
            Wanted::new("POST", &format!("{PODS}/p")).body(json, "{}"),
        ),
        (
            405,
            "MethodNotAllowed",
            Wanted::new("DELETE", "/api/v1/namespaces"),
        ),
        (404, "NotFound", Wanted::new("GET", "/api/v1/nothings")),
        (
            404,
            "NotFound",
            Wanted::new("GET", &format!("{PODS}/p/nothing")),
        ),
        (400, "BadRequest", Wanted::new("POST", PODS).body(json, "{")),
        (
            400,
            "BadRequest",
            Wanted::new("POST", PODS).body("application/vnd.kubernetes.protobuf", "k8s"),
        ),
    ];
    for (code, reason, wanted) in cases {
        let (status, body) = cluster.json(&wanted).await;
        assert_eq!(
            (status, body["reason"].as_str()),
            (code, Some(reason)),
            "{wanted:?}: {body}"
        );
    }
    cluster.stop().await;
}

#[tokio::test]
async fn an_unknown_token_is_nobody() {
    let cluster = Cluster::start().await;
    let (code, body) = cluster
        .json(&Wanted::new("GET", PODS).token("nobody's"))
        .await;
    assert_eq!((code, &body["reason"]), (401, &json!("Unauthorized")));
    cluster.stop().await;
}

#[tokio::test]
async fn a_table_has_the_columns_that_kubectl_shows() {
    let cluster = Cluster::start().await;
    cluster.create(PODS, &pod("p")).await;
    let (_, table) = cluster.json(&Wanted::new("GET", PODS).accept(TABLE)).await;
    let names: Vec<&str> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "Name",
            "Ready",
            "Status",
            "Restarts",
            "Age",
            "IP",
            "Node",
            "Nominated Node",
            "Readiness Gates"
        ]
    );
    let cells = &table["rows"][0]["cells"];
    assert_eq!(
        json!([cells[0], cells[1], cells[2], cells[3]]),
        json!(["p", "0/1", "Pending", "0"])
    );
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    cluster.stop().await;
}

#[tokio::test]
async fn pages_follow_each_other_and_keep_the_first_one_s_revision() {
    let cluster = Cluster::start().await;
    for name in ["a", "b", "c"] {
        cluster.create(PODS, &pod(name)).await;
    }
    let (_, first) = cluster
        .json(&Wanted::new("GET", &format!("{PODS}?limit=2")))
        .await;
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    cluster.create(PODS, &pod("d")).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let (_, second) = cluster
        .json(&Wanted::new(
            "GET",
            &format!("{PODS}?limit=2&continue={token}"),
        ))
        .await;
    let names = |list: &Value| {
        list["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|p| p["metadata"]["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&first), names(&second)),
        (vec![json!("a"), json!("b")], vec![json!("c")])
    );
    assert_eq!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_watch_sees_what_enters_and_leaves_its_selection() {
    let cluster = Cluster::start().await;
    cluster.create(PODS, &pod("p")).await;
    let mut watch = cluster
        .watch(&format!("{PODS}?watch=1&labelSelector=n%3Dp"))
        .await;
    assert_eq!(watch.next().await["type"], "ADDED");
    let patch = |labels: Value| {
        Wanted::new("PATCH", &format!("{PODS}/p")).body(
            "application/merge-patch+json",
            &json!({"metadata": {"labels": labels}}).to_string(),
        )
    };
    cluster.json(&patch(json!({"x": "y"}))).await;
    assert_eq!(watch.next().await["type"], "MODIFIED");
    cluster.json(&patch(json!({"n": "q"}))).await;
    let left = watch.next().await;
    assert_eq!(
        (&left["type"], &left["object"]["metadata"]["labels"]["n"]),
        (&json!("DELETED"), &json!("p"))
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_watch_marks_the_end_of_its_initial_events_and_resumes() {
    let cluster = Cluster::start().await;
    let created = cluster.create(CONFIG_MAPS, &config_map("a")).await;
    let path = format!("{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Da");
    let initial = format!(
        "{path}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let mut watch = cluster.watch(&initial).await;
    assert_eq!(watch.next().await["type"], "ADDED");
    let end = watch.next().await;
    assert_eq!(
        end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
        "true"
    );
    let revision = created["metadata"]["resourceVersion"]
        .as_str()
        .expect("a revision");
    cluster
        .json(&Wanted::new("DELETE", &format!("{CONFIG_MAPS}/a")))
        .await;
    let mut resumed = cluster
        .watch(&format!("{path}&resourceVersion={revision}"))
        .await;
    assert_eq!(resumed.next().await["type"], "DELETED");
    // Open watches do not keep a server from stopping.
    cluster.stop().await;
}

#[tokio::test]
async fn discovery_is_aggregated_for_who_asks() {
    let cluster = Cluster::start().await;
    let (_, all) = cluster
        .json(&Wanted::new("GET", "/api").accept(DISCOVERY))
        .await;
    assert_eq!(all["kind"], "APIGroupDiscoveryList");
    let resources = all["items"][0]["versions"][0]["resources"]
        .as_array()
        .expect("resources");
    let pods = resources
        .iter()
        .find(|r| r["resource"] == "pods")
        .expect("pods");
    let found = pods["subresources"]
        .as_array()
        .expect("subresources")
        .iter()
        .find(|s| s["subresource"] == "ephemeralcontainers");
    assert_eq!(
        found.expect("listed")["verbs"],
        json!(["get", "patch", "update"])
    );
    let (_, plain) = cluster.json(&Wanted::new("GET", "/api")).await;
    assert_eq!(plain["kind"], "APIVersions");
    cluster.stop().await;
}

#[tokio::test]
async fn finalizers_hold_an_object_and_a_second_delete_changes_nothing() {
    let cluster = Cluster::start().await;
    let mut object = config_map("held");
    object["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.create(CONFIG_MAPS, &object).await;
    let path = format!("{CONFIG_MAPS}/held");
    let (_, once) = cluster.json(&Wanted::new("DELETE", &path)).await;
    assert_eq!(once["kind"], "ConfigMap");
    let (_, twice) = cluster.json(&Wanted::new("DELETE", &path)).await;
    assert_eq!(once["metadata"], twice["metadata"]);
    let patch = json!({"metadata": {"finalizers": null}}).to_string();
    cluster
        .json(&Wanted::new("PATCH", &path).body("application/merge-patch+json", &patch))
        .await;
    assert_eq!(cluster.json(&Wanted::new("GET", &path)).await.0, 404);
    cluster.stop().await;
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let cluster = Cluster::start().await;
    let wanted = Wanted::new("POST", &format!("{CONFIG_MAPS}?dryRun=All"))
        .body("application/json", &config_map("a").to_string());
    assert_eq!(cluster.json(&wanted).await.0, 201);
    assert_eq!(
        cluster
            .json(&Wanted::new("GET", &format!("{CONFIG_MAPS}/a")))
            .await
            .0,
        404
    );
    cluster.stop().await;
}

#[tokio::test]
async fn writers_that_insist_on_no_revision_all_succeed() {
    let cluster = Cluster::start().await;
    cluster.create(CONFIG_MAPS, &config_map("a")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let patches: Vec<Wanted> = (0..20)
        .map(|i| {
            Wanted::new("PATCH", &path).body(
                "application/merge-patch+json",
                &json!({"data": {format!("k{i}"): "v"}}).to_string(),
            )
        })
        .collect();
    let answers = futures::future::join_all(patches.iter().map(|patch| cluster.json(patch))).await;
    assert!(answers.iter().all(|(code, _)| *code == 200));
    let (_, object) = cluster.json(&Wanted::new("GET", &path)).await;
    assert_eq!(object["data"].as_object().expect("data").len(), 21);
    cluster.stop().await;
}
