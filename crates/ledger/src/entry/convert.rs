//! `session`'s events to and from the wire.

use std::str::FromStr;
use std::time::Duration;

use session::event;

use super::{Body, DecodeError, wire};

/// A text field read through its domain type's parser.
fn parsed<T: FromStr>(field: &'static str, value: &str) -> Result<T, DecodeError> {
    value.parse().map_err(|_| DecodeError::Field {
        field,
        value: value.to_owned(),
    })
}

/// One of a few names.
fn one_of<T: Copy>(field: &'static str, value: &str, all: &[(&str, T)]) -> Result<T, DecodeError> {
    all.iter()
        .find(|(name, _)| *name == value)
        .map(|&(_, found)| found)
        .ok_or_else(|| DecodeError::Field {
            field,
            value: value.to_owned(),
        })
}

fn container(raw: &serde_json::Value) -> Result<session::Container, DecodeError> {
    session::Container::new(raw.clone()).map_err(|_| DecodeError::Field {
        field: "container",
        value: raw.to_string(),
    })
}

impl From<&event::Event> for Body {
    fn from(happened: &event::Event) -> Self {
        use event::Event;
        match happened {
            Event::Requested(request) => Self::Requested(request.into()),
            Event::Proposed(terms) => Self::Proposed(terms.into()),
            Event::Judged(approval) => Self::Judged(approval.into()),
            Event::Granted(grant) => Self::Granted(grant.into()),
            Event::Denied(denial) => Self::Denied(wire::Denial {
                why: denial.why.clone(),
                by: denial.by.as_ref().map(Into::into),
            }),
            Event::Reserved(reservation) => Self::Reserved(reservation.into()),
            Event::Voided { why } => Self::Voided { why: why.clone() },
            Event::Committed(commit) => Self::Committed(wire::Commit {
                resource_version: commit.resource_version.clone(),
                deadline: commit.deadline,
            }),
            Event::Started(started) => Self::Started(started.into()),
            Event::Attached(attachment) => Self::Attached(attachment.into()),
            Event::Overstayed => Self::Overstayed {},
            Event::Ended(exit) => Self::Ended(exit.into()),
            Event::Closed(closing) => Self::Closed(wire::Closing {
                pod_phase: closing.pod_phase.clone(),
                resource_version: closing.resource_version.clone(),
            }),
            Event::Withdrawn { by } => Self::Withdrawn { by: by.into() },
            Event::Expired { why } => Self::Expired { why: why.clone() },
            Event::Failed { why } => Self::Failed { why: why.clone() },
            Event::Lost { why } => Self::Lost { why: why.clone() },
        }
    }
}

impl Body {
    /// The session's event that this is, if it is one.
    pub(super) fn event(&self) -> Result<Option<event::Event>, DecodeError> {
        use event::Event;
        Ok(Some(match self {
            Self::Opened { .. } | Self::Refused(_) => return Ok(None),
            Self::Requested(request) => Event::Requested(request.try_into()?),
            Self::Proposed(terms) => Event::Proposed(terms.try_into()?),
            Self::Judged(approval) => Event::Judged(approval.try_into()?),
            Self::Granted(grant) => Event::Granted(grant.try_into()?),
            Self::Denied(denial) => Event::Denied(event::Denial {
                why: denial.why.clone(),
                by: denial.by.as_ref().map(Into::into),
            }),
            Self::Reserved(reservation) => Event::Reserved(reservation.try_into()?),
            Self::Voided { why } => Event::Voided { why: why.clone() },
            Self::Committed(commit) => Event::Committed(event::Commit {
                resource_version: commit.resource_version.clone(),
                deadline: commit.deadline,
            }),
            Self::Started(started) => Event::Started(started.into()),
            Self::Attached(attachment) => Event::Attached(attachment.try_into()?),
            Self::Overstayed {} => Event::Overstayed,
            Self::Ended(exit) => Event::Ended(exit.into()),
            Self::Closed(closing) => Event::Closed(event::Closing {
                pod_phase: closing.pod_phase.clone(),
                resource_version: closing.resource_version.clone(),
            }),
            Self::Withdrawn { by } => Event::Withdrawn { by: by.into() },
            Self::Expired { why } => Event::Expired { why: why.clone() },
            Self::Failed { why } => Event::Failed { why: why.clone() },
            Self::Lost { why } => Event::Lost { why: why.clone() },
        }))
    }
}

