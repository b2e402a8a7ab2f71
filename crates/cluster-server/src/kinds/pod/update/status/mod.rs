//! Writes to `pods/status`, which is the node's to write (`ValidatePodStatusUpdate`).

mod addresses;
mod containers;

use std::collections::{HashMap, HashSet};

use serde_json::Value;

pub(super) use addresses::warnings;

use super::{annotations, keep, list};
use crate::field::{FieldError, Path};
use crate::kinds::names;

/// The lists of container statuses, with the list of containers that each is about.
const LISTS: [(&str, &str); 3] = [
    ("containerStatuses", "containers"),
    ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", "ephemeralContainers"),
];

/// Takes the status from `new`, what is not status from `old`.
pub(super) fn prepare(new: &mut Value, old: &Value) {
    new["spec"] = old["spec"].clone();
    for field in ["ownerReferences", "deletionTimestamp", "generation"] {
        keep(&mut new["metadata"], &old["metadata"], field);
    }
    if new["status"]["qosClass"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
    {
        keep(&mut new["status"], &old["status"], "qosClass");
    }
    keep_observed_generations(&mut new["status"], &old["status"]);
}

/// A writer that does not know `observedGeneration` does not take it away (`preserveOldObservedGeneration`).
fn keep_observed_generations(new: &mut Value, old: &Value) {
    const FIELD: &str = "observedGeneration";
    let unset = |value: &Value| value[FIELD].as_i64().unwrap_or(0) == 0;
    if unset(new) {
        keep(new, old, FIELD);
    }
    let mut known: HashMap<String, Vec<&Value>> = HashMap::new();
    for condition in list(old, "conditions") {
        let kind = condition["type"].as_str().unwrap_or_default();
        known.entry(kind.to_owned()).or_default().push(condition);
    }
    let conditions = new.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let kind = condition["type"].as_str().unwrap_or_default();
        let before = known.get_mut(kind).filter(|list| !list.is_empty());
        let before = before.map(|list| list.remove(0));
        if let Some(before) = before.filter(|_| unset(condition)) {
            keep(condition, before, FIELD);
        }
    }
}

/// The faults of the write.
pub(super) fn validate(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("status");
    let mut out = annotations(new, old);
    let spec = &old["spec"];
    let (new, old) = (&new["status"], &old["status"]);
    out.extend(conditions(new, &path.child("conditions")));
    out.extend(nomination(new, old, spec, &path.child("nominatedNodeName")));
    if let Some(seen) = new["observedGeneration"].as_i64().filter(|seen| *seen < 0) {
        let field = path.child("observedGeneration");
        out.push(FieldError::invalid(
            &field,
            seen,
            "must be a non-negative integer",
        ));
    }
    if new["qosClass"] != old["qosClass"] {
        let held = new["qosClass"].as_str().unwrap_or_default();
        out.push(FieldError::invalid(
            &path.child("qosClass"),
            held,
            "field is immutable",
        ));
    }
    for (statuses, containers) in LISTS {
        out.extend(transitions(new, old, spec, (statuses, containers)));
    }
    out.extend(claims(new, spec, &path.child("resourceClaimStatuses")));
    out.extend(addresses::of_pod(new, old, &path.child("podIPs")));
    out.extend(addresses::of_host(new, old, &path.child("hostIPs")));
    for (statuses, _) in LISTS {
        out.extend(containers::users(
            list(new, statuses),
            spec,
            &path.child(statuses),
        ));
    }
    for (statuses, list_of) in LISTS {
        let field = path.child(statuses);
        out.extend(containers::health(
            list(new, statuses),
            spec,
            list_of,
            &field,
        ));
    }
    out
}

/// Types of conditions are qualified names, but for the old ones.
fn conditions(status: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, condition) in list(status, "conditions").iter().enumerate() {
        let path = path.index(at);
        let seen = condition["observedGeneration"].as_i64();
        if let Some(seen) = seen.filter(|seen| *seen < 0) {
            let field = path.child("observedGeneration");
            out.push(FieldError::invalid(
                &field,
                seen,
                "must be a non-negative integer",
            ));
        }
        let kind = condition["type"].as_str().unwrap_or_default();
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            let faults = names::qualified(kind).into_iter();
            let field = path.child("Type");
            out.extend(faults.map(|text| FieldError::invalid(&field, kind, text)));
        }
    }
    out
}

