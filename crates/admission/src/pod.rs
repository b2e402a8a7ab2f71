//! Reading a Pod's raw JSON.

use serde_json::Value;

/// Its UID; empty if it has none.
pub(crate) fn uid(pod: &Value) -> &str {
    pod["metadata"]["uid"].as_str().unwrap_or_default()
}

/// Its `resourceVersion`.
pub(crate) fn resource_version(pod: &Value) -> &str {
    pod["metadata"]["resourceVersion"]
        .as_str()
        .unwrap_or_default()
}

/// The containers of one list of its spec.
pub(crate) fn containers<'a>(pod: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    pod["spec"][list].as_array().into_iter().flatten()
}

/// A container's name.
pub(crate) fn name(container: &Value) -> &str {
    container["name"].as_str().unwrap_or_default()
}

/// A container of one list, by name.
pub(crate) fn find<'a>(pod: &'a Value, list: &str, wanted: &str) -> Option<&'a Value> {
    containers(pod, list).find(|c| name(c) == wanted)
}
