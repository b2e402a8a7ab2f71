//! What a write to a Pod or one of its subresources may change.

mod ephemeral;
mod gated;
mod resize;
mod status;

use serde_json::Value;

use super::{diff, internal, validate};
use crate::field::{FieldError, Path};
use crate::kinds::metadata;
use validate::{APP_ARMOR, MIRROR};

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Takes from `new` only what a write to `subresource` may touch.
pub(super) fn prepare(subresource: &str, new: &mut Value, old: &Value) {
    match subresource {
        "ephemeralcontainers" => ephemeral::prepare(new, old),
        "resize" => resize::prepare(new, old),
        "status" => status::prepare(new, old),
        _ => new["status"] = old["status"].clone(),
    }
}

/// The faults of a write to `subresource`.
pub(super) fn validate(subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
    match subresource {
        "ephemeralcontainers" => ephemeral::validate(new, old),
        "resize" => resize::validate(new, old),
        "status" => status::validate(new, old),
        _ => whole(new, old),
    }
}

/// What a write to `status` brings that is oddly written (`podStatusStrategy.WarningsOnUpdate`).
pub(super) fn status_warnings(new: &Value) -> Vec<String> {
    status::warnings(new)
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

/// Takes metadata from the stored object, but for what a subresource may write (`metav1.ResetObjectMetaForStatus`).
fn reset_metadata(new: &mut Value, old: &Value) {
    for field in [
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "generation",
        "deletionTimestamp",
        "selfLink",
    ] {
        keep(&mut new["metadata"], &old["metadata"], field);
    }
}

fn list<'a>(spec: &'a Value, field: &str) -> &'a [Value] {
    spec[field].as_array().map_or(&[], Vec::as_slice)
}

/// What every write to a spec must hold, whichever part of it may change.
fn common(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut out = metadata::validate_create(new, "", "pods", true);
    out.extend(validate::metadata_and_spec(new));
    out.extend(annotations(new, old));
    out
}

/// The faults of a write to the Pod itself (`ValidatePodUpdate`).
fn whole(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let mut out = common(new, old);
    let (new_spec, old_spec) = (&new["spec"], &old["spec"]);
    for field in ["containers", "initContainers"] {
        let path = path.child(field);
        if list(new_spec, field).len() != list(old_spec, field).len() {
            let detail = "pod updates may not add or remove containers";
            out.push(FieldError::forbidden(&path, detail));
            return out;
        }
        out.extend(images(list(new_spec, field), &path));
    }
    match deadline(new_spec, old_spec, &path.child("activeDeadlineSeconds")) {
        Some((fault, Then::Stop)) => {
            out.push(fault);
            return out;
        }
        Some((fault, Then::GoOn)) => out.push(fault),
        None => {}
    }
    out.extend(tolerations(new_spec, old_spec, &path.child("tolerations")));
    out.extend(gated::gates(new_spec, old_spec, &path));
    if new_spec == old_spec {
        return out;
    }
    let mut rest = with_allowed_changes_undone(new_spec, old_spec);
    if !list(old_spec, "schedulingGates").is_empty() {
        out.extend(gated::narrowing(&mut rest, old_spec, &path));
    }
    if rest != *old_spec {
        let changes = diff::unified(&internal::pod_spec(old_spec), &internal::pod_spec(&rest));
        let detail = format!("pod updates may not change fields other than {UPDATABLE}\n{changes}");
        out.push(FieldError::forbidden(&path, detail));
    }
    out
}

/// An image may change, but not to none (`ValidateContainerUpdates`).
fn images(containers: &[Value], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, container) in containers.iter().enumerate() {
        let image = container["image"].as_str().unwrap_or_default();
        let field = path.index(at).child("image");
        if image.is_empty() {
            out.push(FieldError::required(&field, ""));
        }
        if image.trim() != image {
            let detail = "must not have leading or trailing whitespace";
            out.push(FieldError::invalid(&field, image, detail));
        }
    }
    out
}

/// Tolerations are added, not taken away; how long something is tolerated may change.
fn tolerations(new: &Value, old: &Value, field: &Path) -> Vec<FieldError> {
    let same_but_seconds = |a: &Value, b: &Value| {
        let fields = ["key", "operator", "value", "effect"];
        fields.iter().all(|field| a.get(*field) == b.get(*field))
    };
    let kept = |before: &Value| {
        let after = list(new, "tolerations").iter();
        after
            .into_iter()
            .any(|after| same_but_seconds(after, before))
    };
    if list(old, "tolerations").iter().all(kept) {
        return validate::pod_tolerations(new);
    }
    let detail = "existing toleration can not be modified except its tolerationSeconds";
    vec![FieldError::forbidden(field, detail)]
}

/// Whether the rest is looked at after a fault.
enum Then {
    GoOn,
    Stop,
}

fn deadline(new: &Value, old: &Value, field: &Path) -> Option<(FieldError, Then)> {
    let (new, old) = (
        new["activeDeadlineSeconds"].as_i64(),
        old["activeDeadlineSeconds"].as_i64(),
    );
    match (new, old) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            let detail = "must be between 0 and 2147483647, inclusive";
            Some((FieldError::invalid(field, new, detail), Then::Stop))
        }
        (Some(new), Some(old)) if old < new => {
            let detail = "must be less than or equal to previous value";
            Some((FieldError::invalid(field, new, detail), Then::Stop))
        }
        (None, Some(_)) => {
            let detail = "must not update from a positive integer to nil value";
            Some((FieldError::invalid(field, Value::Null, detail), Then::GoOn))
        }
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
    let grace = |spec: &Value| spec["terminationGracePeriodSeconds"].as_i64();
    if grace(new) == Some(1) && grace(old).is_some_and(|seconds| seconds < 0) {
        keep(&mut out, old, "terminationGracePeriodSeconds");
    }
    out
}

/// Annotations that may not come, go or change, and those that must hold (`ValidatePodSpecificAnnotationUpdates`).
fn annotations(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("metadata.annotations");
    let of = |pod: &Value| {
        let held = pod["metadata"]["annotations"].as_object();
        held.cloned().unwrap_or_default()
    };
    let (after, before) = (of(new), of(old));
    let mut out = Vec::new();
    let mut forbid = |key: &str, verb: &str| {
        if key.starts_with(APP_ARMOR) {
            let detail = format!("may not {verb} AppArmor annotations");
            out.push(FieldError::forbidden(&path.key(key), detail));
        }
        if key == MIRROR {
            let detail = format!("may not {verb} mirror pod annotation");
            out.push(FieldError::forbidden(&path.key(key), detail));
        }
    };
    for (key, value) in &before {
        if after.get(key) != Some(value) {
            forbid(key, "remove or update");
        }
    }
    for key in after.keys().filter(|key| !before.contains_key(*key)) {
        forbid(key, "add");
    }
    out.extend(validate::annotation_faults(new));
    out
}

/// Whether a node made the Pod from a file of its own.
fn is_mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"].get(MIRROR).is_some()
}

/// The path of nothing, which prints as `[]`.
fn nowhere() -> Path {
    Path::new("[]")
}
