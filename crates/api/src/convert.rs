//! What the objects mean in the domain.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use policy::{Expression, Glob, Operator, Selector};
use session::{Container, Handle, Person, PodRef, PolicyVersion, SessionId, SpecHash};

use crate::debug_approval::{DebugApproval, Verdict};
use crate::debug_policy::{self, ApprovalRules, DebugPolicy, Match, RecordingMode, RequestRules};
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

/// All policies, or the first that means nothing, by name.
///
/// All or none: a `Guard` that was left out because it could not be read would be a hole.
pub fn policies(objects: &[DebugPolicy]) -> Result<Vec<policy::Policy>, ConversionError> {
    let convert = |object: &DebugPolicy| {
        policy(object).map_err(|e| ConversionError {
            field: format!(
                "policy {}: {}",
                object.metadata.name.as_deref().unwrap_or_default(),
                e.field
            ),
            ..e
        })
    };
    objects.iter().map(convert).collect()
}

/// The rules of a `DebugPolicy`.
pub fn policy(object: &DebugPolicy) -> Result<policy::Policy, ConversionError> {
    let spec = &object.spec;
    let metadata = &object.metadata;
    Ok(policy::Policy {
        version: PolicyVersion {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
        },
        effect: spec.effect.into(),
        scope: scope(spec.effect, &spec.matches)?,
        container: container_rules(&spec.container)?,
        request: request_rules(&spec.request)?,
        approval: approval_rules(&spec.approval)?,
        recording: match spec.recording.mode {
            RecordingMode::Off => policy::Recording::Off,
            RecordingMode::Output => policy::Recording::Output,
            RecordingMode::Required => {
                let found = "`Required` is not served yet";
                return Err(error("spec.recording.mode", found, "write Output or Off"));
            }
        },
    })
}

fn scope(effect: debug_policy::Effect, matches: &Match) -> Result<policy::Scope, ConversionError> {
    let read = |field: &str, found: &Option<LabelSelector>| {
        let field = format!("spec.match.{field}");
        match found {
            Some(found) => selector(&field, found).map(Some),
            // For an `Allow` the strict reading of a missing selector is "none"; for a `Guard` "none" would
            // be the lax one and "all" a surprise, so it has to be written.
            None if effect == debug_policy::Effect::Guard => {
                let instead = "write the selector, `{}` for all";
                Err(error(&field, "is missing in a Guard", instead))
            }
            None => Ok(None),
        }
    };
    Ok(policy::Scope {
        namespaces: read("namespaceSelector", &matches.namespace_selector)?,
        pods: read("podSelector", &matches.pod_selector)?,
        users: names("spec.match.subjects.users", &matches.subjects.users)?,
        groups: names("spec.match.subjects.groups", &matches.subjects.groups)?,
        modes: matches.modes.iter().map(|mode| (*mode).into()).collect(),
    })
}

fn names<C: FromIterator<String>>(field: &str, list: &[String]) -> Result<C, ConversionError> {
    if list.iter().any(|name| name.trim().is_empty()) {
        return Err(error(field, "has an empty name", "write names or nothing"));
    }
    Ok(list.iter().cloned().collect())
}

fn selector(field: &str, written: &LabelSelector) -> Result<Selector, ConversionError> {
    let mut expressions = Vec::new();
    for condition in written.match_expressions.iter().flatten() {
        let values = condition.values.clone().unwrap_or_default();
        let operator = match condition.operator.as_str() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                let found = format!("{other:?} is no operator");
                let instead = "write In, NotIn, Exists or DoesNotExist";
                return Err(error(field, found, instead));
            }
        };
        let listed = matches!(operator, Operator::In | Operator::NotIn);
        if listed == values.is_empty() {
            let found = format!("{} with {} values", condition.operator, values.len());
            let instead = "In and NotIn need values, the other two have none";
            return Err(error(field, found, instead));
        }
        expressions.push(Expression {
            key: condition.key.clone(),
            operator,
            values,
        });
    }
    Ok(Selector {
        match_labels: written.match_labels.clone().unwrap_or_default(),
        match_expressions: expressions,
    })
}

