//! Requests that are too large, too deep or too many: each gets a clear answer, and the server goes on.

#![expect(
    clippy::expect_used,
    reason = "a test ends where its server does not answer"
)]

#[path = "../http/client.rs"]
#[expect(dead_code, reason = "it can do more than is needed here")]
mod client;

use std::fmt::Write as _;
use std::time::Duration;

use client::{Cluster, Wanted};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const JSON: &str = "application/json";
const PODS: &str = "/api/v1/namespaces/default/pods";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn config_map(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

/// Sends a body; the answer must have this code and its message these words.
async fn refused(cluster: &Cluster, wanted: Wanted, code: u16, words: &str) {
    let (got, answer) = cluster.json(&wanted).await;
    let message = answer["message"].as_str().unwrap_or_default();
    let start: String = message.chars().take(300).collect();
    assert_eq!(got, code, "{start}");
    assert!(message.contains(words), "{words:?} is not in {start:?}");
    let lives = cluster.json(&Wanted::new("GET", "/readyz")).await.0;
    assert_eq!(lives, 200, "the server does not answer any more");
}

fn post(path: &str, body: &str) -> Wanted {
    Wanted::new("POST", path).body(JSON, body)
}

fn patch(kind: &str, body: &str) -> Wanted {
    Wanted::new("PATCH", &format!("{CONFIG_MAPS}/there")).body(kind, body)
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large_whatever_it_is() {
    let cluster = Cluster::start().await;
    let large = "x".repeat(3 * 1024 * 1024 + 1);
    let words = "Request entity too large: limit is 3145728";
    for kind in [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ] {
        refused(&cluster, patch(kind, &large), 413, words).await;
    }
    for kind in [
        JSON,
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
    ] {
        let wanted = Wanted::new("POST", CONFIG_MAPS).body(kind, &large);
        refused(&cluster, wanted, 413, words).await;
    }
    cluster.stop().await;
}

/// The client has the request's time for its body too: a minute, or as much less as it asks for.
#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let cluster = Cluster::start().await;
    let token = cluster.server.admin_token();
    let mut connection = cluster.connect().await;
    let head = format!(
        "POST {CONFIG_MAPS}?timeout=1s HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\
         content-type: {JSON}\r\ncontent-length: 1000\r\n\r\n{{"
    );
    connection
        .write_all(head.as_bytes())
        .await
        .expect("it is taken");
    let mut answer = Vec::new();
    // The connection is of no use any more: it ends, however it ends.
    let end = connection.read_to_end(&mut answer);
    let end = tokio::time::timeout(Duration::from_secs(20), end).await;
    assert!(end.is_ok(), "the connection was not closed");
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 504 ") && answer.contains("context deadline exceeded"),
        "{answer}"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn deep_json_is_refused_before_it_is_walked() {
    let cluster = Cluster::start().await;
    cluster
        .create(CONFIG_MAPS, &config_map("there", &json!({})))
        .await;
    let lists = "[".repeat(200_000);
    let objects = r#"{"a":"#.repeat(200_000);
    for deep in [&lists, &objects] {
        refused(&cluster, post(CONFIG_MAPS, deep), 400, "").await;
        refused(
            &cluster,
            patch("application/merge-patch+json", deep),
            400,
            "",
        )
        .await;
        refused(
            &cluster,
            patch("application/strategic-merge-patch+json", deep),
            400,
            "",
        )
        .await;
        refused(
            &cluster,
            patch("application/apply-patch+yaml", deep),
            400,
            "",
        )
        .await;
        refused(
            &cluster,
            Wanted::new("POST", CONFIG_MAPS).body("application/yaml", deep),
            400,
            "",
        )
        .await;
    }
    cluster.stop().await;
}

/// YAML whose aliases would make gigabytes of a few lines.
#[tokio::test]
async fn yaml_that_grows_when_it_is_read_is_refused() {
    let cluster = Cluster::start().await;
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let before = vec![format!("*a{}", n - 1); 10].join(", ");
        writeln!(bomb, "a{n}: &a{n} [{before}]").expect("a text");
    }
    let wanted = Wanted::new("POST", CONFIG_MAPS).body("application/yaml", &bomb);
    refused(&cluster, wanted, 400, "").await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_config_map_and_a_secret_hold_a_mebibyte_and_no_more() {
    let cluster = Cluster::start().await;
    let whole = config_map("whole", &json!({"a": "x".repeat(1024 * 1024)}));
    cluster.create(CONFIG_MAPS, &whole).await;
    let more = config_map("more", &json!({"a": "x".repeat(1024 * 1024), "b": "x"}));
    refused(
        &cluster,
        post(CONFIG_MAPS, &more.to_string()),
        422,
        "ConfigMap \"more\" is invalid: []: Too long: may not be more than 1048576 bytes",
    )
    .await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "more"}, "stringData": {"a": "x".repeat(1024 * 1024 + 1)}});
    refused(
        &cluster,
        post("/api/v1/namespaces/default/secrets", &secret.to_string()),
        422,
        "Secret \"more\" is invalid: data: Too long: may not be more than 1048576 bytes",
    )
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn annotations_are_limited_together_and_labels_one_by_one() {
    let cluster = Cluster::start().await;
    let mut object = config_map("many", &json!({}));
    for n in 0..5_000 {
        object["metadata"]["labels"][format!("label-{n}")] = json!("v");
    }
    let created = cluster.create(CONFIG_MAPS, &object).await;
    let labels = created["metadata"]["labels"]
        .as_object()
        .map(serde_json::Map::len);
    assert_eq!(labels, Some(5_000));
    let found = format!("{CONFIG_MAPS}?labelSelector=label-4999%3Dv,label-0");
    let (_, list) = cluster.json(&Wanted::new("GET", &found)).await;
    assert_eq!(list["items"][0]["metadata"]["name"], "many");

    let mut object = config_map("loud", &json!({}));
    object["metadata"]["annotations"]["note"] = "x".repeat(256 * 1024).into();
    refused(
        &cluster,
        post(CONFIG_MAPS, &object.to_string()),
        422,
        "metadata.annotations: Too long: may not be more than 262144 bytes",
    )
    .await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_huge_selector_is_evaluated_or_refused() {
    let cluster = Cluster::start().await;
    cluster
        .create(CONFIG_MAPS, &config_map("there", &json!({})))
        .await;
    let mut names = String::new();
    for n in 0..5_000 {
        write!(names, "value-{n},").expect("a text");
    }
    let path = format!("{CONFIG_MAPS}?labelSelector=app+in+({names}last)");
    let (code, list) = cluster.json(&Wanted::new("GET", &path)).await;
    assert_eq!((code, &list["items"]), (200, &json!([])), "{list}");
    let open = format!("{CONFIG_MAPS}?labelSelector={}", "(".repeat(50_000));
    refused(
        &cluster,
        Wanted::new("GET", &open),
        400,
        "found '(', expected: !, identifier, or 'end of string'",
    )
    .await;
    let fields = format!("{CONFIG_MAPS}?fieldSelector={}", "a%3Db,".repeat(10_000));
    refused(&cluster, Wanted::new("GET", &fields), 400, "").await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_patch_of_too_many_operations_is_too_large() {
    let cluster = Cluster::start().await;
    cluster
        .create(CONFIG_MAPS, &config_map("there", &json!({})))
        .await;
    let operation = json!({"op": "add", "path": "/data/a", "value": "b"});
    let operations = json!(vec![operation; 10_001]).to_string();
    refused(
        &cluster,
        patch("application/json-patch+json", &operations),
        413,
        "The allowed maximum operations in a JSON patch is 10000, got 10001",
    )
    .await;
    cluster.stop().await;
}

/// Each `copy` doubles the object: without a bound, 2^30 times.
#[tokio::test]
async fn a_patch_that_copies_itself_is_refused_before_it_fills_the_memory() {
    let cluster = Cluster::start().await;
    cluster
        .create(CONFIG_MAPS, &config_map("there", &json!({"a": "b"})))
        .await;
    let copies: Vec<_> = (0..30)
        .map(|n| json!({"op": "copy", "from": "", "path": format!("/c{n}")}))
        .collect();
    refused(
        &cluster,
        patch("application/json-patch+json", &json!(copies).to_string()),
        413,
        "Unable to complete the copy, the accumulated size increase of copy is",
    )
    .await;
    cluster.stop().await;
}

/// A watch that is not read costs no memory: it is told to list again.
#[tokio::test]
async fn a_watcher_that_does_not_read_is_told_that_it_is_too_late() {
    let cluster = Cluster::start().await;
    let text = "x".repeat(100_000);
    cluster
        .create(CONFIG_MAPS, &config_map("there", &json!({"text": &text})))
        .await;
    let mut watch = cluster
        .watch(&format!(
            "{CONFIG_MAPS}?watch=true&resourceVersion=0&allowWatchBookmarks=false"
        ))
        .await;
    // More than the sockets' buffers and the history take together.
    for n in 0..400 {
        let change = json!({"data": {"n": n.to_string()}}).to_string();
        let (code, _) = cluster
            .json(&patch("application/merge-patch+json", &change))
            .await;
        assert_eq!(code, 200);
    }
    let told = async {
        loop {
            let line = watch.next().await;
            if line["type"] == "ERROR" {
                return line["object"].clone();
            }
        }
    };
    let told = tokio::time::timeout(std::time::Duration::from_secs(20), told)
        .await
        .expect("the watch is told");
    assert_eq!(
        (&told["code"], &told["reason"]),
        (&json!(410), &json!("Expired")),
        "{told}"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_of_ten_thousand_containers_is_refused_in_time() {
    let cluster = Cluster::start().await;
    let containers: Vec<_> = (0..10_000)
        .map(|n| json!({"name": format!("c{}", n % 5_000), "image": "x:1"}))
        .collect();
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crowd"}, "spec": {"containers": containers}});
    let answer = refused(
        &cluster,
        post(PODS, &pod.to_string()),
        422,
        "Duplicate value: \"c0\"",
    );
    tokio::time::timeout(std::time::Duration::from_secs(30), answer)
        .await
        .expect("an answer in time");
    cluster.stop().await;
}
