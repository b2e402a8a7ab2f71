//! Exported entries are checked where the log is not.

use ledger::{Export, export::ExportError};

use crate::log::{checkpoint, entry, log, signer};

fn exported() -> String {
    let log = log(600);
    Export::make(&log, &checkpoint(&log), [3, 255, 599])
        .unwrap()
        .to_json()
        .unwrap()
}

#[test]
fn exported_entries_are_proved_without_the_log() {
    let export = Export::open(&exported(), signer().verifier()).unwrap();
    let entries: Vec<_> = export
        .entries()
        .iter()
        .map(|proven| proven.entry.clone())
        .collect();
    assert_eq!(entries, [entry(3), entry(255), entry(599)]);
    assert_eq!(export.checkpoint().size(), 600);
}

#[test]
fn a_single_proof_has_the_form_of_tlog_proof() {
    let log = log(2);
    let checkpoint = checkpoint(&log);
    let export = Export::make(&log, &checkpoint, [1]).unwrap();
    let sibling = ledger::Hash::leaf(&entry(0));
    let wanted = format!(
        "c2sp.org/tlog-proof@v1\nindex 1\n{sibling}\n\n{}",
        checkpoint.text()
    );
    assert_eq!(export.entries()[0].tlog_proof(&checkpoint), wanted);
}

#[test]
fn changed_exports_are_refused() {
    let check = |from: &str, to: &str| {
        let changed = exported().replacen(from, to, 1);
        assert_ne!(changed, exported(), "{from}");
        Export::open(&changed, signer().verifier()).unwrap_err()
    };
    assert!(matches!(
        check(r#"{\"n\":3}"#, r#"{\"n\":4}"#),
        ExportError::Proof { index: 3, .. }
    ));
    assert!(matches!(
        check(r#""index": 255"#, r#""index": 254"#),
        ExportError::Proof { .. }
    ));
    assert!(matches!(
        check(r#""index": 599"#, r#""index": 600"#),
        ExportError::Proof { .. }
    ));
    assert!(matches!(
        check("\\n600\\n", "\\n601\\n"),
        ExportError::Checkpoint(_)
    ));
    assert!(matches!(
        check("entries/v1", "entries/v2"),
        ExportError::Format { .. }
    ));
    assert!(matches!(
        check(r#""format""#, r#""shape""#),
        ExportError::Json(_)
    ));
    assert!(Export::open("", signer().verifier()).is_err());
}

#[test]
fn an_entry_beyond_the_log_cannot_be_exported() {
    let log = log(3);
    assert!(Export::make(&log, &checkpoint(&log), [3]).is_err());
}