fn container_rules(
    rules: &debug_policy::ContainerRules,
) -> Result<policy::ContainerRules, ConversionError> {
    let globs = |field: &str, list: &[String]| -> Result<Vec<Glob>, ConversionError> {
        let field = format!("spec.container.{field}");
        names::<Vec<String>>(&field, list).map(|l| l.into_iter().map(Glob::new).collect())
    };
    Ok(policy::ContainerRules {
        images: globs("images", &rules.images)?,
        allow_without_digest: rules.require_digest == Some(false),
        targets: globs("targets", &rules.targets)?,
        allow_no_target: rules.allow_no_target,
        capabilities: names("spec.container.capabilities", &rules.capabilities)?,
        privileged: rules.privileged,
        user: match rules.user {
            debug_policy::UserRule::NonRoot => policy::UserRule::NonRoot,
            debug_policy::UserRule::Any => policy::UserRule::Any,
        },
        allow_privilege_escalation: rules.allow_privilege_escalation,
        env_from_secrets: globs("envFromSecrets", &rules.env_from_secrets)?,
        volume_mounts: globs("volumeMounts", &rules.volume_mounts)?,
        tty: rules.tty,
    })
}

fn request_rules(rules: &RequestRules) -> Result<policy::RequestRules, ConversionError> {
    let strict = policy::RequestRules::default();
    let field = "spec.request.reason.minLength";
    let reason_min_length = match rules.reason.min_length {
        None => strict.reason_min_length,
        Some(given) => usize::try_from(given)
            .map_err(|_| error(field, "is negative", "write a number from 1"))?
            .max(1),
    };
    let ticket = match &rules.ticket {
        None => strict.ticket,
        Some(rule) => policy::TicketRule::pattern(&rule.pattern).map_err(|e| {
            let instead = "write a regular expression that the whole ticket must match";
            error("spec.request.ticket.pattern", e.to_string(), instead)
        })?,
    };
    let field = "spec.request.maxDurationSeconds";
    let longest = rules.max_duration_seconds;
    Ok(policy::RequestRules {
        reason_min_length,
        ticket,
        checked: rules.checked.iter().map(|s| (*s).into()).collect(),
        max_duration: longest.map_or(Ok(strict.max_duration), |s| seconds(field, s))?,
    })
}

fn approval_rules(rules: &ApprovalRules) -> Result<policy::ApprovalRules, ConversionError> {
    let field = "spec.approval.quorum";
    let mut quorum = Vec::new();
    for part in &rules.quorum {
        let count = u32::try_from(part.count)
            .ok()
            .filter(|c| (1..=100).contains(c));
        let count = count.ok_or_else(|| {
            let found = format!("{} people", part.count);
            error(field, found, "write a count from 1 to 100")
        })?;
        if part.group.trim().is_empty() {
            return Err(error(field, "has no group", "name the group of approvers"));
        }
        quorum.push(session::event::Quorum {
            group: part.group.clone(),
            count,
        });
    }
    let rule = match (rules.none, quorum.is_empty()) {
        (None, true) => policy::ApprovalRule::Unsaid,
        (None, false) => policy::ApprovalRule::Quorum(quorum),
        (Some(_), true) => policy::ApprovalRule::AutoApprove,
        (Some(_), false) => {
            let found = "both a quorum and `none: AutoApprove`";
            return Err(error("spec.approval", found, "write one of them"));
        }
    };
    let expiry = rules
        .expiry_seconds
        .map_or(Ok(policy::ApprovalRules::default().expiry), |s| {
            seconds("spec.approval.expirySeconds", s)
        })?;
    Ok(policy::ApprovalRules { rule, expiry })
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

impl From<debug_policy::Effect> for policy::Effect {
    fn from(effect: debug_policy::Effect) -> Self {
        match effect {
            debug_policy::Effect::Allow => Self::Allow,
            debug_policy::Effect::Guard => Self::Guard,
        }
    }
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
