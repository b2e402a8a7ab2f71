//! The key's files.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use ledger_store::keys::{KEY, KeysError, VKEY, create_or_load, load_verifier};

const ORIGIN: &str = "ephemera.dev/log/0c8a3c1e-7d7e-4a53-9d2b-2f9b7f1f8c11";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_key_is_made_once_and_loaded_ever_after() {
    let folder = tempfile::tempdir().unwrap();
    let made = create_or_load(folder.path(), ORIGIN).unwrap();
    assert_eq!(mode(&folder.path().join(KEY)), 0o600);
    let loaded = create_or_load(folder.path(), ORIGIN).unwrap();
    assert_eq!(loaded.verifier(), made.verifier());
    assert_eq!(
        &load_verifier(&folder.path().join(VKEY)).unwrap(),
        made.verifier()
    );
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, [KEY, VKEY]);
}

#[test]
fn two_folders_have_two_keys() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = create_or_load(one.path(), ORIGIN).unwrap();
    let two = create_or_load(two.path(), ORIGIN).unwrap();
    assert_ne!(one.verifier().key_id(), two.verifier().key_id());
}

#[test]
fn a_lost_public_key_is_written_again_and_a_lost_private_one_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let made = create_or_load(folder.path(), ORIGIN).unwrap();
    fs::remove_file(folder.path().join(VKEY)).unwrap();
    create_or_load(folder.path(), ORIGIN).unwrap();
    assert_eq!(
        &load_verifier(&folder.path().join(VKEY)).unwrap(),
        made.verifier()
    );
    fs::remove_file(folder.path().join(KEY)).unwrap();
    assert!(matches!(
        create_or_load(folder.path(), ORIGIN),
        Err(KeysError::KeyLost { .. })
    ));
}

#[test]
fn keys_that_cannot_be_trusted_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    create_or_load(folder.path(), ORIGIN).unwrap();
    let key = folder.path().join(KEY);
    let other = create_or_load(folder.path(), "ephemera.dev/log/another");
    assert!(matches!(other, Err(KeysError::OtherLog { .. })));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let readable = create_or_load(folder.path(), ORIGIN);
    assert!(matches!(
        readable,
        Err(KeysError::Readable { mode: 0o640, .. })
    ));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    OpenOptions::new()
        .append(true)
        .open(&key)
        .unwrap()
        .write_all(b"x")
        .unwrap();
    assert!(matches!(
        create_or_load(folder.path(), ORIGIN),
        Err(KeysError::Key { .. })
    ));
}

#[test]
fn an_origin_that_cannot_name_a_key_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = create_or_load(folder.path(), "two words");
    assert!(matches!(refused, Err(KeysError::Origin { .. })));
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}
