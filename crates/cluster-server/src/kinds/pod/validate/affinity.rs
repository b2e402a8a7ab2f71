//! Where a Pod wants to run: affinities and spreading. This cluster has one node and stores them; what
//! they must hold is the same.

use std::collections::HashSet;

use serde_json::Value;

use super::{invalid_each, list, selector, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const NO_OPERATOR: &str = "not a valid selector operator";
const NO_SELECTOR: &str = "must not be specified when labelSelector is not set";
const IN_BOTH: &str = "exists in both matchLabelKeys and labelSelector";

/// The faults of `affinity` (`validateAffinity`).
pub(super) fn affinity(affinity: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if affinity["nodeAffinity"].is_object() {
        out.extend(node(&affinity["nodeAffinity"], &path.child("nodeAffinity")));
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let path = path.child(kind);
        for (at, term) in list(&affinity[kind][REQUIRED]).iter().enumerate() {
            out.extend(pod_term(term, &path.child(REQUIRED).index(at)));
        }
        for (at, term) in list(&affinity[kind][PREFERRED]).iter().enumerate() {
            let path = path.child(PREFERRED).index(at);
            out.extend(weight(term, &path));
            let field = path.child("podAffinityTerm");
            out.extend(pod_term(&term["podAffinityTerm"], &field));
        }
    }
    out
}

fn node(affinity: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if affinity[REQUIRED].is_object() {
        let field = path.child(REQUIRED).child("nodeSelectorTerms");
        let terms = list(&affinity[REQUIRED]["nodeSelectorTerms"]);
        if terms.is_empty() {
            let detail = "must have at least one node selector term";
            out.push(FieldError::required(&field, detail));
        }
        for (at, term) in terms.iter().enumerate() {
            out.extend(node_term(term, true, &field.index(at)));
        }
    }
    for (at, term) in list(&affinity[PREFERRED]).iter().enumerate() {
        let path = path.child(PREFERRED).index(at);
        out.extend(weight(term, &path));
        let field = path.child("preference");
        out.extend(node_term(&term["preference"], false, &field));
    }
    out
}

fn weight(term: &Value, path: &Path) -> Option<FieldError> {
    let weight = term["weight"].as_i64().unwrap_or(0);
    let detail = "must be in the range 1-100";
    (!(1..=100).contains(&weight))
        .then(|| FieldError::invalid(&path.child("weight"), weight, detail))
}

/// A term on labels and fields of nodes. Values are only judged where a node must match.
fn node_term(term: &Value, judge_values: bool, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, one) in list(&term["matchExpressions"]).iter().enumerate() {
        let path = path.child("matchExpressions").index(at);
        out.extend(node_requirement(one, &path));
        if judge_values {
            let values = list(&one["values"]);
            out.extend(selector::label_values(values, &path.child("values")));
        }
    }
    for (at, one) in list(&term["matchFields"]).iter().enumerate() {
        out.extend(field_requirement(one, &path.child("matchFields").index(at)));
    }
    out
}

fn node_requirement(one: &Value, path: &Path) -> Vec<FieldError> {
    let (operator, key) = (text(one, "operator"), text(one, "key"));
    let (count, field) = (list(&one["values"]).len(), path.child("values"));
    let mut out = Vec::new();
    match operator {
        "In" | "NotIn" if count == 0 => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            out.push(FieldError::required(&field, detail));
        }
        "Exists" | "DoesNotExist" if count > 0 => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            out.push(FieldError::forbidden(&field, detail));
        }
        "Gt" | "Lt" if count != 1 => {
            let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            out.push(FieldError::required(&field, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
        other => {
            let field = path.child("operator");
            out.push(FieldError::invalid(&field, other, NO_OPERATOR));
        }
    }
    out.extend(invalid_each(&path.child("key"), key, names::qualified(key)));
    out
}

fn field_requirement(one: &Value, path: &Path) -> Vec<FieldError> {
    let (operator, key) = (text(one, "operator"), text(one, "key"));
    let (values, field) = (list(&one["values"]), path.child("values"));
    let mut out = Vec::new();
    if !matches!(operator, "In" | "NotIn") {
        let field = path.child("operator");
        out.push(FieldError::invalid(&field, operator, NO_OPERATOR));
    } else if values.len() != 1 {
        let detail =
            "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
        out.push(FieldError::required(&field, detail));
    }
    if key == "metadata.name" {
        for (at, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            let complaints = names::dns_subdomain(value);
            out.extend(invalid_each(&field.index(at), value, complaints));
        }
    } else {
        let detail = "not a valid field selector key";
        out.push(FieldError::invalid(&path.child("key"), key, detail));
    }
    out
}

fn pod_term(term: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for field in ["labelSelector", "namespaceSelector"] {
        out.extend(selector::faults(&term[field], &path.child(field)));
    }
    for name in list(&term["namespaces"]).iter().filter_map(Value::as_str) {
        let field = path.child("namespace");
        out.extend(invalid_each(&field, name, names::dns_label(name)));
    }
    out.extend(label_keys(term, path));
    let (topology, field) = (text(term, "topologyKey"), path.child("topologyKey"));
    if topology.is_empty() {
        out.push(FieldError::required(&field, "can not be empty"));
    }
    out.extend(invalid_each(&field, topology, names::qualified(topology)));
    out
}

fn texts<'a>(holder: &'a Value, field: &str) -> Vec<&'a str> {
    let values = list(&holder[field]).iter();
    values
        .map(|value| value.as_str().unwrap_or_default())
        .collect()
}

