//! Lists: pages of one state, revisions, selectors.

use serde_json::{Value, json};

use super::client::{Cluster, Wanted};
use super::{CONFIG_MAPS, config_map};

async fn get(cluster: &Cluster, path: &str) -> (u16, Value) {
    cluster.json(&Wanted::new("GET", path)).await
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    let names = items.iter().map(|item| item["metadata"]["name"].as_str());
    names.flatten().collect()
}

async fn filled(cluster: &Cluster, count: usize) -> String {
    for at in 0..count {
        cluster
            .create(CONFIG_MAPS, &config_map(&format!("a{at}")))
            .await;
    }
    CONFIG_MAPS.to_owned()
}

#[tokio::test]
async fn every_page_shows_the_state_of_the_first() {
    let cluster = Cluster::start().await;
    let path = filled(&cluster, 4).await;
    let (_, first) = get(&cluster, &format!("{path}?limit=2")).await;
    assert_eq!(names(&first), ["a0", "a1"]);
    // Meanwhile one goes, one changes, one comes.
    cluster
        .json(&Wanted::new("DELETE", &format!("{path}/a2")))
        .await;
    let patch = Wanted::new("PATCH", &format!("{path}/a3"))
        .body("application/merge-patch+json", "{\"data\":{\"a\":\"c\"}}");
    cluster.json(&patch).await;
    cluster.create(&path, &config_map("a9")).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let (_, second) = get(&cluster, &format!("{path}?limit=9&continue={token}")).await;
    assert_eq!(names(&second)[..2], ["a2", "a3"]);
    assert!(!names(&second).contains(&"a9"), "{second}");
    assert_eq!(second["items"][1]["data"]["a"], "b");
    assert_eq!(
        first["metadata"]["resourceVersion"],
        second["metadata"]["resourceVersion"]
    );
    // The same state by its revision, and the present.
    let revision = first["metadata"]["resourceVersion"]
        .as_str()
        .expect("a revision");
    let exact = format!("{path}?resourceVersion={revision}&resourceVersionMatch=Exact");
    let (_, exact) = get(&cluster, &exact).await;
    assert!(names(&exact).contains(&"a2"));
    let newer = format!("{path}?resourceVersion={revision}&resourceVersionMatch=NotOlderThan");
    let (_, newer) = get(&cluster, &newer).await;
    assert!(names(&newer).contains(&"a9") && !names(&newer).contains(&"a2"));
    cluster.stop().await;
}

#[tokio::test]
async fn a_page_of_a_forgotten_state_is_refused_with_a_way_on() {
    let cluster = Cluster::start().await;
    let path = filled(&cluster, 3).await;
    let (_, first) = get(&cluster, &format!("{path}?limit=1")).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    // More than the history holds.
    let large = json!({"data": {"a": "x".repeat(500_000)}});
    for at in 0..4 {
        let mut large = large.clone();
        large["metadata"]["labels"] = json!({"at": at.to_string()});
        let patch = Wanted::new("PATCH", &format!("{path}/a2"))
            .body("application/merge-patch+json", &large.to_string());
        assert_eq!(cluster.json(&patch).await.0, 200);
    }
    let (code, expired) = get(&cluster, &format!("{path}?limit=1&continue={token}")).await;
    assert_eq!((code, &expired["reason"]), (410, &json!("Expired")));
    let message = expired["message"].as_str().expect("a message");
    assert!(message.starts_with(
        "The provided continue parameter is too old to display a consistent list result."
    ));
    let token = expired["metadata"]["continue"].as_str().expect("a token");
    let (code, rest) = get(&cluster, &format!("{path}?limit=1&continue={token}")).await;
    assert_eq!((code, names(&rest)), (200, vec!["a1"]));
    let revision = first["metadata"]["resourceVersion"]
        .as_str()
        .expect("a revision");
    let exact = format!("{path}?resourceVersion={revision}&resourceVersionMatch=Exact");
    let (code, old) = get(&cluster, &exact).await;
    assert_eq!(
        (code, old["message"].as_str()),
        (
            410,
            Some("The resourceVersion for the provided list is too old.")
        )
    );
    cluster.stop().await;
}

#[tokio::test]
async fn what_a_list_cannot_be_asked_is_told_in_the_words_of_kubernetes() {
    let cluster = Cluster::start().await;
    let invalid = "ListOptions.meta.k8s.io \"\" is invalid: ";
    let cases = [
        ("limit=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax".to_owned()),
        ("continue=x", 400, "invalid continue token: continue key is not valid: illegal base64 data at input byte 0".to_owned()),
        (
            "resourceVersion=x",
            400,
            "invalid resource version: resourceVersion: Invalid value: \"x\": strconv.ParseUint: parsing \"x\": invalid syntax".to_owned(),
        ),
        (
            "resourceVersionMatch=Exact",
            422,
            format!("{invalid}resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"),
        ),
        (
            "resourceVersion=0&resourceVersionMatch=Exact",
            422,
            format!("{invalid}resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""),
        ),
        (
            "resourceVersion=1&resourceVersionMatch=Other",
            422,
            format!("{invalid}resourceVersionMatch: Unsupported value: \"Other\": supported values: \"Exact\", \"NotOlderThan\", \"\""),
        ),
        (
            "sendInitialEvents=true",
            422,
            format!("{invalid}sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        ),
        (
            "labelSelector=a%20b",
            400,
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt".to_owned(),
        ),
        ("fieldSelector=a", 400, "invalid selector: 'a'; can't understand 'a'".to_owned()),
        (
            "watch=1&sendInitialEvents=true",
            422,
            format!("{invalid}resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"),
        ),
    ];
    for (query, code, message) in cases {
        let (status, body) = get(&cluster, &format!("{CONFIG_MAPS}?{query}")).await;
        assert_eq!(
            (status, body["message"].as_str()),
            (code, Some(&*message)),
            "{query}"
        );
    }
    let (code, future) = get(&cluster, &format!("{CONFIG_MAPS}?resourceVersion=99999999")).await;
    assert_eq!((code, &future["reason"]), (504, &json!("Timeout")));
    assert_eq!(
        future["details"]["causes"][0]["reason"],
        "ResourceVersionTooLarge"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn all_namespaces_are_listed_in_the_order_of_their_keys() {
    let cluster = Cluster::start().await;
    for namespace in ["b", "b-1"] {
        let object = json!({"metadata": {"name": namespace}});
        cluster.create("/api/v1/namespaces", &object).await;
        let path = format!("/api/v1/namespaces/{namespace}/secrets");
        cluster
            .create(&path, &json!({"metadata": {"name": "s"}}))
            .await;
    }
    let (_, list) = get(&cluster, "/api/v1/secrets?fieldSelector=metadata.name%3Ds").await;
    let namespaces: Vec<_> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["metadata"]["namespace"].as_str().expect("one"))
        .collect();
    // As etcd does: "b-1/s" is before "b/s".
    assert_eq!(namespaces, ["b-1", "b"]);
    cluster.stop().await;
}