fn nomination(new: &Value, old: &Value, spec: &Value, field: &Path) -> Vec<FieldError> {
    let of = |status: &Value| -> String {
        let name = status["nominatedNodeName"].as_str();
        name.unwrap_or_default().to_owned()
    };
    let name = of(new);
    if name.is_empty() || name == of(old) {
        return Vec::new();
    }
    let faults = names::dns_subdomain(&name).into_iter();
    let mut out: Vec<FieldError> = faults
        .map(|text| FieldError::invalid(field, name.as_str(), text))
        .collect();
    if spec["nodeName"]
        .as_str()
        .is_some_and(|node| !node.is_empty())
    {
        let detail = "may not be set on pods that are already bound to a node";
        out.push(FieldError::forbidden(field, detail));
    }
    out
}

/// What has ended for good may not run again. The index is that of the old list.
fn transitions(
    new: &Value,
    old: &Value,
    spec: &Value,
    (statuses, containers): (&str, &str),
) -> Vec<FieldError> {
    let mut out = Vec::new();
    let ended = |status: &Value| status["state"]["terminated"].is_object();
    for (at, before) in list(old, statuses).iter().enumerate() {
        if !ended(before) {
            continue;
        }
        let name = &before["name"];
        let runs = list(new, statuses)
            .iter()
            .filter(|after| after["name"] == *name && !ended(after))
            .count();
        let code = before["state"]["terminated"]["exitCode"].as_i64();
        let container = list(spec, containers)
            .iter()
            .find(|container| container["name"] == *name);
        let ephemeral = containers == "ephemeralContainers";
        let may = !ephemeral
            && container.is_some_and(|container| restarts(container, spec, code.unwrap_or(0)));
        if runs > 0 && !may {
            let field = Path::new("status").child(statuses).index(at).child("state");
            let detail = "may not be transitioned to non-terminated state";
            out.push(FieldError::forbidden(&field, detail));
        }
    }
    out
}

/// Whether a container that ended with `code` is started again (`podutil.ContainerShouldRestart`).
fn restarts(container: &Value, spec: &Value, code: i64) -> bool {
    let matches = |rule: &Value| {
        let codes = &rule["exitCodes"];
        let held = list(codes, "values").iter().any(|one| *one == code);
        match codes["operator"].as_str() {
            Some("In") => held,
            Some("NotIn") => !held,
            _ => false,
        }
    };
    // In a Pod whose containers may all be started anew, any of them may.
    let all = ["containers", "initContainers"]
        .iter()
        .flat_map(|kind| list(spec, kind))
        .flat_map(|one| list(one, "restartPolicyRules"))
        .any(|rule| rule["action"] == "RestartAllContainers");
    let own = container["restartPolicy"].as_str();
    let ruled = own.is_some()
        && list(container, "restartPolicyRules")
            .iter()
            .any(|rule| rule["action"] == "Restart" && matches(rule));
    if all || ruled {
        return true;
    }
    match own.or_else(|| spec["restartPolicy"].as_str()) {
        Some("Never") => false,
        Some("OnFailure") => code != 0,
        _ => true,
    }
}

