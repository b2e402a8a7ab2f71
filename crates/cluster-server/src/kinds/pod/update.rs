//! What a write to a Pod or one of its subresources may change.

use serde_json::{Map, Value};

use super::{diff, internal, validate};
use crate::field::{FieldError, Path};
use crate::kinds::metadata;

const MIRROR: &str = "kubernetes.io/config.mirror";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Takes from `new` only what a write to `subresource` may touch.
pub(super) fn prepare(subresource: &str, new: &mut Value, old: &Value) {
    match subresource {
        "ephemeralcontainers" => {
            let containers = new["spec"].get_mut("ephemeralContainers").map(Value::take);
            new["spec"] = old["spec"].clone();
            if let Some(spec) = new["spec"].as_object_mut() {
                match containers {
                    Some(Value::Array(list)) if !list.is_empty() => {
                        spec.insert("ephemeralContainers".to_owned(), list.into());
                    }
                    _ => drop(spec.remove("ephemeralContainers")),
                }
            }
            new["status"] = old["status"].clone();
            let reset = [
                "labels",
                "annotations",
                "finalizers",
                "ownerReferences",
                "generation",
                "deletionTimestamp",
                "selfLink",
            ];
            reset_metadata(new, old, &reset);
        }
        "status" => {
            new["spec"] = old["spec"].clone();
            reset_metadata(
                new,
                old,
                &["ownerReferences", "deletionTimestamp", "generation"],
            );
            keep(&mut new["status"], &old["status"], "qosClass");
        }
        _ => new["status"] = old["status"].clone(),
    }
}

fn keep(new: &mut Value, old: &Value, field: &str) {
    let Some(map) = new.as_object_mut() else {
        return;
    };
    match old.get(field) {
        Some(value) => drop(map.insert(field.to_owned(), value.clone())),
        None => drop(map.remove(field)),
    }
}

/// Takes metadata fields from the stored object (`metav1.ResetObjectMetaForStatus`).
fn reset_metadata(new: &mut Value, old: &Value, fields: &[&str]) {
    for field in fields {
        keep(&mut new["metadata"], &old["metadata"], field);
    }
}

fn list<'a>(spec: &'a Value, field: &str) -> &'a [Value] {
    spec[field].as_array().map_or(&[], Vec::as_slice)
}

/// The faults of a write to the Pod itself (`ValidatePodUpdate`).
pub(super) fn validate(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let mut out = metadata::validate_create(new, "", "pods", true);
    out.extend(validate::metadata_and_spec(new));
    out.extend(annotations(new, old));
    let (new_spec, old_spec) = (&new["spec"], &old["spec"]);
    for field in ["containers", "initContainers"] {
        if list(new_spec, field).len() != list(old_spec, field).len() {
            out.push(FieldError::forbidden(
                &path,
                "pod updates may not add or remove containers",
            ));
            return out;
        }
    }
    if let Some(fault) = deadline(new_spec, old_spec, &path.child("activeDeadlineSeconds")) {
        out.push(fault);
        return out;
    }
    let tolerations = path.child("tolerations");
    for before in list(old_spec, "tolerations") {
        if !list(new_spec, "tolerations")
            .iter()
            .any(|after| same_but_seconds(after, before))
        {
            let detail = "existing toleration can not be modified except its tolerationSeconds";
            out.push(FieldError::forbidden(&tolerations, detail));
            return out;
        }
    }
    let gates = path.child("schedulingGates");
    for (at, gate) in list(new_spec, "schedulingGates").iter().enumerate() {
        if !list(old_spec, "schedulingGates").contains(gate) {
            let detail = format!(
                "only deletion is allowed, but found new scheduling gate {}",
                gate["name"]
            );
            out.push(FieldError::forbidden(
                &gates.index(at).child("name"),
                detail,
            ));
        }
    }
    let allowed = with_allowed_changes_undone(new_spec, old_spec);
    if allowed != *old_spec {
        let changes = diff::unified(&internal::pod_spec(old_spec), &internal::pod_spec(&allowed));
        let detail = format!("pod updates may not change fields other than {UPDATABLE}\n{changes}");
        out.push(FieldError::forbidden(&path, detail));
    }
    out
}

