//! Reading a Pod's raw JSON.

use serde_json::Value;
use session::PodRef;

/// Text of a field, empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The ephemeral container of this name in the Pod's spec.
pub(crate) fn ephemeral<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    named(&pod["spec"]["ephemeralContainers"], name)
}

/// Its status, once the kubelet has told one.
pub(crate) fn ephemeral_status<'a>(pod: &'a Value, name: &str) -> Option<&'a Value> {
    named(&pod["status"]["ephemeralContainerStatuses"], name)
}

fn named<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    let mut list = list.as_array()?.iter();
    list.find(|c| c["name"].as_str() == Some(name))
}

/// Whether what was read is the Pod that is meant; else what was found in its place.
pub(crate) fn same(found: Option<Value>, wanted: &PodRef) -> Result<Value, String> {
    match found {
        None => Err(format!("Pod {} is gone", wanted.name)),
        Some(pod) if text(&pod, "/metadata/uid") == wanted.uid => Ok(pod),
        Some(pod) => Err(format!(
            "Pod {} (uid {}) is gone, and another one (uid {}) has its name",
            wanted.name,
            wanted.uid,
            text(&pod, "/metadata/uid")
        )),
    }
}