/// The faults of `resourceClaimStatuses`.
fn claims(status: &Value, spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (at, one) in list(status, "resourceClaimStatuses").iter().enumerate() {
        let (name, field) = (
            one["name"].as_str().unwrap_or_default(),
            path.index(at).child("name"),
        );
        if !list(spec, "resourceClaims")
            .iter()
            .any(|claim| claim["name"] == name)
        {
            let detail = "must match the name of an entry in `spec.resourceClaims`";
            out.push(FieldError::invalid(&field, name, detail));
        }
        if !seen.insert(name) {
            out.push(FieldError::duplicate(&field, name));
        }
        if let Some(claim) = one["resourceClaimName"].as_str() {
            let faults = names::dns_subdomain(claim).into_iter();
            out.extend(faults.map(|text| FieldError::invalid(&field, claim, text)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(spec: &Value, old: &Value, new: &Value, expected: &[&str]) {
        let pod = |status: &Value| json!({"spec": spec, "status": status});
        let faults: Vec<String> = validate(&pod(new), &pod(old))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(faults, expected, "{old} → {new}");
    }

    #[test]
    fn a_container_that_ended_for_good_may_not_run_again() {
        const DETAIL: &str = "state: Forbidden: may not be transitioned to non-terminated state";
        let status = |list: &str, state: Value| json!({list: [{"name": "a", "state": state}]});
        let ended = |code: i64| json!({"terminated": {"exitCode": code}});
        let runs = json!({"running": {}});
        let rule = json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]);
        for (list, spec, code, may) in [
            (
                "ephemeralContainerStatuses",
                json!({"restartPolicy": "Always"}),
                0,
                false,
            ),
            (
                "containerStatuses",
                json!({"restartPolicy": "Always", "containers": [{"name": "a"}]}),
                0,
                true,
            ),
            (
                "containerStatuses",
                json!({"restartPolicy": "OnFailure", "containers": [{"name": "a"}]}),
                0,
                false,
            ),
            (
                "containerStatuses",
                json!({"restartPolicy": "OnFailure", "containers": [{"name": "a"}]}),
                1,
                true,
            ),
            (
                "containerStatuses",
                json!({"restartPolicy": "Never", "containers": [{"name": "a"}]}),
                1,
                false,
            ),
            (
                "containerStatuses",
                json!({"restartPolicy": "Never", "containers":
                [{"name": "a", "restartPolicy": "Never", "restartPolicyRules": rule}]}),
                3,
                true,
            ),
            (
                "initContainerStatuses",
                json!({"restartPolicy": "Never", "initContainers":
                [{"name": "a", "restartPolicy": "Always"}]}),
                0,
                true,
            ),
        ] {
            let fault = format!("status.{list}[0].{DETAIL}");
            let expected = if may { vec![] } else { vec![fault.as_str()] };
            let (before, after) = (status(list, ended(code)), status(list, runs.clone()));
            check(&spec, &before, &after, &expected);
            check(&spec, &before, &json!({}), &[]);
        }
    }

    #[test]
    fn what_the_node_reports_must_hold() {
        let none = json!({});
        check(
            &none,
            &none,
            &json!({"podIPs": [{"ip": "10.1.2.3"}, {"ip": "fd00::1"}]}),
            &[],
        );
        check(
            &none,
            &none,
            &json!({"podIPs": [{"ip": "10.1.2.300"}]}),
            &[
                "status.podIPs[0]: Invalid value: \"10.1.2.300\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ],
        );
        check(
            &none,
            &none,
            &json!({"hostIP": "10.0.0.1", "hostIPs": [{"ip": "10.0.0.2"}]}),
            &["status.hostIPs[0].ip: Invalid value: \"10.0.0.2\": must be equal to `hostIP`"],
        );
        check(
            &none,
            &none,
            &json!({"ephemeralContainerStatuses": [{"name": "a", "allocatedResourcesStatus": [{"name": "cpu"}]}]}),
            &[
                "status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container status",
            ],
        );
        check(
            &none,
            &none,
            &json!({"containerStatuses": [{"name": "a", "user": {"linux": {"uid": -1, "gid": 0}}}]}),
            &[
                "status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            ],
        );
    }

    #[test]
    fn observed_generations_are_not_taken_away() {
        let old = json!({"status": {"observedGeneration": 3, "qosClass": "BestEffort",
            "conditions": [{"type": "Ready", "observedGeneration": 2}]}, "metadata": {}, "spec": {}});
        let mut new = json!({"status": {"conditions": [{"type": "Ready"}, {"type": "Ready"}]}, "metadata": {}});
        prepare(&mut new, &old);
        assert_eq!(
            new["status"],
            json!({"observedGeneration": 3, "qosClass": "BestEffort",
                "conditions": [{"type": "Ready", "observedGeneration": 2}, {"type": "Ready"}]})
        );
    }
}