/// Both directions of a type whose fields are the same on both sides.
macro_rules! alike {
    ($($domain:path => $wire:path { $($field:ident),* $(,)? })*) => {$(
        impl From<&$domain> for $wire {
            fn from(it: &$domain) -> Self { Self { $($field: it.$field.clone().into()),* } }
        }
        impl From<&$wire> for $domain {
            fn from(it: &$wire) -> Self { Self { $($field: it.$field.clone().into()),* } }
        }
    )*};
}

alike! {
    session::Person => wire::Person { username, uid, groups, extra }
    session::SessionId => wire::SessionId { namespace, name, uid }
    session::PodRef => wire::Pod { namespace, name, uid }
    session::PolicyVersion => wire::PolicyVersion { name, uid, generation }
    event::Quorum => wire::Quorum { group, count }
    event::Right => wire::Right { verb, resource, allowed, reason }
    event::Node => wire::Node { name, kubelet, runtime, kernel }
    event::Exit => wire::Exit { code, reason, message, finished_at, image_id }
}

/// A list of parts, each converted.
fn each<'a, A: 'a, B: From<&'a A>>(list: &'a [A]) -> Vec<B> {
    list.iter().map(B::from).collect()
}

impl From<&session::Request> for wire::Request {
    fn from(it: &session::Request) -> Self {
        let checked = it.checked.iter().map(|c| wire::Checked {
            surface: c.surface.as_str().to_owned(),
            fell_short: c.fell_short.clone(),
        });
        Self {
            session: (&it.session).into(),
            requester: (&it.requester).into(),
            pod: (&it.pod).into(),
            mode: it.mode.as_str().to_owned(),
            container: it.container.raw().clone(),
            injection: it.injection.as_str().to_owned(),
            reason: it.reason.clone(),
            ticket: it.ticket.clone(),
            checked: checked.collect(),
            duration_seconds: it.duration.as_secs(),
        }
    }
}

impl TryFrom<&wire::Request> for session::Request {
    type Error = DecodeError;

    fn try_from(it: &wire::Request) -> Result<Self, DecodeError> {
        use session::Injection::{Controller, Requester};
        let injections = [Controller, Requester].map(|i| (i.as_str(), i));
        let checked = it.checked.iter().map(|c| {
            let surface = parsed("checked.surface", &c.surface)?;
            Ok(session::Checked {
                surface,
                fell_short: c.fell_short.clone(),
            })
        });
        Ok(Self {
            session: (&it.session).into(),
            requester: (&it.requester).into(),
            pod: (&it.pod).into(),
            mode: parsed("mode", &it.mode)?,
            container: container(&it.container)?,
            injection: one_of("injection", &it.injection, &injections)?,
            reason: it.reason.clone(),
            ticket: it.ticket.clone(),
            checked: checked.collect::<Result<_, DecodeError>>()?,
            duration: Duration::from_secs(it.duration_seconds),
        })
    }
}

impl From<&event::Terms> for wire::Terms {
    fn from(it: &event::Terms) -> Self {
        Self {
            spec_hash: it.spec_hash.to_string(),
            container: it.container.raw().clone(),
            policies: each(&it.policies),
            quorum: each(&it.quorum),
            approve_until: it.approve_until,
            exposure: it.exposure.clone(),
            exposure_digest: it.exposure_digest.clone(),
            effective: it.effective.clone(),
            surroundings: wire::Surroundings {
                cluster_version: it.surroundings.cluster_version.clone(),
                requester_rights: each(&it.surroundings.requester_rights),
            },
        }
    }
}

impl TryFrom<&wire::Terms> for event::Terms {
    type Error = DecodeError;