fn same_but_seconds(a: &Value, b: &Value) -> bool {
    ["key", "operator", "value", "effect"]
        .iter()
        .all(|field| a.get(*field) == b.get(*field))
}

fn deadline(new: &Value, old: &Value, field: &Path) -> Option<FieldError> {
    match (
        new["activeDeadlineSeconds"].as_i64(),
        old["activeDeadlineSeconds"].as_i64(),
    ) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => Some(FieldError::invalid(
            field,
            new,
            "must be between 0 and 2147483647, inclusive",
        )),
        (Some(new), Some(old)) if old < new => Some(FieldError::invalid(
            field,
            new,
            "must be less than or equal to previous value",
        )),
        (None, Some(_)) => Some(FieldError::invalid(
            field,
            Value::Null,
            "must not update from a positive integer to nil value",
        )),
        _ => None,
    }
}

/// `new` with everything that an update may change put back to what it was: what still differs is forbidden.
fn with_allowed_changes_undone(new: &Value, old: &Value) -> Value {
    let mut out = new.clone();
    for kind in ["containers", "initContainers"] {
        for (at, before) in list(old, kind).iter().enumerate() {
            keep(&mut out[kind][at], before, "image");
        }
    }
    for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
        keep(&mut out, old, field);
    }
    if new["terminationGracePeriodSeconds"] == 1
        && old["terminationGracePeriodSeconds"]
            .as_i64()
            .is_some_and(|s| s < 0)
    {
        keep(&mut out, old, "terminationGracePeriodSeconds");
    }
    let gated = !list(old, "schedulingGates").is_empty();
    if gated && let Some(before) = old["nodeSelector"].as_object().or(Some(&Map::new())) {
        // A gated Pod may still narrow where it may go.
        let kept = before
            .iter()
            .all(|(key, value)| new["nodeSelector"].get(key) == Some(value));
        if kept {
            keep(&mut out, old, "nodeSelector");
        }
    }
    out
}

/// Annotations that may not come, go or change (`ValidatePodSpecificAnnotationUpdates`).
fn annotations(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("metadata.annotations");
    let of = |pod: &Value| {
        pod["metadata"]["annotations"]
            .as_object()
            .cloned()
            .unwrap_or_default()
    };
    let (new, old) = (of(new), of(old));
    let mut out = Vec::new();
    for (key, value) in &old {
        if new.get(key) == Some(value) {
            continue;
        }
        if key.starts_with(APP_ARMOR) {
            out.push(FieldError::forbidden(
                &path.key(key),
                "may not remove or update AppArmor annotations",
            ));
        }
        if key == MIRROR {
            out.push(FieldError::forbidden(
                &path.key(key),
                "may not remove or update mirror pod annotation",
            ));
        }
    }
    for key in new.keys().filter(|key| !old.contains_key(*key)) {
        if key.starts_with(APP_ARMOR) {
            out.push(FieldError::forbidden(
                &path.key(key),
                "may not add AppArmor annotations",
            ));
        }
        if key == MIRROR {
            out.push(FieldError::forbidden(
                &path.key(key),
                "may not add mirror pod annotation",
            ));
        }
    }
    out
}

/// The faults of a write to `ephemeralcontainers` (EC-U-01 to EC-U-04).
pub(super) fn validate_ephemeral_containers(new: &Value, old: &Value) -> Vec<FieldError> {
    if old["metadata"]["annotations"].get(MIRROR).is_some() {
        let detail = "static pods do not support ephemeral containers";
        return vec![FieldError::forbidden(&Path::new("[]"), detail)];
    }
    let mut out = metadata::validate_create(new, "", "pods", true);
    out.extend(validate::metadata_and_spec(new));
    out.extend(annotations(new, old));
    let path = Path::new("spec.ephemeralContainers");
    let containers = list(&new["spec"], "ephemeralContainers");
    for before in list(&old["spec"], "ephemeralContainers") {
        let name = before["name"].as_str().unwrap_or_default();
        // Of several entries with one name the last one counts.
        match containers.iter().rev().find(|after| after["name"] == name) {
            None => {
                let detail = format!("existing ephemeral containers {name:?} may not be removed\n");
                out.push(FieldError::forbidden(&path, detail));
            }
            Some(after) if after != before => {
                let print = internal::ephemeral_container;
                let changes = diff::unified(&print(before), &print(after));
                let detail =
                    format!("existing ephemeral containers {name:?} may not be changed\n{changes}");
                out.push(FieldError::forbidden(&path, detail));
            }
            Some(_) => {}
        }
    }
    out
}

