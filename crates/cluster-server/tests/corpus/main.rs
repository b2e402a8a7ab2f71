//! The fuzz targets of `fuzz/`, without a fuzzer: every file of their corpus, and what proptest makes up.

#![expect(clippy::panic, reason = "a target fails by panicking")]

#[path = "../../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library where a fuzzer calls it")]
mod targets;

use std::path::{Path, PathBuf};

use proptest::prelude::*;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
}

/// Runs every file, and every file cut short anywhere or with a byte changed.
fn check(name: &str, target: fn(&[u8])) {
    for file in corpus(name) {
        let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        target(&bytes);
        // The large ones only as they are.
        if bytes.len() > 1200 {
            continue;
        }
        for at in 0..bytes.len() {
            target(&bytes[..at]);
            let mut changed = bytes.clone();
            changed[at] ^= 0x20;
            target(&changed);
            changed[at] = 0xff;
            target(&changed);
        }
    }
}

#[test]
fn patches_of_the_corpus_hold() {
    check("patch", targets::patch);
}

#[test]
fn selectors_of_the_corpus_hold() {
    check("selector", targets::selector);
}

#[test]
fn protobuf_bodies_of_the_corpus_hold() {
    check("protobuf", targets::protobuf);
}

#[test]
fn json_bodies_of_the_corpus_hold() {
    check("body", targets::body);
}

#[test]
fn field_sets_of_the_corpus_hold() {
    check("fields", targets::fields);
}

/// JSON with the names and directives that patches know.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let names = [
        "metadata",
        "spec",
        "labels",
        "containers",
        "ephemeralContainers",
        "name",
        "image",
        "ports",
        "containerPort",
        "env",
        "finalizers",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "a",
        "f:spec",
        "k:{\"name\":\"a\"}",
        "v:1",
        ".",
    ];
    let words = ["a", "b", "delete", "replace", "merge", ""];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        proptest::sample::select(words.to_vec()).prop_map(serde_json::Value::from),
    ];
    let names = proptest::sample::select(names.to_vec());
    leaf.prop_recursive(5, 48, 6, move |inner| {
        let fields = proptest::collection::vec((names.clone(), inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(serde_json::Value::from),
            fields.prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn made_up_patches_hold(kind in "json|merge|strategic", current in json(), patch in json()) {
        targets::patch(format!("{kind}\n{current}\n{patch}").as_bytes());
    }

    #[test]
    fn made_up_operations_hold(
        current in json(),
        operations in proptest::collection::vec(("add|remove|replace|move|copy|test", "(/[a-c0-2~-]{0,2}){0,3}", "(/[a-c0-2]{0,2}){0,3}", json()), 0..6),
    ) {
        let operations: Vec<_> = operations
            .into_iter()
            .map(|(op, path, from, value)| serde_json::json!({"op": op, "path": path, "from": from, "value": value}))
            .collect();
        targets::patch(format!("json\n{current}\n{}", serde_json::json!(operations)).as_bytes());
    }

    #[test]
    fn made_up_selectors_hold(text in "([a-c./0-9]{0,3}|=|==|!=|!| in | notin |\\(|\\)|,|<|>|\\\\| ){0,12}") {
        targets::selector(text.as_bytes());
    }

    #[test]
    fn made_up_bytes_hold(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        targets::body(&bytes);
        targets::selector(&bytes);
        targets::protobuf(&[b"k8s\0", &bytes[..]].concat());
    }

    #[test]
    fn made_up_bodies_hold(value in json()) {
        targets::body(value.to_string().as_bytes());
        targets::fields(value.to_string().as_bytes());
    }
}
