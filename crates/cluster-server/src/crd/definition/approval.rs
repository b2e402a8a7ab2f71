//! Groups under `k8s.io` and `kubernetes.io` are the community's: a definition in one must say that it is approved.

use serde_json::Value;

use super::text;
use crate::field::{FieldError, Path};

const ANNOTATION: &str = "api-approved.kubernetes.io";

/// What the annotation says (`apihelpers.GetAPIApprovalState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::crd) enum Approval {
    /// Neither a URL nor a reason.
    Invalid,
    /// There is none.
    Missing,
    /// A URL.
    Approved,
    /// A reason that starts with `unapproved`.
    Bypassed,
}

/// Whether a group is the community's (`apihelpers.IsProtectedCommunityGroup`).
pub(in crate::crd) fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group == *domain || group.ends_with(&format!(".{domain}")))
}

/// What a definition's annotation says, and the sentence about it.
pub(in crate::crd) fn approval(definition: &Value) -> (Approval, String) {
    let said = text(&definition["metadata"]["annotations"], ANNOTATION);
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    if said.is_empty() {
        let why = format!("protected groups must have approval annotation {ANNOTATION:?}, {see}");
        return (Approval::Missing, why);
    }
    if said.starts_with("unapproved") {
        return (Approval::Bypassed, format!("not approved: {said:?}"));
    }
    let uri = said.parse::<http::Uri>().ok();
    if uri.is_some_and(|uri| uri.scheme().is_some() && uri.host().is_some_and(|h| !h.is_empty())) {
        return (Approval::Approved, format!("approved in {said}"));
    }
    let why = format!(
        "protected groups must have approval annotation {ANNOTATION:?} with either a URL or a reason starting with \"unapproved\", {see}"
    );
    (Approval::Invalid, why)
}

/// What does not hold in the annotation; one that says what it said before is let through.
pub(super) fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if !is_protected(text(&new["spec"], "group")) {
        return Vec::new();
    }
    let (state, why) = approval(new);
    if old.is_some_and(|old| approval(old).0 == state) {
        return Vec::new();
    }
    let path = Path::new("metadata.annotations").key(ANNOTATION);
    match state {
        Approval::Missing => vec![FieldError::required(&path, why)],
        Approval::Invalid => {
            let said = text(&new["metadata"]["annotations"], ANNOTATION);
            vec![FieldError::invalid(&path, said, why)]
        }
        Approval::Approved | Approval::Bypassed => Vec::new(),
    }
}
