//! `DebugApproval`: one person's verdict on one session and its spec hash.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::user::Stamp;

/// One person's verdict. Immutable once given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "ephemera.dev",
    version = "v1alpha1",
    kind = "DebugApproval",
    namespaced,
    shortname = "dappr",
    category = "ephemera",
    derive = "PartialEq",
    doc = "One person's verdict on one DebugSession and its spec hash."
)]
#[serde(rename_all = "camelCase")]
pub struct DebugApprovalSpec {
    /// Name of the `DebugSession`, in the same namespace.
    pub session: String,
    /// Its UID: a session made anew under the same name is another session.
    pub session_uid: String,
    /// Its `status.specHash`: exactly what is approved.
    pub spec_hash: String,
    /// Yes or no.
    pub verdict: Verdict,
    /// In the approver's own words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Who says so. The webhook stamps it from the request's `userInfo`; leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Stamp>,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// Yes to exactly this.
    Approve,
    /// No.
    Deny,
}
