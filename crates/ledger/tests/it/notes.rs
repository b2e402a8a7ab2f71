//! Signed notes and checkpoints: vectors of Go's `note` package and C2SP, and what must be refused.

use ledger::{CheckpointError, KeyError, NoteError, SignedCheckpoint, Signer, Verifier};

const SKEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                    then you don't know what your problem is.\n";
const NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn verifier() -> Verifier {
    VKEY.parse().unwrap()
}

#[test]
fn the_note_of_the_go_package_is_signed_and_opened_alike() {
    let signer = Signer::from_skey(SKEY).unwrap();
    assert_eq!(signer.verifier().to_string(), VKEY);
    assert_eq!(signer.to_skey(), SKEY);
    assert_eq!(signer.sign(TEXT), NOTE);
    assert_eq!(verifier().open(NOTE), Ok(TEXT));
}

#[test]
fn another_implementation_opens_our_notes() {
    use signed_note::{Note, StandardVerifier, VerifierList};
    let theirs = StandardVerifier::new(VKEY).unwrap();
    let note = Note::from_bytes(NOTE.as_bytes()).unwrap();
    let (verified, _) = note
        .verify(&VerifierList::new(vec![Box::new(theirs)]))
        .unwrap();
    assert_eq!(verified.len(), 1);
}

#[test]
fn debug_output_does_not_show_the_private_key() {
    let shown = format!("{:?}", Signer::from_skey(SKEY).unwrap());
    assert_eq!(shown, format!("Signer({VKEY})"));
}

#[test]
fn keys_that_are_none_are_refused() {
    fn check(vkey: &str, expected: KeyError) {
        assert_eq!(vkey.parse::<Verifier>().unwrap_err(), expected, "{vkey}");
    }
    check("", KeyError::Form);
    check("PeterNeumann+c74f20a3", KeyError::Form);
    check("PeterNeumann+c74f20a3+***", KeyError::Form);
    check(
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        KeyError::Hash,
    );
    check(
        "PeterNeuman+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        KeyError::Hash,
    );
    check(
        "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        KeyError::Name,
    );
    check(
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        KeyError::Name,
    );
    check(
        "PeterNeumann+c74f20a3+BBpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        KeyError::Algorithm,
    );
    check("PeterNeumann+c74f20a3+ARpc", KeyError::Algorithm);
}

#[test]
fn a_note_that_others_signed_too_is_ours() {
    let other = Signer::from_seed("witness.example", &[1; 32]).unwrap();
    let line = other
        .sign(TEXT)
        .strip_prefix(TEXT)
        .unwrap()
        .trim_start()
        .to_owned();
    assert_eq!(verifier().open(&format!("{NOTE}{line}")), Ok(TEXT));
}

#[test]
fn notes_that_prove_nothing_are_refused() {
    fn check(note: &str, expected: fn(String) -> NoteError) {
        assert_eq!(
            verifier().open(note).unwrap_err(),
            expected("PeterNeumann".to_owned()),
            "{note}"
        );
    }
    let form = |_| NoteError::Form;
    let key_id = || verifier().key_id();
    check("", form);
    check(TEXT, form);
    check(&format!("{TEXT}\n"), form);
    check(NOTE.trim_end(), form);
    check(&NOTE.replace("— ", "- "), form);
    check(&NOTE.replace("answer", "answer\r"), form);
    let unsigned = |name| NoteError::Unsigned {
        name,
        key_id: VKEY.parse::<Verifier>().unwrap().key_id(),
    };
    let wrong = |name| NoteError::Signature {
        name,
        key_id: VKEY.parse::<Verifier>().unwrap().key_id(),
    };
    check(
        &Signer::from_seed("PeterNeumann", &[1; 32])
            .unwrap()
            .sign(TEXT),
        unsigned,
    );
    check(&NOTE.replace("— PeterNeumann", "— EnochRoot"), unsigned);
    check(&NOTE.replace("answer", "question"), wrong);
    // One good signature does not save a note that also has a bad one of the same key.
    check(&format!("{NOTE}— PeterNeumann x08gowAA\n"), wrong);
    assert_eq!(key_id().to_string(), "c74f20a3");
}

#[test]
fn checkpoints_read_as_they_were_signed() {
    let signer = Signer::from_seed("ephemera.dev/log/test", &[7; 32]).unwrap();
    let signed = SignedCheckpoint::sign(&signer, 20_852_163, ledger::Hash::leaf(b"x"));
    let opened = SignedCheckpoint::open(signed.text(), signer.verifier()).unwrap();
    assert_eq!(opened, signed);
    assert_eq!(opened.size(), 20_852_163);
}

#[test]
fn signed_texts_that_are_no_checkpoints_are_refused() {
    let signer = Signer::from_seed("log.example", &[7; 32]).unwrap();
    let root = ledger::Hash::leaf(b"x").to_string();
    let check = |text: String, expected: CheckpointError| {
        let note = signer.sign(&text);
        assert_eq!(
            SignedCheckpoint::open(&note, signer.verifier()).unwrap_err(),
            expected,
            "{text}"
        );
    };
    let form = |line| CheckpointError::Form { line };
    check(format!("\n1\n{root}\n"), form("origin"));
    check("log.example\n".to_owned(), form("size"));
    check(format!("log.example\n01\n{root}\n"), form("size"));
    check(format!("log.example\n+1\n{root}\n"), form("size"));
    check(format!("log.example\n-1\n{root}\n"), form("size"));
    check(
        format!("log.example\n18446744073709551616\n{root}\n"),
        form("size"),
    );
    check("log.example\n1\nAAAA\n".to_owned(), form("root"));
    check(
        format!("log.example\n1\n{}\n", root.trim_end_matches('=')),
        form("root"),
    );
    let (found, wanted) = ("other.example".to_owned(), "log.example".to_owned());
    check(
        format!("other.example\n1\n{root}\n"),
        CheckpointError::Origin { found, wanted },
    );
}
