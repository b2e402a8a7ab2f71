//! Whatever fails, wherever it stops: what was answered is still there, and the log verifies.

use std::sync::Arc;

use ledger::{Checkpoint, Reader, SignedCheckpoint, Signer};
use ledger_store::{AppendError, CommitError, OpenError, Receipt, Store};

use crate::faulty::{Fault, Faulty};

fn signer() -> Signer {
    Signer::from_seed("ephemera.dev/log/test", &[7; 32]).unwrap()
}

fn entry(index: u64) -> Vec<u8> {
    format!("{{\"n\":{index}}}").into_bytes()
}

fn open(disk: &Faulty) -> Result<Store, OpenError> {
    Store::on_disk(Arc::new(disk.clone()), signer())
}

fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

/// Appends one by one until something fails; gives back the receipts of what was answered.
fn append(store: &Store, entries: std::ops::Range<u64>) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for index in entries {
        match block(store.append(entry(index))) {
            Ok(receipt) => receipts.push(receipt),
            Err(_) => break,
        }
    }
    receipts
}

/// Opens what a crash left and holds it against what was answered before.
fn recovers(disk: &Faulty, answered: &[Receipt], seen: Option<&Checkpoint>, what: &str) {
    let store = open(disk).unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let size = store.checkpoint().size();
    let verified = ledger::verify(&store.public(), store.verifier(), seen, |index, bytes| {
        assert_eq!(bytes, entry(index), "{what}");
    });
    assert_eq!(
        verified
            .unwrap_or_else(|error| panic!("{what}: {error:?}"))
            .checkpoint
            .size(),
        size
    );
    for receipt in answered {
        assert!(
            receipt.index < size,
            "{what}: entry {} was answered and is gone",
            receipt.index
        );
        let proof = Reader::new(&store.public(), size)
            .consistency(receipt.size())
            .unwrap();
        proof
            .check(&receipt.root(), &store.checkpoint().root())
            .unwrap();
    }
    // And it goes on.
    let next = block(store.append(entry(size))).unwrap();
    assert_eq!(next.index, size, "{what}");
    let verified = ledger::verify(&store.public(), store.verifier(), seen, |index, bytes| {
        assert_eq!(bytes, entry(index), "{what}");
    });
    let verified = verified.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    assert_eq!(verified.checkpoint.size(), size + 1, "{what}");
}

/// A log that was closed at 510 entries, about to fill its second bundle.
fn before() -> Faulty {
    let disk = Faulty::default();
    let store = open(&disk).unwrap();
    assert_eq!(append(&store, 0..510).len(), 510);
    drop(store);
    disk.after_kill()
}

#[test]
fn stopped_at_any_write_the_log_keeps_what_was_answered() {
    let start = before();
    let whole = start.after_kill();
    let store = open(&whole).unwrap();
    append(&store, 510..518);
    drop(store);
    let operations = whole.operations();
    assert!(operations > 30, "{operations}");
    for fault in [Fault::Failed, Fault::FailedButPersisted, Fault::Torn] {
        for at in 0..operations {
            let disk = start.after_kill();
            disk.fail_at(at, fault);
            let answered = match open(&disk) {
                Ok(store) => append(&store, 510..518),
                Err(_) => Vec::new(),
            };
            let seen = disk.files().remove("checkpoint").map(|text| {
                let text = String::from_utf8(text).unwrap();
                SignedCheckpoint::open(&text, signer().verifier())
                    .unwrap()
                    .checkpoint()
                    .clone()
            });
            let what = format!("{fault:?} at {at}, killed");
            recovers(&disk.after_kill(), &answered, seen.as_ref(), &what);
            for luck in 0..3 {
                let what = format!("{fault:?} at {at}, without power ({luck})");
                recovers(
                    &disk.after_power_loss(luck),
                    &answered,
                    seen.as_ref(),
                    &what,
                );
            }
        }
    }
}

#[test]
fn stopped_at_any_write_of_its_first_opening_a_log_begins_again() {
    for fault in [Fault::Failed, Fault::FailedButPersisted, Fault::Torn] {
        for at in 0..8 {
            let disk = Faulty::default();
            disk.fail_at(at, fault);
            let answered = open(&disk)
                .map(|store| append(&store, 0..3))
                .unwrap_or_default();
            recovers(
                &disk.after_kill(),
                &answered,
                None,
                &format!("{fault:?} at {at}"),
            );
            for luck in 0..3 {
                recovers(
                    &disk.after_power_loss(luck),
                    &answered,
                    None,
                    &format!("{fault:?} at {at}"),
                );
            }
        }
    }
}

#[test]
fn recovery_that_is_itself_stopped_starts_over() {
    let disk = before();
    let store = open(&disk).unwrap();
    let answered = append(&store, 510..530);
    disk.fail_at(disk.operations(), Fault::Failed);
    drop(store);
    let left = disk.after_power_loss(3);
    let probe = left.after_kill();
    open(&probe).unwrap();
    for at in 0..probe.operations() {
        let disk = left.after_kill();
        disk.fail_at(at, Fault::Torn);
        drop(open(&disk));
        recovers(
            &disk.after_power_loss(at),
            &answered,
            None,
            &format!("recovery stopped at {at}"),
        );
    }
}