/// `validateMatchLabelKeysAndMismatchLabelKeys`.
fn label_keys(term: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let held = &term["labelSelector"];
    for kind in ["matchLabelKeys", "mismatchLabelKeys"] {
        let (keys, field) = (texts(term, kind), path.child(kind));
        if !keys.is_empty() && !held.is_object() {
            out.push(FieldError::forbidden(&field, NO_SELECTOR));
            continue;
        }
        for (at, key) in keys.into_iter().enumerate() {
            out.extend(invalid_each(&field.index(at), key, names::qualified(key)));
        }
    }
    let matched = texts(term, "matchLabelKeys");
    // What the keys stand for was added to the selector already; a key found a second time is the client's.
    let labels = held["matchLabels"].as_object().into_iter().flatten();
    let mut seen: HashSet<&str> = labels.map(|(key, _)| key.as_str()).collect();
    for one in list(&held["matchExpressions"]) {
        let key = text(one, "key");
        let at = matched.iter().rposition(|known| *known == key);
        if let Some(at) = at.filter(|_| seen.contains(key)) {
            out.push(FieldError::invalid(&path.index(at), key, IN_BOTH));
        }
        seen.insert(key);
    }
    let mismatched = texts(term, "mismatchLabelKeys");
    for (at, key) in matched.iter().enumerate() {
        if mismatched.contains(key) {
            let field = path.child("matchLabelKeys").index(at);
            let detail = "exists in both matchLabelKeys and mismatchLabelKeys";
            out.push(FieldError::invalid(&field, *key, detail));
        }
    }
    out
}

/// The faults of `topologySpreadConstraints` (`validateTopologySpreadConstraints`).
pub(super) fn spread(constraints: &Value, path: &Path) -> Vec<FieldError> {
    let all = list(constraints);
    let mut out = Vec::new();
    for (at, one) in all.iter().enumerate() {
        let path = path.index(at);
        let skew = one["maxSkew"].as_i64().unwrap_or(0);
        if skew <= 0 {
            let detail = "must be greater than zero";
            out.push(FieldError::invalid(&path.child("maxSkew"), skew, detail));
        }
        let (key, action) = (text(one, "topologyKey"), text(one, "whenUnsatisfiable"));
        if key.is_empty() {
            let field = path.child("topologyKey");
            out.push(FieldError::required(&field, "can not be empty"));
        }
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        if !actions.contains(&action) {
            let field = path.child("whenUnsatisfiable");
            out.push(FieldError::not_supported(&field, action, &actions));
        }
        let same = |other: &Value| {
            text(other, "topologyKey") == key && text(other, "whenUnsatisfiable") == action
        };
        if all[at + 1..].iter().any(same) {
            let field = path.child("{topologyKey, whenUnsatisfiable}");
            out.push(FieldError::duplicate(
                &field,
                format!("{{{key}, {action}}}"),
            ));
        }
        out.extend(min_domains(one, action, &path.child("minDomains")));
        for kind in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            let policies = ["Honor", "Ignore"];
            let policy = one[kind].as_str().filter(|held| !policies.contains(held));
            let fault = |held| FieldError::not_supported(&path.child(kind), held, &policies);
            out.extend(policy.map(fault));
        }
        out.extend(spread_keys(one, &path.child("matchLabelKeys")));
        let field = path.child("labelSelector");
        out.extend(selector::faults(&one["labelSelector"], &field));
    }
    out
}

fn min_domains(constraint: &Value, action: &str, field: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let Some(least) = constraint["minDomains"].as_i64() else {
        return out;
    };
    if least <= 0 {
        let detail = "must be greater than zero";
        out.push(FieldError::invalid(field, least, detail));
    }
    if action != "DoNotSchedule" {
        let detail =
            format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        out.push(FieldError::invalid(field, least, detail));
    }
    out
}

/// `validateMatchLabelKeysInTopologySpread`, after the keys were merged into the selector: as in a Pod's affinity,
/// a key of the client's own selector is there twice.
fn spread_keys(constraint: &Value, path: &Path) -> Vec<FieldError> {
    let (keys, held) = (
        texts(constraint, "matchLabelKeys"),
        &constraint["labelSelector"],
    );
    let mut out = Vec::new();
    if keys.is_empty() {
        return out;
    }
    if !held.is_object() {
        out.push(FieldError::forbidden(path, NO_SELECTOR));
    }
    for (at, key) in keys.iter().enumerate() {
        out.extend(invalid_each(&path.index(at), key, names::qualified(key)));
    }
    let labels = held["matchLabels"].as_object().into_iter().flatten();
    let mut seen: HashSet<&str> = labels.map(|(key, _)| key.as_str()).collect();
    for one in list(&held["matchExpressions"]) {
        let key = text(one, "key");
        let at = keys.iter().rposition(|known| *known == key);
        if let Some(at) = at.filter(|_| seen.contains(key)) {
            out.push(FieldError::invalid(&path.index(at), key, IN_BOTH));
        }
        seen.insert(key);
    }
    out
}
