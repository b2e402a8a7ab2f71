//! Pods that wait at scheduling gates: gates go one by one, and until then where the Pod may go can be
//! narrowed.

use serde_json::{Value, json};

use super::super::internal;
use super::{keep, list};
use crate::field::{FieldError, Path};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// Gates are taken away, not added (`validateOnlyDeletedSchedulingGates`).
pub(super) fn gates(new: &Value, old: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, gate) in list(new, "schedulingGates").iter().enumerate() {
        let name = gate["name"].as_str().unwrap_or_default();
        if !list(old, "schedulingGates").contains(gate) {
            let field = path.child("schedulingGates").index(at).child("name");
            let detail =
                format!("only deletion is allowed, but found new scheduling gate '{name}'");
            out.push(FieldError::forbidden(&field, detail));
        }
    }
    out
}

/// Judges what changed in the node selector and node affinity of a gated Pod, and puts both back in `rest`.
pub(super) fn narrowing(rest: &mut Value, old: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    if rest["nodeSelector"] != old["nodeSelector"] {
        let field = path.child("nodeSelector");
        let mut before = old["nodeSelector"].as_object().into_iter().flatten();
        if before.any(|(key, value)| rest["nodeSelector"].get(key) != Some(value)) {
            let detail =
                "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            let held = rest["nodeSelector"].clone();
            out.push(FieldError::invalid(&field, held, detail));
        }
        keep(rest, old, "nodeSelector");
    }
    let (after, before) = (
        rest["affinity"]["nodeAffinity"].clone(),
        old["affinity"]["nodeAffinity"].clone(),
    );
    if after != before {
        let field = path.child("affinity").child("nodeAffinity");
        out.extend(affinity(&after, &before, &field));
        put_back(rest, old, &before);
    }
    out
}

fn put_back(rest: &mut Value, old: &Value, affinity: &Value) {
    let others = |value: &Value| {
        ["podAffinity", "podAntiAffinity"]
            .iter()
            .any(|kind| value[*kind].is_object())
    };
    if rest["affinity"].is_null() {
        rest["affinity"] = json!({ "nodeAffinity": affinity });
    } else if old["affinity"].is_null() && !others(&rest["affinity"]) {
        keep(rest, old, "affinity");
    } else {
        let before = json!({ "nodeAffinity": affinity });
        if before["nodeAffinity"].is_null() {
            keep(&mut rest["affinity"], &json!({}), "nodeAffinity");
        } else {
            keep(&mut rest["affinity"], &before, "nodeAffinity");
        }
    }
}

/// Only expressions may come to the terms that a node must match (`validateNodeAffinityMutation`).
fn affinity(after: &Value, before: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let terms = |affinity: &Value| {
        let held = affinity[REQUIRED]["nodeSelectorTerms"].as_array();
        held.cloned().unwrap_or_default()
    };
    let old_terms = terms(before);
    if before.is_null() || !before[REQUIRED].is_object() {
        return out;
    }
    let field = path.child(REQUIRED).child("nodeSelectorTerms");
    let new_terms = terms(after);
    if !old_terms.is_empty() && old_terms.len() != new_terms.len() {
        let detail = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        let printed = match new_terms.as_slice() {
            [] => Value::Null,
            terms => terms.iter().map(printed).collect(),
        };
        out.push(FieldError::invalid(&field, printed, detail));
        return out;
    }
    for (at, (new, old)) in new_terms.iter().zip(&old_terms).enumerate() {
        if !only_grew(new, old) {
            let detail = "only additions are allowed (no mutations or deletions)";
            out.push(FieldError::invalid(&field.index(at), printed(new), detail));
        }
    }
    out
}

fn printed(term: &Value) -> Value {
    internal::compact("NodeSelectorTerm", term)
}

fn only_grew(new: &Value, old: &Value) -> bool {
    let parts = ["matchExpressions", "matchFields"];
    let empty = |term: &Value| parts.iter().all(|part| list(term, part).is_empty());
    if empty(old) && !empty(new) {
        // A term without conditions matches nothing: what is added would let more nodes match.
        return false;
    }
    parts.iter().all(|part| {
        let (new, old) = (list(new, part), list(old, part));
        new.len() >= old.len() && new.iter().zip(old).all(|(new, old)| new == old)
    })
}
