//! Writes to `pods/ephemeralcontainers`: containers are added, and nothing else.

use serde_json::Value;

use super::super::{diff, internal};
use super::{common, is_mirror, list, nowhere, reset_metadata};
use crate::field::{FieldError, Path};

/// Takes the ephemeral containers from `new`, all else from `old` (`dropNonEphemeralContainerUpdates`).
pub(super) fn prepare(new: &mut Value, old: &Value) {
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
    reset_metadata(new, old);
}

/// The faults of the write (`ValidatePodEphemeralContainersUpdate`).
pub(super) fn validate(new: &Value, old: &Value) -> Vec<FieldError> {
    if is_mirror(old) {
        let detail = "static pods do not support ephemeral containers";
        return vec![FieldError::forbidden(&nowhere(), detail)];
    }
    let mut out = common(new, old);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::pod::validate::MIRROR;

    #[test]
    fn a_static_pod_has_no_ephemeral_containers() {
        let pod = json!({"metadata": {"annotations": {MIRROR: "x"}}, "spec": {}});
        let faults = validate(&pod, &pod);
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
        prepare(&mut new, &old);
        assert_eq!(
            new,
            json!({"metadata": {"name": "p", "labels": {"a": "1"}},
            "spec": {"containers": [{"name": "c"}], "ephemeralContainers": [{"name": "e"}]}, "status": {"phase": "x"}})
        );
    }
}