    fn try_from(it: &wire::Terms) -> Result<Self, DecodeError> {
        Ok(Self {
            spec_hash: parsed("specHash", &it.spec_hash)?,
            container: container(&it.container)?,
            policies: each(&it.policies),
            quorum: each(&it.quorum),
            approve_until: it.approve_until,
            exposure: it.exposure.clone(),
            exposure_digest: it.exposure_digest.clone(),
            effective: it.effective.clone(),
            surroundings: event::Surroundings {
                cluster_version: it.surroundings.cluster_version.clone(),
                requester_rights: each(&it.surroundings.requester_rights),
            },
        })
    }
}

impl From<&session::Approval> for wire::Approval {
    fn from(it: &session::Approval) -> Self {
        Self {
            uid: it.uid.clone(),
            name: it.name.clone(),
            approver: (&it.approver).into(),
            verdict: it.verdict.as_str().to_owned(),
            spec_hash: it.spec_hash.to_string(),
            comment: it.comment.clone(),
            at: it.at,
        }
    }
}

impl TryFrom<&wire::Approval> for session::Approval {
    type Error = DecodeError;

    fn try_from(it: &wire::Approval) -> Result<Self, DecodeError> {
        use session::Verdict::{Approve, Deny};
        Ok(Self {
            uid: it.uid.clone(),
            name: it.name.clone(),
            approver: (&it.approver).into(),
            verdict: one_of(
                "verdict",
                &it.verdict,
                &[Approve, Deny].map(|v| (v.as_str(), v)),
            )?,
            spec_hash: parsed("specHash", &it.spec_hash)?,
            comment: it.comment.clone(),
            at: it.at,
        })
    }
}

impl From<&event::Grant> for wire::Grant {
    fn from(it: &event::Grant) -> Self {
        Self {
            spec_hash: it.spec_hash.to_string(),
            approvals: it.approvals.clone(),
            use_until: it.use_until,
        }
    }
}

impl TryFrom<&wire::Grant> for event::Grant {
    type Error = DecodeError;

    fn try_from(it: &wire::Grant) -> Result<Self, DecodeError> {
        let spec_hash = parsed("specHash", &it.spec_hash)?;
        Ok(Self {
            spec_hash,
            approvals: it.approvals.clone(),
            use_until: it.use_until,
        })
    }
}

impl From<&event::Reservation> for wire::Reservation {
    fn from(it: &event::Reservation) -> Self {
        Self {
            spec_hash: it.spec_hash.to_string(),
            by: (&it.by).into(),
            container: it.container.clone(),
            pod_uid: it.pod_uid.clone(),
        }
    }
}

impl TryFrom<&wire::Reservation> for event::Reservation {
    type Error = DecodeError;

    fn try_from(it: &wire::Reservation) -> Result<Self, DecodeError> {
        Ok(Self {
            spec_hash: parsed("specHash", &it.spec_hash)?,
            by: (&it.by).into(),
            container: it.container.clone(),
            pod_uid: it.pod_uid.clone(),
        })
    }
}

impl From<&event::Started> for wire::Started {
    fn from(it: &event::Started) -> Self {
        Self {
            started_at: it.started_at,
            container_id: it.container_id.clone(),
            image: it.image.clone(),
            image_id: it.image_id.clone(),
            node: (&it.node).into(),
        }
    }
}

impl From<&wire::Started> for event::Started {
    fn from(it: &wire::Started) -> Self {
        Self {
            started_at: it.started_at,
            container_id: it.container_id.clone(),
            image: it.image.clone(),
            image_id: it.image_id.clone(),
            node: (&it.node).into(),
        }
    }
}

impl From<&event::Attachment> for wire::Attachment {
    fn from(it: &event::Attachment) -> Self {
        Self {
            by: (&it.by).into(),
            door: it.door.as_str().to_owned(),
            stdin: it.stdin,
            tty: it.tty,
            command: it.command.clone(),
        }
    }
}

impl TryFrom<&wire::Attachment> for event::Attachment {
    type Error = DecodeError;

    fn try_from(it: &wire::Attachment) -> Result<Self, DecodeError> {
        use event::Door::{Attach, Exec};
        Ok(Self {
            by: (&it.by).into(),
            door: one_of("door", &it.door, &[Attach, Exec].map(|d| (d.as_str(), d)))?,
            stdin: it.stdin,
            tty: it.tty,
            command: it.command.clone(),
        })
    }
}
