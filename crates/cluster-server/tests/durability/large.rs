//! Much of it.

use std::time::{Duration, Instant};

use cluster_server::store::Store;
use serde_json::{Value, json};

use crate::story;

/// How long reading ten thousand objects may take; a program that is not optimised gets more time.
const START: Duration = Duration::from_secs(if cfg!(debug_assertions) { 8 } else { 1 });
/// How long the write-ahead log may be when nobody writes: a thousand pages, and one batch more.
const LOG: u64 = 16 << 20;

fn pod(number: usize) -> Value {
    let container = json!({"name": "app", "image": "registry.example/app:1", "resources": {}, "imagePullPolicy": "Always",
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"});
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": format!("p{number}"), "namespace": "n", "labels": {"app": "x"}, "uid": number.to_string()},
        "spec": {"containers": [container], "restartPolicy": "Always", "terminationGracePeriodSeconds": 30},
        "status": {"phase": "Running", "message": "x".repeat(1000)}})
}

/// Ten thousand Pods are written, and read back at a start.
pub(crate) fn start() {
    const COUNT: usize = 10_000;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    let revision = story(async {
        let store = Store::open(&path).expect("a store");
        let names: Vec<String> = (0..COUNT).map(|number| format!("p{number}")).collect();
        let writes = names
            .iter()
            .enumerate()
            .map(|(number, name)| store.create("pods", "n", name, pod(number)));
        for written in futures::future::join_all(writes).await {
            written.expect("written");
        }
        let revision = store.revision();
        store.close();
        revision
    });
    let begin = Instant::now();
    let store = Store::open(&path).expect("a store");
    let took = begin.elapsed();
    assert_eq!(store.list("pods", Some("n")).0.len(), COUNT);
    assert_eq!(store.revision(), revision);
    assert!(took < START, "it took {took:?}");
}

/// Two thousand writes of a hundred kilobytes each go through the log; it does not keep them.
pub(crate) fn log() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.db");
    story(async {
        let store = Store::open(&path).expect("a store");
        for round in 0..8 {
            let names: Vec<String> = (0..128).map(|number| format!("m{number}")).collect();
            let writes = names.iter().map(|name| {
                let value = json!({"data": {"filler": "x".repeat(100_000), "round": round}});
                let now = store.get("configmaps", "n", name);
                let store = &store;
                async move {
                    match now {
                        Some(now) => {
                            store
                                .update("configmaps", "n", name, now.revision, value)
                                .await
                        }
                        None => store.create("configmaps", "n", name, value).await,
                    }
                }
            });
            for written in futures::future::join_all(writes).await {
                written.expect("written");
            }
        }
        let one = store.create("configmaps", "n", "last", json!({})).await;
        one.expect("written");
        let length = std::fs::metadata(folder.path().join("store.db-wal"))
            .expect("a log")
            .len();
        assert!(length <= LOG, "{length} bytes");
        store.close();
    });
}
