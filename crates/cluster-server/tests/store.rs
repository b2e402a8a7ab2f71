//! The store: what it promises to writers, readers, watchers, and after a restart.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

use std::sync::Arc;

use cluster_server::store::{EventType, Object, Store, StoreError};
use serde_json::json;

fn open(dir: &tempfile::TempDir) -> Arc<Store> {
    Store::open(&dir.path().join("store.db")).expect("opens")
}

#[tokio::test]
async fn a_write_to_a_stale_revision_is_a_conflict() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir);
    let first = store
        .create("pods", "n", "p", json!({"a": 1}))
        .await
        .expect("created");
    assert!(matches!(
        store.create("pods", "n", "p", json!({})).await,
        Err(StoreError::Exists)
    ));
    let second = store
        .update("pods", "n", "p", first.revision, json!({"a": 2}))
        .await
        .expect("updated");
    assert!(second.revision > first.revision);
    assert_eq!(
        second.value["metadata"]["resourceVersion"],
        second.revision.to_string()
    );
    assert!(matches!(
        store
            .update("pods", "n", "p", first.revision, json!({}))
            .await,
        Err(StoreError::Conflict)
    ));
    assert!(matches!(
        store.delete("pods", "n", "p", Some(first.revision)).await,
        Err(StoreError::Conflict)
    ));
    store.delete("pods", "n", "p", None).await.expect("deleted");
    assert!(matches!(
        store.delete("pods", "n", "p", None).await,
        Err(StoreError::NotFound)
    ));
}

#[tokio::test]
async fn of_many_writers_at_one_revision_exactly_one_wins() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir);
    let first = store
        .create("pods", "n", "p", json!({}))
        .await
        .expect("created");
    let expected = first.revision;
    let writes = (0..50).map(|i| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store
                .update("pods", "n", "p", expected, json!({"i": i}))
                .await
                .is_ok()
        })
    });
    let mut won = 0;
    for write in writes.collect::<Vec<_>>() {
        won += usize::from(write.await.expect("ran"));
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_and_revisions_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir);
    let kept = store
        .create("pods", "n", "kept", json!({"a": 1}))
        .await
        .expect("created");
    store
        .create("pods", "n", "gone", json!({}))
        .await
        .expect("created");
    let last = store
        .delete("pods", "n", "gone", None)
        .await
        .expect("deleted")
        .revision;
    // No close: as after `kill -9`, with the former process' handle still open.
    let again = open(&dir);
    let found = again.get("pods", "n", "kept").expect("kept");
    assert_eq!((&found.value, found.revision), (&kept.value, kept.revision));
    assert!(again.get("pods", "n", "gone").is_none());
    assert_eq!(again.revision(), last);
    assert!(again.watch("pods", last).is_ok());
    assert!(matches!(
        again.watch("pods", last - 1),
        Err(StoreError::Expired { .. })
    ));
    store.close();
    assert!(
        again
            .create("pods", "n", "new", json!({}))
            .await
            .expect("created")
            .revision
            > last
    );
}

#[tokio::test]
async fn a_watch_tells_every_change_once_and_in_order() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir);
    let mut watch = store.watch("pods", store.revision()).expect("watches");
    let created = store
        .create("pods", "n", "p", json!({"a": 1}))
        .await
        .expect("created");
    store
        .create("nodes", "", "other", json!({}))
        .await
        .expect("created");
    let updated = store
        .update("pods", "n", "p", created.revision, json!({"a": 2}))
        .await
        .expect("updated");
    let deleted = store.delete("pods", "n", "p", None).await.expect("deleted");
    for (kind, object, previous) in [
        (EventType::Added, &created, None),
        (EventType::Modified, &updated, Some(created.revision)),
        (EventType::Deleted, &deleted, Some(updated.revision)),
    ] {
        let change = watch.next().await.expect("a change");
        assert_eq!(
            (change.kind, change.object.revision),
            (kind, object.revision)
        );
        assert_eq!(change.previous().map(|p| p.revision), previous);
    }
    assert!(watch.try_next().expect("no error").is_none());
}

#[tokio::test]
async fn what_several_watches_tell_is_made_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir);
    let start = store.revision();
    let created = store.create("pods", "n", "p", json!({"a": 1}));
    let created = created.await.expect("created");
    let updated = store.update("pods", "n", "p", created.revision, json!({"a": 2}));
    let updated = updated.await.expect("updated");
    store.delete("pods", "n", "p", None).await.expect("deleted");
    let mut changes = Vec::new();
    for _ in 0..2 {
        let mut watch = store.watch("pods", start).expect("watches");
        for _ in 0..3 {
            changes.push(watch.next().await.expect("a change"));
        }
    }
    let [_, update, deletion, _, same_update, _] = changes.as_slice() else {
        panic!("three changes, twice");
    };
    assert!(Arc::ptr_eq(&update.left(), &same_update.left()));
    let revision = updated.revision.to_string();
    assert_eq!(
        update.left().value,
        json!({"a": 1, "metadata": {"resourceVersion": revision}})
    );
    assert_eq!(
        deletion.previous().map(|p| p.value.clone()),
        Some(updated.value.clone())
    );
    let convert = |version: &'static str| {
        move |object: Arc<Object>| {
            let value = json!({"apiVersion": version});
            Arc::new(Object::new(value, object.revision))
        }
    };
    let first = update.converted("x/v1", convert("x/v1"));
    let again = same_update.converted("x/v1", convert("x/v1"));
    assert!(Arc::ptr_eq(&first, &again));
    let other = update.converted("x/v2", convert("x/v2"));
    assert_eq!(other.value["apiVersion"], "x/v2");
}

#[tokio::test]
async fn a_watch_that_lags_too_far_is_told_to_list_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir);
    let mut watch = store.watch("pods", store.revision()).expect("watches");
    let writes = (0..5000).map(|i| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store
                .create("pods", "n", &format!("p{i}"), json!({}))
                .await
                .expect("created")
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.expect("ran");
    }
    assert!(matches!(
        watch.next().await,
        Err(StoreError::Expired { .. })
    ));
    assert_eq!(store.list("pods", Some("n")).0.len(), 5000);
}

#[tokio::test]
async fn a_history_of_long_objects_is_a_short_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(&dir);
    let start = store.revision();
    let mut made = Vec::new();
    for i in 0..8 {
        let long = json!({"data": "x".repeat(1 << 20)});
        let object = store.create("pods", "n", &format!("p{i}"), long).await;
        made.push(object.expect("created").revision);
    }
    assert!(matches!(
        store.watch("pods", start),
        Err(StoreError::Expired { .. })
    ));
    let mut watch = store.watch("pods", made[6]).expect("the newest is there");
    assert_eq!(
        watch.next().await.expect("a change").object.revision,
        made[7]
    );
}

#[tokio::test]
async fn only_the_owner_reads_the_database_also_one_that_was_open_to_all() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("makes a folder");
    let file = dir.path().join("store.db");
    std::fs::File::create(&file)
        .and_then(|made| made.set_permissions(std::fs::Permissions::from_mode(0o644)))
        .expect("makes an open file");
    let store = open(&dir);
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        let found = std::fs::metadata(dir.path().join(name)).expect("is there");
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
    }
    store.close();
}
