//! What a stranger may send before anybody has looked at it, one function for each. None may panic, hang or take
//! memory out of proportion; what else must hold is asserted.

use std::sync::{Arc, LazyLock};

use cluster_server::api::{Body, FieldSelector, FieldValidation, LabelSelector, PatchType};
use cluster_server::kinds::{Kinds, Resource};
use cluster_server::managed::FieldSet;
use cluster_server::patch::Prepared;
use serde_json::{Value, json};

/// Most that a patch may add to what it is applied to, beside itself: `copy` operations add 3 MiB of JSON text.
const MOST: usize = 4 << 20;

/// A line with the kind of patch, a line with the object, and the patch.
pub fn patch(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let (Some(kind), Some(current), Some(patch)) = (lines.next(), lines.next(), lines.next())
    else {
        return;
    };
    let kind = match kind {
        b"json" => PatchType::Json,
        b"merge" => PatchType::Merge,
        _ => PatchType::Strategic,
    };
    let Ok(current) = serde_json::from_slice::<Value>(current) else {
        return;
    };
    if !current.is_object() {
        return;
    }
    let Some(pods) = pods() else {
        return;
    };
    let schema = pods.topology.schema(&pods);
    for validation in [FieldValidation::Strict, FieldValidation::Ignore] {
        let Ok(prepared) = Prepared::parse(kind, patch, validation) else {
            continue;
        };
        let Ok(patched) = prepared.apply(&current, &schema) else {
            continue;
        };
        let text = patched.to_string();
        assert!(
            text.len() <= data.len() * 16 + MOST,
            "a patch made {} bytes",
            text.len()
        );
        if kind == PatchType::Merge {
            let again = prepared.apply(&patched, &schema).ok();
            assert_eq!(again, Some(patched), "a merge patch is idempotent");
        }
    }
}

/// A label selector, and as it may be a field selector of Pods.
pub fn selector(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let object = json!({"metadata": {"name": "a", "namespace": "n", "labels": {"a": "b", "n": "7"}}, "spec": {}, "status": {}});
    if let Ok(selector) = LabelSelector::parse(text) {
        let nothing = selector.is_empty();
        assert!(
            !nothing || selector.matches(&object),
            "no requirement holds for everything"
        );
        selector.matches(&json!({}));
    }
    if let Some(pods) = pods()
        && let Ok(selector) = FieldSelector::parse(text, &pods)
    {
        selector.matches(&object);
        selector.matches(&json!({}));
    }
}

fn pods() -> Option<Arc<Resource>> {
    static PODS: LazyLock<Option<Arc<Resource>>> =
        LazyLock::new(|| Kinds::default().resolve("", "v1", "pods"));
    PODS.clone()
}

/// A body in Kubernetes' protobuf envelope.
pub fn protobuf(data: &[u8]) {
    if let Ok(object) = cluster_server::protobuf::decode(data) {
        assert!(object["kind"].is_string(), "the kind is told: {object}");
    }
}

/// A body in JSON: what is taken is what another parser reads.
pub fn body(data: &[u8]) {
    let other = serde_json::from_slice::<Value>(data);
    match (Body::parse(data), other) {
        (Ok(body), Ok(other)) => assert_eq!(body.value, other, "two readings of one text"),
        (Ok(body), Err(error)) => panic!("{} was taken, but {error}", body.value),
        (Err(error), _) => assert!(!error.to_string().is_empty()),
    }
}

/// A `fieldsV1` of a manager's entry: written and read again it is the same set.
pub fn fields(data: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let Ok(set) = FieldSet::parse(&value) else {
        return;
    };
    let again = FieldSet::parse(&set.to_value());
    assert_eq!(again.ok().as_ref(), Some(&set));
    assert!(set.difference(&set).is_empty());
    assert_eq!(set.clone().union(&set), set);
    assert_eq!(set.intersection(&set), set);
}
