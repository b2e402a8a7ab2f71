//! Writes to `pods/resize`: what the containers may use, while they run (`ValidatePodResize`).

use serde_json::{Map, Value};

use super::super::qos;
use super::{common, is_mirror, keep, list, nowhere, reset_metadata};
use crate::field::{FieldError, Path};
use crate::kinds::quantity::Quantity;

const KINDS: [&str; 2] = ["initContainers", "containers"];
const RESIZABLE: [&str; 2] = ["cpu", "memory"];

/// Takes resources and resize policies from `new`, all else from `old` (`dropNonResizeUpdates`). Where containers were
/// added, removed or renamed it is left as it is, to be refused.
pub(super) fn prepare(new: &mut Value, old: &Value) {
    let names = |pod: &Value, kind: &str| -> Vec<Value> {
        let containers = list(&pod["spec"], kind).iter();
        containers.map(|one| one["name"].clone()).collect()
    };
    if KINDS
        .iter()
        .any(|kind| names(new, kind).len() != names(old, kind).len())
    {
        return;
    }
    let mut spec = old["spec"].clone();
    for kind in KINDS {
        if names(new, kind) != names(old, kind) {
            keep(&mut spec, &new["spec"], kind);
            continue;
        }
        for (at, container) in list(&new["spec"], kind).iter().enumerate() {
            for field in ["resources", "resizePolicy"] {
                keep(&mut spec[kind][at], container, field);
            }
        }
    }
    new["spec"] = spec;
    new["status"] = old["status"].clone();
    reset_metadata(new, old);
}

/// The faults of the write.
pub(super) fn validate(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let mut out = common_without_annotations(new, old);
    let (new_spec, old_spec) = (&new["spec"], &old["spec"]);
    let alone = |detail: &str| vec![FieldError::forbidden(&nowhere(), detail)];
    let of_pod = |spec: &Value| {
        let parts = ["requests", "limits"].map(|kind| spec["resources"][kind].as_object());
        parts
            .into_iter()
            .flatten()
            .any(|amounts| !amounts.is_empty())
    };
    if of_pod(new_spec) || of_pod(old_spec) {
        return alone("pods with pod-level resources cannot be resized");
    }
    if is_mirror(old) {
        return alone("static pods cannot be resized");
    }
    if old_spec["os"]["name"] == "windows" {
        return alone("windows pods cannot be resized");
    }
    for kind in KINDS {
        let path = path.child(kind);
        if list(new_spec, kind).len() != list(old_spec, kind).len() {
            let detail = "pod resize may not add or remove containers";
            out.push(FieldError::forbidden(&path, detail));
            return out;
        }
    }
    let before = old["status"]["qosClass"].as_str();
    if before.unwrap_or_else(|| qos::class(old)) != qos::class(new) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        let held = new["status"]["qosClass"].as_str().unwrap_or_default();
        out.push(FieldError::invalid(&path, held, detail));
    }
    if !node_resizes(old) {
        let detail = "Pod running on node without support for resize";
        out.push(FieldError::forbidden(&path, detail));
    }
    for kind in KINDS {
        let path = path.child(kind);
        for (at, (new, old)) in pairs(new_spec, old_spec, kind).enumerate() {
            if kind == "containers" || is_sidecar(old) {
                out.extend(of_container(new, old, &path.index(at).child("resources")));
            }
        }
    }
    out.extend(only_compute(new_spec, old_spec, &path));
    out
}

/// Annotations are not looked at: they cannot change here.
fn common_without_annotations(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut bare = old.clone();
    bare["metadata"]["annotations"] = new["metadata"]["annotations"].clone();
    common(new, &bare)
}

fn pairs<'a>(
    new: &'a Value,
    old: &'a Value,
    kind: &'a str,
) -> impl Iterator<Item = (&'a Value, &'a Value)> {
    list(new, kind).iter().zip(list(old, kind))
}

