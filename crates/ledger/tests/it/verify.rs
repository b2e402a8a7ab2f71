//! A whole log is believed only as it was signed.

use ledger::{Checkpoint, Hash, Signer, Verified, VerifyError, tile::CHECKPOINT, verify};

use crate::log::{MapLog, checkpoint, entry, log, of, signer};

fn check(log: &MapLog, remembered: Option<&Checkpoint>) -> Result<Verified, VerifyError> {
    verify(log, signer().verifier(), remembered, |_, _| ())
}

#[test]
fn every_size_verifies_and_shows_every_entry_in_order() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 70_000] {
        let log = log(size);
        let mut seen = 0;
        let verified = verify(&log, signer().verifier(), None, |index, bytes| {
            assert_eq!((index, bytes), (seen, &*entry(seen)));
            seen += 1;
        });
        assert_eq!(verified.unwrap().checkpoint.size(), size);
        assert_eq!(seen, size);
    }
}

#[test]
fn any_changed_byte_of_any_file_is_found() {
    let log = log(258);
    for (path, bytes) in &log.0 {
        // Every byte of the short files; of the long ones every seventh, which meets every kind of place.
        for at in (0..bytes.len()).step_by(if bytes.len() > 500 { 7 } else { 1 }) {
            let mut tampered = log.clone();
            tampered.0.get_mut(path).unwrap()[at] ^= 1;
            assert!(check(&tampered, None).is_err(), "byte {at} of {path}");
        }
    }
}

#[test]
fn any_missing_shortened_or_lengthened_file_is_found() {
    let log = log(600);
    for path in log.0.keys() {
        let mut tampered = log.clone();
        tampered.0.remove(path);
        assert!(check(&tampered, None).is_err(), "without {path}");
        let mut tampered = log.clone();
        tampered.0.get_mut(path).unwrap().pop();
        assert!(check(&tampered, None).is_err(), "{path} shortened");
        let mut tampered = log.clone();
        tampered.0.get_mut(path).unwrap().push(b'0');
        assert!(check(&tampered, None).is_err(), "{path} lengthened");
    }
}

#[test]
fn the_error_names_the_entry_and_the_tile() {
    let mut changed = log(600);
    let bundle = changed.0.get_mut("tile/entries/001").unwrap();
    bundle[2 + 6] ^= 1;
    let error = check(&changed, None).unwrap_err().to_string();
    assert_eq!(
        error,
        "entry 256 has been changed: tile/0/001 has another hash for it"
    );

    let mut changed = log(600);
    changed.0.get_mut("tile/1/000.p/2").unwrap()[40] ^= 1;
    let error = check(&changed, None).unwrap_err().to_string();
    assert_eq!(
        error,
        "hash 1 of tile/1/000.p/2 is not the root of the entries 256 to 511 below it"
    );

    let mut changed = log(600);
    changed.0.remove("tile/entries/001");
    assert_eq!(
        check(&changed, None).unwrap_err().to_string(),
        "cannot read tile/entries/001"
    );
}

#[test]
fn a_log_rebuilt_with_another_entry_is_not_the_signed_one() {
    let honest = log(300);
    let mut forged = of((0..300).map(|index| entry(if index == 7 { 8 } else { index })));
    forged
        .0
        .insert(CHECKPOINT.to_owned(), honest.0[CHECKPOINT].clone());
    assert!(matches!(
        check(&forged, None),
        Err(VerifyError::Root { size: 300, .. })
    ));
}

#[test]
fn a_log_signed_by_another_key_is_refused() {
    let other = Signer::from_seed("ephemera.dev/log/test", &[8; 32]).unwrap();
    let refused = verify(&log(3), other.verifier(), None, |_, _| ());
    assert!(matches!(refused, Err(VerifyError::Checkpoint(_))));
}

#[test]
fn an_entry_that_is_not_canonical_is_refused_even_when_signed() {
    let odd = of([b"{\"a\": 1}".to_vec()].into_iter());
    assert!(matches!(
        check(&odd, None),
        Err(VerifyError::Entry { index: 0, .. })
    ));
}

#[test]
fn what_was_seen_before_must_still_be_there() {
    let now = log(700);
    for seen in [0, 1, 255, 256, 300, 512, 699, 700] {
        check(&now, Some(checkpoint(&log(seen)).checkpoint())).unwrap();
    }
    let longer = checkpoint(&log(701));
    let cut = check(&now, Some(longer.checkpoint()));
    assert!(matches!(
        cut,
        Err(VerifyError::Shrunk {
            remembered: 701,
            size: 700
        })
    ));
    for seen in [0, 1, 256, 300, 700] {
        let root = Hash::leaf(b"another");
        let other = Checkpoint {
            root,
            ..checkpoint(&log(seen)).checkpoint().clone()
        };
        let rewritten = check(&now, Some(&other));
        assert!(matches!(rewritten, Err(VerifyError::Rewritten { size, .. }) if size == seen));
    }
    let elsewhere = Checkpoint {
        origin: "x".into(),
        ..checkpoint(&now).checkpoint().clone()
    };
    assert!(matches!(
        check(&now, Some(&elsewhere)),
        Err(VerifyError::OtherLog { .. })
    ));
}
