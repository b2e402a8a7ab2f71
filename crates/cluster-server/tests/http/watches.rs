//! Watches: where they begin, how they end, what they tell besides changes.

use serde_json::json;

use super::client::{Cluster, Wanted};
use super::{CONFIG_MAPS, config_map};

const NAMED: &str = "fieldSelector=metadata.name%3Da";

#[tokio::test]
async fn a_watch_from_a_forgotten_revision_ends_with_an_error_event() {
    let cluster = Cluster::start().await;
    let mut watch = cluster
        .watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion=1"))
        .await;
    let patch = json!({"data": {"a": "x".repeat(500_000)}});
    drop(watch.next().await);
    cluster.create(CONFIG_MAPS, &config_map("a")).await;
    for at in 0..4 {
        let mut patch = patch.clone();
        patch["metadata"]["labels"] = json!({"at": at.to_string()});
        let wanted = Wanted::new("PATCH", &format!("{CONFIG_MAPS}/a"))
            .body("application/merge-patch+json", &patch.to_string());
        assert_eq!(cluster.json(&wanted).await.0, 200);
    }
    let mut watch = cluster
        .watch(&format!("{CONFIG_MAPS}?watch=1&resourceVersion=2"))
        .await;
    let event = watch.next().await;
    assert_eq!(
        (
            &event["type"],
            &event["object"]["code"],
            &event["object"]["reason"]
        ),
        (&json!("ERROR"), &json!(410), &json!("Expired"))
    );
    let message = event["object"]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("too old resource version: 2 ("),
        "{message}"
    );
    assert!(watch.end().await);
    cluster.stop().await;
}

#[tokio::test]
async fn a_watch_tells_its_position_before_it_ends() {
    let cluster = Cluster::start().await;
    let path = format!("{CONFIG_MAPS}?watch=1&allowWatchBookmarks=true&timeoutSeconds=3&{NAMED}");
    let mut watch = cluster.watch(&path).await;
    // From the present on, with bookmarks: where what is there ends is marked.
    let end = watch.next().await;
    let annotation = &end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"];
    assert_eq!(
        (&end["type"], annotation),
        (&json!("BOOKMARK"), &json!("true"))
    );
    let object = cluster
        .create(
            "/api/v1/namespaces/default/secrets",
            &json!({"metadata": {"name": "s"}}),
        )
        .await;
    let last = watch.next().await;
    assert_eq!(last["type"], "BOOKMARK");
    // Whatever else was written meanwhile: it has seen the Secret.
    let revision = |object: &serde_json::Value| -> u64 {
        let text = object["metadata"]["resourceVersion"].as_str();
        text.and_then(|text| text.parse().ok()).expect("a revision")
    };
    assert!(revision(&last["object"]) >= revision(&object), "{last}");
    assert!(watch.end().await);
    cluster.stop().await;
}

#[tokio::test]
async fn a_watch_without_initial_events_begins_now() {
    let cluster = Cluster::start().await;
    cluster.create(CONFIG_MAPS, &config_map("a")).await;
    let path = format!(
        "{CONFIG_MAPS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&{NAMED}"
    );
    let mut watch = cluster.watch(&path).await;
    cluster
        .json(&Wanted::new("DELETE", &format!("{CONFIG_MAPS}/a")))
        .await;
    assert_eq!(watch.next().await["type"], "DELETED");
    cluster.stop().await;
}

#[tokio::test]
async fn one_object_is_watched_by_its_old_path() {
    let cluster = Cluster::start().await;
    cluster.create(CONFIG_MAPS, &config_map("b")).await;
    cluster.create(CONFIG_MAPS, &config_map("a")).await;
    let mut watch = cluster
        .watch("/api/v1/watch/namespaces/default/configmaps/a")
        .await;
    let event = watch.next().await;
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!("a"))
    );
    cluster.stop().await;
}
