//! Entries that nobody's log holds.

use ledger::entry::Entry;
use report::{FoldError, fold};

use crate::life::{at, entries, visited};

fn error(change: impl FnOnce(&mut Vec<(u64, Entry)>)) -> FoldError {
    let mut entries = entries(&visited());
    change(&mut entries);
    fold(entries).unwrap_err()
}

#[test]
fn entries_that_could_not_have_followed_on_each_other_are_no_record() {
    assert!(matches!(error(Vec::clear), FoldError::Empty));
    let without_the_ask = error(|e| drop(e.remove(0)));
    assert!(matches!(
        without_the_ask,
        FoldError::NoAsk {
            kind: "Proposed",
            ..
        }
    ));
    let without_a_yes_and_a_grant = error(|e| drop(e.drain(2..4)));
    assert!(matches!(
        without_a_yes_and_a_grant,
        FoldError::Impossible { index: 9, .. }
    ));
    let without_a_reservation = error(|e| drop(e.remove(4)));
    assert!(matches!(
        without_a_reservation,
        FoldError::Impossible { index: 11, .. }
    ));
    let swapped = error(|e| e.swap(1, 2));
    assert!(matches!(
        swapped,
        FoldError::Impossible { .. } | FoldError::OutOfOrder { .. }
    ));
    let twice = error(|e| e[1].0 = 1);
    assert!(matches!(twice, FoldError::OutOfOrder { index: 1 }));
    let of_another = error(|e| e[3].1.session = Some("other".into()));
    assert!(matches!(of_another, FoldError::OtherSession { index: 7 }));
    let too_late = error(|e| e[4].1.at = at(5000));
    assert!(matches!(too_late, FoldError::Impossible { index: 9, .. }));
}