/// The faults of a write to `status` (`ValidatePodStatusUpdate`, EC-U-09, EC-U-10).
pub(super) fn validate_status(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("status");
    let mut out = annotations(new, old);
    let policy = old["spec"]["restartPolicy"].as_str().unwrap_or("Always");
    let (new, old) = (&new["status"], &old["status"]);
    for (at, condition) in list(new, "conditions").iter().enumerate() {
        let field = path.child("conditions").index(at).child("status");
        let status = condition["status"].as_str().unwrap_or_default();
        if !["True", "False", "Unknown"].contains(&status) {
            out.push(FieldError::not_supported(
                &field,
                status,
                &["False", "True", "Unknown"],
            ));
        }
    }
    out.extend(transitions(new, old, "containerStatuses", policy));
    out.extend(transitions(new, old, "ephemeralContainerStatuses", "Never"));
    for (at, status) in list(new, "ephemeralContainerStatuses").iter().enumerate() {
        if status["allocatedResourcesStatus"]
            .as_array()
            .is_some_and(|list| !list.is_empty())
        {
            let field = path
                .child("ephemeralContainerStatuses")
                .index(at)
                .child("allocatedResourcesStatus");
            out.push(FieldError::forbidden(
                &field,
                "must not be specified in container status",
            ));
        }
    }
    out
}

/// What has ended for good may not run again. The index is that of the old list.
fn transitions(new: &Value, old: &Value, field: &str, policy: &str) -> Vec<FieldError> {
    let mut out = Vec::new();
    if policy == "Always" {
        return out;
    }
    for (at, before) in list(old, field).iter().enumerate() {
        let ended = &before["state"]["terminated"];
        if !ended.is_object() || (policy == "OnFailure" && ended["exitCode"] != 0) {
            continue;
        }
        let runs = |after: &&Value| {
            after["name"] == before["name"] && !after["state"]["terminated"].is_object()
        };
        if list(new, field).iter().any(|after| runs(&after)) {
            let field = Path::new("status").child(field).index(at).child("state");
            out.push(FieldError::forbidden(
                &field,
                "may not be transitioned to non-terminated state",
            ));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_ephemeral_container_that_ended_may_not_run_again() {
        let status = |state: Value| json!({"status": {"ephemeralContainerStatuses": [{"name": "a", "state": state}]}});
        let ended = status(json!({"terminated": {"exitCode": 1}}));
        let faults = validate_status(&status(json!({"running": {}})), &ended);
        assert_eq!(faults.len(), 1);
        assert_eq!(
            faults[0].to_string(),
            "status.ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
        );
        assert_eq!(validate_status(&json!({"status": {}}), &ended), []);
    }

    #[test]
    fn a_static_pod_has_no_ephemeral_containers() {
        let pod = json!({"metadata": {"annotations": {MIRROR: "x"}}, "spec": {}});
        let faults = validate_ephemeral_containers(&pod, &pod);
        assert_eq!(faults.len(), 1);
        assert_eq!(
            faults[0].to_string(),
            "[]: Forbidden: static pods do not support ephemeral containers"
        );
    }

    #[test]
    fn only_ephemeral_containers_are_taken_from_a_write_to_them() {
        let old = json!({"metadata": {"name": "p", "labels": {"a": "1"}}, "spec": {"containers": [{"name": "c"}]}, "status": {"phase": "x"}});
        let mut new = json!({"metadata": {"name": "p", "annotations": {"b": "2"}},
            "spec": {"containers": [], "ephemeralContainers": [{"name": "e"}]}, "status": {}});
        prepare("ephemeralcontainers", &mut new, &old);
        assert_eq!(
            new,
            json!({"metadata": {"name": "p", "labels": {"a": "1"}},
            "spec": {"containers": [{"name": "c"}], "ephemeralContainers": [{"name": "e"}]}, "status": {"phase": "x"}})
        );
    }
}