#[test]
fn partial_tiles_of_earlier_checkpoints_are_repaired_too() {
    let disk = before();
    let store = open(&disk).unwrap();
    append(&store, 510..511);
    drop(store);
    for path in [
        "tile/entries/001.p/254",
        "tile/0/001.p/254",
        "tile/entries/001.p/17",
        "tile/0/001.p/17",
    ] {
        disk.put(path, b"torn");
    }
    drop(open(&disk).unwrap());
    let files = disk.files();
    for (kind, width) in [("entries", 254), ("entries", 17), ("0", 254), ("0", 17)] {
        let whole = &files[&format!("tile/{kind}/001.p/255")];
        let earlier = &files[&format!("tile/{kind}/001.p/{width}")];
        assert!(whole.starts_with(earlier), "{kind} {width}");
        let sound = match kind {
            "entries" => ledger::tile::decode_entries(earlier, width).is_ok(),
            _ => ledger::tile::decode_hashes(earlier, width).is_ok(),
        };
        assert!(sound, "{kind} {width}");
    }
}

#[test]
fn after_a_doubtful_write_nothing_is_answered_any_more() {
    let disk = before();
    let store = open(&disk).unwrap();
    disk.fail_at(disk.operations(), Fault::FailedButPersisted);
    let first = block(store.append(entry(510))).unwrap_err();
    assert!(
        matches!(first, AppendError::Failed(ref error) if matches!(**error, CommitError::Journal(_)))
    );
    for _ in 0..3 {
        let later = block(store.append(entry(511))).unwrap_err();
        assert!(matches!(later, AppendError::Poisoned(_)), "{later:?}");
    }
    assert_eq!(store.checkpoint().size(), 510);
}

#[test]
fn a_second_writer_stops_the_first() {
    let disk = before();
    let first = open(&disk).unwrap();
    let second = open(&disk).unwrap();
    let refused = block(first.append(entry(510))).unwrap_err();
    let superseded = |error: &CommitError| matches!(error, CommitError::Superseded { .. });
    assert!(
        matches!(refused, AppendError::Failed(ref error) if superseded(error)),
        "{refused:?}"
    );
    assert_eq!(block(second.append(entry(510))).unwrap().index, 510);
    drop(first);
    second.fsck().unwrap();
}

/// Damage that no crash can leave.
fn refuses(damage: impl FnOnce(&Faulty)) -> OpenError {
    let disk = before();
    let store = open(&disk).unwrap();
    append(&store, 510..515);
    // Closing is prevented, so that the journal keeps its frames.
    disk.fail_at(disk.operations(), Fault::Failed);
    drop(store);
    let disk = disk.after_kill();
    damage(&disk);
    let files = disk.files();
    let error = open(&disk).unwrap_err();
    let changed = |path: &str| disk.files().get(path) != files.get(path);
    assert!(
        !changed("journal") && !changed("checkpoint"),
        "a refused log is left as it is"
    );
    error
}

#[test]
fn damage_that_is_no_crash_is_refused_and_left_alone() {
    let change = |disk: &Faulty, path: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = disk.files()[path].clone();
        change(&mut bytes);
        disk.put(path, &bytes);
    };
    let error = refuses(|disk| change(disk, "journal", &|bytes| bytes[100] ^= 1));
    assert!(matches!(error, OpenError::Journal(_)), "{error:?}");
    let error = refuses(|disk| change(disk, "journal", &|bytes| bytes.truncate(900)));
    assert!(
        matches!(error, OpenError::Behind { published: 515, .. }),
        "{error:?}"
    );
    let error = refuses(|disk| change(disk, "journal", &Vec::clear));
    assert!(matches!(error, OpenError::Journal(_)), "{error:?}");
    let error = refuses(|disk| disk.delete("journal"));
    assert!(matches!(error, OpenError::NoJournal), "{error:?}");
    let error = refuses(|disk| change(disk, "tile/0/001.p/254", &|bytes| bytes[5] ^= 1));
    assert!(matches!(error, OpenError::Tiles(_)), "{error:?}");
    let error = refuses(|disk| change(disk, "epoch", &|bytes| bytes.insert(0, b'x')));
    assert!(matches!(error, OpenError::Epoch), "{error:?}");
    let forked = SignedCheckpoint::sign(&signer(), 515, ledger::Hash::leaf(b"another"));
    let error = refuses(|disk| disk.put("checkpoint", forked.text().as_bytes()));
    assert!(
        matches!(error, OpenError::Forked { size: 515 }),
        "{error:?}"
    );
}

#[test]
fn a_log_is_not_continued_with_another_key() {
    let disk = before();
    let files = disk.files();
    let other = Signer::from_seed("ephemera.dev/log/test", &[8; 32]).unwrap();
    let refused = Store::on_disk(Arc::new(disk.clone()), other).unwrap_err();
    assert!(matches!(refused, OpenError::Key(_)), "{refused:?}");
    assert_eq!(disk.files(), files);
}
