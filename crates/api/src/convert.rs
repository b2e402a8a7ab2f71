//! What the objects mean in the domain.

mod rules;
pub use rules::{policies, policy};

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use session::{Container, Handle, Person, PodRef, SessionId, SpecHash};

use crate::debug_approval::{DebugApproval, Verdict};
use crate::debug_session::{self, DebugSession};
use crate::plain::plain;

/// The longest visit and the longest wait that can be asked for: one day.
pub const LONGEST_SECONDS: i64 = 24 * 60 * 60;

/// An object that means nothing in the domain. The object has to be changed; trying again is no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {found}: {instead}")]
pub struct ConversionError {
    /// Path of the field.
    pub field: String,
    /// What is wrong with it.
    pub found: String,
    /// What to write instead.
    pub instead: String,
}

pub(crate) fn error(
    field: &str,
    found: impl Into<String>,
    instead: impl Into<String>,
) -> ConversionError {
    ConversionError {
        field: field.into(),
        found: found.into(),
        instead: instead.into(),
    }
}

/// The ask of a `DebugSession` that the webhook has stamped and the API server has named.
///
/// The container's name, whatever it was, becomes the visit's handle.
pub fn request(object: &DebugSession) -> Result<session::Request, ConversionError> {
    let spec = &object.spec;
    let session = session_id(&object.metadata)?;
    let requester = spec.requester.as_ref().ok_or_else(|| {
        let instead = "it is stamped by the webhook: create the session while the webhook is there";
        error("spec.requester", "is missing", instead)
    })?;
    let pod_uid = spec.pod.uid.clone().filter(|uid| !uid.is_empty());
    let pod_uid = pod_uid.ok_or_else(|| {
        let instead = "it is stamped by the webhook: create the session while the webhook is there";
        error("spec.pod.uid", "is missing", instead)
    })?;
    let container = Container::new(spec.container.clone())
        .map_err(|e| error("spec.container", e.to_string(), "write a container"))?;
    let reason = spec.reason.trim();
    if reason.is_empty() {
        let instead = "say why the visit is needed";
        return Err(error("spec.reason", "is empty", instead));
    }
    plain("spec.reason", &spec.reason)?;
    plain("spec.ticket", &spec.ticket)?;
    for checked in &spec.checked {
        plain("spec.checked.fellShort", &checked.fell_short)?;
    }
    Ok(session::Request {
        pod: PodRef {
            namespace: session.namespace.clone(),
            name: spec.pod.name.clone(),
            uid: pod_uid,
        },
        requester: Person::from(requester),
        mode: spec.mode.into(),
        container: container.named(&Handle::of(&session.uid)),
        injection: spec.injection.into(),
        reason: spec.reason.clone(),
        ticket: spec.ticket.clone(),
        checked: spec.checked.iter().map(session::Checked::from).collect(),
        duration: seconds("spec.durationSeconds", spec.duration_seconds)?,
        session,
    })
}

fn session_id(metadata: &ObjectMeta) -> Result<SessionId, ConversionError> {
    let given = |field: &str, value: &Option<String>| {
        value.clone().filter(|v| !v.is_empty()).ok_or_else(|| {
            let instead = "only a session that the API server has named can be judged";
            error(field, "is missing", instead)
        })
    };
    Ok(SessionId {
        namespace: given("metadata.namespace", &metadata.namespace)?,
        name: given("metadata.name", &metadata.name)?,
        uid: given("metadata.uid", &metadata.uid)?,
    })
}

/// The verdict of a `DebugApproval` that the webhook has stamped, given at `at`.
pub fn approval(
    object: &DebugApproval,
    at: Timestamp,
) -> Result<session::Approval, ConversionError> {
    let spec = &object.spec;
    let id = session_id(&object.metadata)?;
    let approver = spec.approver.as_ref().ok_or_else(|| {
        let instead = "it is stamped by the webhook: approve while the webhook is there";
        error("spec.approver", "is missing", instead)
    })?;
    let spec_hash = SpecHash::from_str(&spec.spec_hash).map_err(|e| {
        let instead = "copy status.specHash of the session";
        error("spec.specHash", e.to_string(), instead)
    })?;
    plain("spec.comment", &spec.comment)?;
    Ok(session::Approval {
        uid: id.uid,
        name: id.name,
        approver: Person::from(approver),
        verdict: spec.verdict.into(),
        spec_hash,
        comment: spec.comment.clone(),
        at,
    })
}

fn seconds(field: &str, given: i64) -> Result<Duration, ConversionError> {
    u64::try_from(given)
        .ok()
        .filter(|_| (1..=LONGEST_SECONDS).contains(&given))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            let instead = format!("write a number of seconds from 1 to {LONGEST_SECONDS}");
            error(field, format!("{given} seconds"), instead)
        })
}

impl From<debug_session::Mode> for session::Mode {
    fn from(mode: debug_session::Mode) -> Self {
        match mode {
            debug_session::Mode::Ephemeral => Self::Ephemeral,
            debug_session::Mode::Copy => Self::Copy,
            debug_session::Mode::Node => Self::Node,
            debug_session::Mode::Inspect => Self::Inspect,
        }
    }
}

impl From<debug_session::Injection> for session::Injection {
    fn from(injection: debug_session::Injection) -> Self {
        match injection {
            debug_session::Injection::Controller => Self::Controller,
            debug_session::Injection::Requester => Self::Requester,
        }
    }
}

impl From<debug_session::Surface> for session::Surface {
    fn from(surface: debug_session::Surface) -> Self {
        match surface {
            debug_session::Surface::Logs => Self::Logs,
            debug_session::Surface::Metrics => Self::Metrics,
            debug_session::Surface::Traces => Self::Traces,
            debug_session::Surface::Events => Self::Events,
            debug_session::Surface::Audit => Self::Audit,
        }
    }
}

impl From<&debug_session::Checked> for session::Checked {
    fn from(checked: &debug_session::Checked) -> Self {
        Self {
            surface: checked.surface.into(),
            fell_short: checked.fell_short.clone(),
        }
    }
}

impl From<Verdict> for session::Verdict {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Approve => Self::Approve,
            Verdict::Deny => Self::Deny,
        }
    }
}
