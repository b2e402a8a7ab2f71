//! What a `DebugSession` shows of the log.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::debug_approval::Verdict;
use crate::debug_policy::Quorum;
use crate::debug_session::any_object;

/// Where a visit is. A projection of the log, written by the controller only.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DebugSessionStatus {
    /// The phase.
    pub phase: Phase,
    /// Why it is there and what to do next.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Name of the visit's container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub handle: String,
    /// What an approval must carry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec_hash: Option<String>,
    /// The container as a server-side dry run returned it: exactly this is approved and admitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub container: Option<Value>,
    /// What the visit exposes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub exposure: Option<Value>,
    /// Who must agree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quorum: Vec<Quorum>,
    /// Policies that were satisfied, `name@generation`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// No approval counts from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve_until: Option<Time>,
    /// The grant must be used before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_until: Option<Time>,
    /// Verdicts so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Given>,
    /// Admission's promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation: Option<Reservation>,
    /// The visit is to be over by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// It outlived its deadline.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub overstayed: bool,
    /// Where and what runs, as the node says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Started>,
    /// How the container ended, as the node says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// First and last entry of this session in the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerRange>,
    /// `Approved`, `Entered` and `Closed`, for `kubectl wait`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A phase of a session's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "named and described by `session::Phase`")]
pub enum Phase {
    #[default]
    Requested,
    AwaitingApproval,
    Approved,
    Injected,
    Running,
    Ended,
    Closed,
    Denied,
    Expired,
    Withdrawn,
    Failed,
    Lost,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    /// User name of the approver.
    pub approver: String,
    /// What was said.
    pub verdict: Verdict,
    /// When.
    pub at: Time,
    /// In the approver's own words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// What became of admission's promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reservation {
    /// Promised; not yet seen in the Pod.
    Reserved,
    /// Seen in the Pod.
    Committed,
    /// It never came to be in the Pod.
    Void,
}

/// Where and what runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// When, by the kubelet's clock.
    pub at: Time,
    /// Container id.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// Image reference as resolved.
    pub image: String,
    /// The digest that ran.
    #[serde(rename = "imageID")]
    pub image_id: String,
    /// Node name.
    pub node: String,
    /// Its kubelet's version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kubelet: String,
    /// Its container runtime.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub runtime: String,
    /// Its kernel.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kernel: String,
}

/// How the container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exit {
    /// Exit code; absent when nobody can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Kubernetes' reason.
    pub reason: String,
    /// Message, if any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When; absent when nobody can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// A session's entries in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerRange {
    /// Index of the first.
    pub first: i64,
    /// Index of the last.
    pub last: i64,
}

impl DebugSessionStatus {
    /// The same, with the transition times of `before` where a condition did not change.
    #[must_use]
    pub fn keeping_transitions(mut self, before: Option<&Self>) -> Self {
        let before = before.map(|status| status.conditions.as_slice());
        for condition in &mut self.conditions {
            let same = before.unwrap_or_default().iter().find(|earlier| {
                earlier.type_ == condition.type_ && earlier.status == condition.status
            });
            if let Some(earlier) = same {
                condition.last_transition_time = earlier.last_transition_time.clone();
            }
        }
        self
    }
}
