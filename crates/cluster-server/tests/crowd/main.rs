//! Ten thousand objects and a thousand watches on one server, and how much memory that takes. Alone in its
//! process: what is measured is the process, client and server together.

#![expect(
    clippy::expect_used,
    reason = "a test ends where its server does not answer"
)]

#[path = "../http/client.rs"]
#[expect(dead_code, reason = "it can do more than is needed here")]
mod client;

use std::time::Duration;

use client::{Cluster, Lines, Wanted};
use futures::StreamExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const OBJECTS: usize = 10_000;
const WATCHES: usize = 1_000;
/// Together with the client's half of every connection, in a build without optimisation.
const MOST: u64 = 600 << 20;
const LONGEST: Duration = Duration::from_mins(1);

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    let kib = line
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<u64>().ok());
    kib.expect("a number") * 1024
}

/// Both ends of every watch are files of this process.
fn raise_the_limit_of_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("up to the hard limit everybody may");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_objects_and_a_thousand_watches_fit_into_bounded_memory() {
    raise_the_limit_of_open_files();
    let cluster = Cluster::start().await;
    let before = resident();
    fill(&cluster).await;
    let (code, page) = cluster
        .json(&Wanted::new("GET", &format!("{CONFIG_MAPS}?limit=1")))
        .await;
    assert_eq!(code, 200);
    let there = page["metadata"]["remainingItemCount"].as_u64();
    assert!(there >= Some(OBJECTS as u64 - 1), "{there:?}");

    let revision = page["metadata"]["resourceVersion"]
        .as_str()
        .expect("a revision");
    let path = format!(
        "{CONFIG_MAPS}?watch=true&fieldSelector=metadata.name%3Dobject-1&resourceVersion={revision}"
    );
    let mut watches: Vec<Lines> = futures::stream::iter(0..WATCHES)
        .map(|_| cluster.watch(&path))
        .buffer_unordered(32)
        .collect()
        .await;
    let change = Wanted::new("PATCH", &format!("{CONFIG_MAPS}/object-1")).body(
        "application/merge-patch+json",
        r#"{"data": {"n": "changed"}}"#,
    );
    assert_eq!(cluster.json(&change).await.0, 200);
    let all = futures::future::join_all(watches.iter_mut().map(changed));
    tokio::time::timeout(LONGEST, all)
        .await
        .expect("everybody sees the change in time");
    let taken = resident().saturating_sub(before);
    assert!(taken < MOST, "{} MB", taken >> 20);
    drop(watches);
    cluster.stop().await;
}

/// Reads until the change comes.
async fn changed(watch: &mut Lines) {
    while watch.next().await["object"]["data"]["n"] != "changed" {}
}

/// Not over HTTP: the requests are not what is measured.
async fn fill(cluster: &Cluster) {
    let store = &cluster.server.api().store;
    let create = |n: usize| async move {
        let name = format!("object-{n}");
        let object = json!({"kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{n}"), "labels": {"app": "crowd"}},
            "data": {"n": "", "text": "some settings, as long as such settings often are: a line or two"}});
        store.create("configmaps", "default", &name, object).await
    };
    let created = futures::stream::iter(0..OBJECTS)
        .map(create)
        .buffer_unordered(256);
    created
        .for_each(|made| async move { drop(made.expect("an object")) })
        .await;
}
