//! Deleting an object that may have to stay for a while: `rest.BeforeDelete`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{DeleteOptions, meta};
use crate::kinds::Resource;

/// What a delete has to do.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// The object goes at once; this is its last state.
    Remove(Value),
    /// It stays, marked so.
    Mark(Value),
    /// It is marked already, and this request changes nothing.
    Nothing,
}

/// Judges a delete of `object`.
pub(super) fn step(
    resource: &Resource,
    object: &Value,
    options: &DeleteOptions,
    now: Timestamp,
) -> Step {
    let mut after = object.clone();
    add_propagation(&mut after, options);
    let held = !finalizers(&after).is_empty() || held_by_spec(resource, &after);
    let grace = grace(resource, object, options.grace_period_seconds);
    let marked = !meta(object, "deletionTimestamp").is_empty();
    if !marked && resource.key() == crate::crd::DEFINITIONS {
        let mut after = object.clone();
        let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        crate::crd::mark_deleted(&mut after, &now);
        return Step::Mark(after);
    }
    if marked {
        let left = object["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or(0);
        // A second delete can only shorten the wait, and only where it says so.
        if grace > 0 && (options.grace_period_seconds.is_none() || grace >= left) {
            return if after == *object {
                Step::Nothing
            } else {
                Step::Mark(after)
            };
        }
        if grace == 0 && options.grace_period_seconds.is_none() && left > 0 {
            return Step::Nothing;
        }
    }
    mark(resource, &mut after, grace, now, marked);
    if grace == 0 && !held {
        return Step::Remove(after);
    }
    if after == *object {
        Step::Nothing
    } else {
        Step::Mark(after)
    }
}

/// Whether a marked object has nothing left to wait for.
pub(super) fn is_finished(resource: &Resource, object: &Value) -> bool {
    !meta(object, "deletionTimestamp").is_empty()
        && finalizers(object).is_empty()
        && !held_by_spec(resource, object)
        && object["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .unwrap_or(0)
            == 0
}

fn mark(resource: &Resource, object: &mut Value, grace: i64, now: Timestamp, marked: bool) {
    if marked && object["metadata"]["deletionGracePeriodSeconds"].as_i64() == Some(grace) {
        return;
    }
    let since = if marked { deletion_start(object) } else { None };
    let at = since.unwrap_or(now) + jiff::SignedDuration::from_secs(grace);
    let at = if since.is_some() && at < now { now } else { at };
    let metadata = &mut object["metadata"];
    metadata["deletionTimestamp"] = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    metadata["deletionGracePeriodSeconds"] = grace.into();
    if let (false, Some(generation)) = (marked, metadata["generation"].as_i64()) {
        metadata["generation"] = (generation + 1).into();
    }
    if resource.key() == "namespaces" {
        object["status"]["phase"] = "Terminating".into();
    }
}

/// When the first delete came: the mark is that and the grace of then.
fn deletion_start(object: &Value) -> Option<Timestamp> {
    let at: Timestamp = meta(object, "deletionTimestamp").parse().ok()?;
    let grace = object["metadata"]["deletionGracePeriodSeconds"]
        .as_i64()
        .unwrap_or(0);
    Some(at - jiff::SignedDuration::from_secs(grace))
}

/// Seconds that a Pod gets to end (`podStrategy.CheckGracefulDelete`); other objects get none.
fn grace(resource: &Resource, object: &Value, requested: Option<i64>) -> i64 {
    if resource.key() != "pods" {
        return 0;
    }
    let phase = object["status"]["phase"].as_str().unwrap_or_default();
    if object["spec"]["nodeName"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
        || matches!(phase, "Succeeded" | "Failed")
    {
        return 0;
    }
    let wanted = requested
        .or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64())
        .unwrap_or(30);
    if wanted < 0 { 1 } else { wanted }
}

/// Namespaces are held by `spec.finalizers` until they are empty.
fn held_by_spec(resource: &Resource, object: &Value) -> bool {
    resource.key() == "namespaces"
        && object["spec"]["finalizers"]
            .as_array()
            .is_some_and(|f| !f.is_empty())
}

fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"]
        .as_array()
        .map(|f| f.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// `Foreground` and `Orphan` are finalizers that the garbage collector takes off when it has done its part.
fn add_propagation(object: &mut Value, options: &DeleteOptions) {
    let finalizer = match options.propagation_policy.as_deref() {
        Some("Foreground") => "foregroundDeletion",
        Some("Orphan") => "orphan",
        _ => return,
    };
    let mut all: Vec<String> = finalizers(object).into_iter().map(str::to_owned).collect();
    all.retain(|f| f != "orphan" && f != "foregroundDeletion");
    all.push(finalizer.to_owned());
    object["metadata"]["finalizers"] = json!(all);
}