fn is_sidecar(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

/// A node that can resize says what its running containers have.
fn node_resizes(pod: &Value) -> bool {
    let mut running = list(&pod["status"], "containerStatuses")
        .iter()
        .filter(|status| status["state"]["running"].is_object());
    running
        .next()
        .is_none_or(|status| status["resources"].is_object())
}

/// What is asked for may change but not go (`validateContainerResize`).
fn of_container(new: &Value, old: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (kind, one) in [("requests", "request"), ("limits", "limit")] {
        let held = |container: &Value| -> Map<String, Value> {
            let amounts = container["resources"][kind].as_object();
            amounts.cloned().unwrap_or_default()
        };
        let (after, before) = (held(new), held(old));
        if before.keys().any(|name| !after.contains_key(name)) {
            let detail = format!("resource {one}s cannot be removed");
            out.push(FieldError::forbidden(&path.child(kind), detail));
        }
    }
    out
}

/// Whether nothing but cpu and memory changed; those of init containers that end only with the Pod's creation.
fn only_compute(new: &Value, old: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut rest = new.clone();
    for kind in ["containers", "initContainers"] {
        for (at, before) in list(old, kind).iter().enumerate() {
            let detail = if kind == "containers" {
                "only cpu and memory resources are mutable"
            } else if is_sidecar(before) {
                "only cpu and memory resources for sidecar containers are mutable"
            } else {
                "resources for non-sidecar init containers are immutable"
            };
            let after = &mut rest[kind][at];
            if kind == "containers" || is_sidecar(before) {
                put_back(after, before);
            }
            if after != before {
                out.push(FieldError::forbidden(path, detail));
            }
        }
    }
    if out.is_empty() && rest != *old {
        let detail = "only cpu and memory resources are mutable";
        out.push(FieldError::forbidden(path, detail));
    }
    out
}

/// Puts cpu and memory back to what they were (`dropCPUMemoryResourcesFromContainer`).
fn put_back(container: &mut Value, before: &Value) {
    for kind in ["limits", "requests"] {
        let held = container["resources"][kind].as_object().cloned();
        let mut amounts = held.unwrap_or_default();
        for name in RESIZABLE {
            amounts.remove(name);
            if let Some(amount) = before["resources"][kind].get(name) {
                amounts.insert(name.to_owned(), amount.clone());
            }
        }
        let Some(resources) = container["resources"].as_object_mut() else {
            continue;
        };
        let old = before["resources"][kind].as_object();
        let same = |old: &Map<String, Value>| {
            old.len() == amounts.len()
                && old.iter().all(|(name, one)| equal(one, amounts.get(name)))
        };
        match old {
            Some(old) if same(old) => drop(resources.insert(kind.to_owned(), old.clone().into())),
            None if amounts.is_empty() => drop(resources.remove(kind)),
            _ => drop(resources.insert(kind.to_owned(), amounts.into())),
        }
    }
}

fn equal(a: &Value, b: Option<&Value>) -> bool {
    let read = |value: &Value| {
        value
            .as_str()
            .and_then(|text| text.parse::<Quantity>().ok())
    };
    b.is_some_and(|b| a == b || read(a).is_some() && read(a) == read(b))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(resources: &Value, status: &Value) -> Value {
        json!({"metadata": {"name": "p", "namespace": "n"}, "status": status, "spec": {
            "terminationGracePeriodSeconds": 30, "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
            "containers": [{"name": "c", "image": "i", "imagePullPolicy": "Always", "resources": resources,
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}],
        }})
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read better without a borrow"
    )]
    fn check(before: Value, after: Value, expected: &[&str]) {
        let status = json!({"qosClass": qos::class(&pod(&before, &json!({})))});
        let (old, mut new) = (pod(&before, &status), pod(&after, &status));
        prepare(&mut new, &old);
        let faults: Vec<String> = validate(&new, &old)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(faults, expected, "{before} → {after}");
    }

    #[test]
    fn a_resize_changes_cpu_and_memory_and_takes_nothing_away() {
        let small = json!({"requests": {"cpu": "1", "memory": "1Gi"}});
        check(
            small.clone(),
            json!({"requests": {"cpu": "2", "memory": "1Gi"}}),
            &[],
        );
        check(
            small.clone(),
            json!({"requests": {"cpu": "1"}}),
            &[
                "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed",
            ],
        );
        check(
            small.clone(),
            json!({"requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}}),
            &["spec: Forbidden: only cpu and memory resources are mutable"],
        );
        check(
            small,
            json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}}),
            &[
                "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing",
            ],
        );
    }
}
