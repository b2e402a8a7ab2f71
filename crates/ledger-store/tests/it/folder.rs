//! The store on a real folder.

use std::sync::Arc;

use ledger::{Signer, verify};
use ledger_store::{AppendError, Folder, OpenError, Store, published};

fn signer() -> Signer {
    Signer::from_seed("ephemera.dev/log/test", &[7; 32]).unwrap()
}

fn entry(index: u64) -> Vec<u8> {
    format!("{{\"n\":{index}}}").into_bytes()
}

#[tokio::test]
async fn what_was_appended_is_read_back_proved_and_verified_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), signer()).unwrap();
    for index in 0..300 {
        let receipt = store.append(entry(index)).await.unwrap();
        assert_eq!((receipt.index, receipt.size()), (index, index + 1));
    }
    drop(store);
    let store = Store::open(folder.path(), signer()).unwrap();
    assert_eq!(store.append(entry(300)).await.unwrap().index, 300);
    assert_eq!(store.read(257).unwrap(), entry(257));
    assert_eq!(
        store.entries(254..258).unwrap(),
        (254..258).map(entry).collect::<Vec<_>>()
    );
    let proof = store.inclusion(7).unwrap();
    proof
        .check(ledger::Hash::leaf(&entry(7)), &store.checkpoint().root())
        .unwrap();
    assert_eq!(store.fsck().unwrap().checkpoint.size(), 301);
    // The same from outside, while the store is open.
    let outside = verify(
        &Folder::new(folder.path()),
        signer().verifier(),
        None,
        |_, _| (),
    )
    .unwrap();
    assert_eq!(outside.checkpoint.size(), 301);
    assert_eq!(
        published(folder.path(), signer().verifier()).unwrap(),
        outside.checkpoint
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_arrive_together_get_different_places_and_few_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path(), signer()).unwrap());
    let appends = (0..2_000).map(|index| {
        let store = Arc::clone(&store);
        async move { (index, store.append(entry(index)).await.unwrap()) }
    });
    let mut receipts = futures::future::join_all(appends).await;
    for (number, receipt) in &receipts {
        assert_eq!(store.read(receipt.index).unwrap(), entry(*number));
    }
    receipts.sort_by_key(|(_, receipt)| receipt.index);
    assert!(
        receipts
            .iter()
            .map(|(_, receipt)| receipt.index)
            .eq(0..2_000)
    );
    receipts.dedup_by_key(|(_, receipt)| receipt.size());
    assert!(receipts.len() < 1_000, "{} checkpoints", receipts.len());
    store.fsck().unwrap();
}

#[tokio::test]
async fn a_second_opener_is_told_who_has_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path(), signer()).unwrap();
    let refused = Store::open(folder.path(), signer()).unwrap_err();
    assert!(matches!(&refused, OpenError::Locked { .. }));
    let process = format!("process {}", std::process::id());
    assert!(refused.to_string().contains(&process), "{refused}");
    drop(first);
    Store::open(folder.path(), signer()).unwrap();
}

#[tokio::test]
async fn entries_that_are_none_are_refused_and_the_next_one_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), signer()).unwrap();
    let large = format!("\"{}\"", "x".repeat(65_534)).into_bytes();
    let refused = store.append(large).await.unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { len: 65_536 }));
    let refused = store.append(b"{\"a\": 1}".to_vec()).await.unwrap_err();
    assert!(matches!(refused, AppendError::NotCanonical(_)));
    let largest = format!("\"{}\"", "x".repeat(65_533)).into_bytes();
    assert_eq!(store.append(largest.clone()).await.unwrap().index, 0);
    assert_eq!(store.read(0).unwrap(), largest);
}

#[tokio::test]
async fn a_log_whose_file_was_touched_by_somebody_else_takes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), signer()).unwrap();
    store.append(entry(0)).await.unwrap();
    let journal = folder.path().join("journal");
    let len = std::fs::metadata(&journal).unwrap().len();
    std::fs::OpenOptions::new()
        .write(true)
        .open(&journal)
        .unwrap()
        .set_len(len + 1)
        .unwrap();
    assert!(matches!(
        store.append(entry(1)).await,
        Err(AppendError::Failed(_))
    ));
    assert!(matches!(
        store.append(entry(1)).await,
        Err(AppendError::Poisoned(_))
    ));
}

#[tokio::test]
async fn watchers_are_told_of_new_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), signer()).unwrap();
    let mut watch = store.watch();
    store.append(entry(0)).await.unwrap();
    watch.changed().await.unwrap();
    assert_eq!(watch.borrow().size(), 1);
}

#[tokio::test]
async fn exported_entries_are_proved_without_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), signer()).unwrap();
    for index in 0..5 {
        store.append(entry(index)).await.unwrap();
    }
    let json = store.export([1, 4]).unwrap().to_json().unwrap();
    let export = ledger::Export::open(&json, signer().verifier()).unwrap();
    assert_eq!(export.entries().len(), 2);
}
