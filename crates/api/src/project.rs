//! What an object shows of a session.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use session::event::{Exit, Started};
use session::{PhaseName, Session};

use crate::debug_approval::Verdict;
use crate::debug_policy::Quorum;
use crate::session_status::{
    self as wire, DebugSessionStatus, Given, LedgerRange, Phase, Reservation,
};

/// The status of a session whose entries have these indexes in the ledger.
pub fn status(session: &Session, entries: &[u64]) -> DebugSessionStatus {
    let phase = &session.phase;
    let terms = phase.terms();
    let (started, exit) = match phase {
        session::Phase::Running { started, .. } => (Some(started), None),
        session::Phase::Ended { started, exit, .. }
        | session::Phase::Closed { started, exit, .. } => (started.as_ref(), Some(exit)),
        _ => (None, None),
    };
    DebugSessionStatus {
        phase: phase.name().into(),
        message: message(session),
        handle: session.request.handle().to_string(),
        spec_hash: terms.map(|t| t.spec_hash.to_string()),
        container: terms.map(|t| t.container.raw().clone()),
        exposure: terms.map(|t| t.exposure.clone()),
        quorum: terms.map_or_else(Vec::new, |t| t.quorum.iter().map(Quorum::from).collect()),
        policies: terms.map_or_else(Vec::new, |t| {
            let version = |p: &session::PolicyVersion| format!("{}@{}", p.name, p.generation);
            t.policies.iter().map(version).collect()
        }),
        approve_until: terms.map(|t| Time(t.approve_until)),
        use_until: use_until(session).map(Time),
        approvals: phase.approvals().iter().map(Given::from).collect(),
        reservation: reservation(session),
        deadline: phase.visit().map(|visit| Time(visit.commit.deadline)),
        overstayed: phase.visit().is_some_and(|visit| visit.overstayed),
        started: started.map(wire::Started::from),
        exit: exit.map(wire::Exit::from),
        ledger: range(entries),
        conditions: conditions(session),
    }
}

fn use_until(session: &Session) -> Option<Timestamp> {
    match &session.phase {
        session::Phase::Approved { grant, .. } => Some(grant.use_until),
        phase => phase.visit().map(|visit| visit.grant.use_until),
    }
}

fn reservation(session: &Session) -> Option<Reservation> {
    match &session.phase {
        session::Phase::Approved { reservation, .. } => {
            reservation.as_ref().map(|_| Reservation::Reserved)
        }
        phase => phase.visit().map(|_| Reservation::Committed),
    }
}

fn range(entries: &[u64]) -> Option<LedgerRange> {
    let index = |entry: &u64| i64::try_from(*entry).unwrap_or(i64::MAX);
    Some(LedgerRange {
        first: entries.iter().min().map(index)?,
        last: entries.iter().max().map(index)?,
    })
}

/// Why the session is where it is, and what to do next.
fn message(session: &Session) -> String {
    let name = &session.request.session.name;
    let namespace = &session.request.session.namespace;
    let handle = session.request.handle();
    match &session.phase {
        session::Phase::Requested => "It is being looked at.".into(),
        session::Phase::AwaitingApproval { terms, approvals } => format!(
            "Waits for {} until {:.0}; so far {}. To approve: ephemera approve {name} -n {namespace}",
            people(&terms.quorum),
            terms.approve_until,
            given(approvals),
        ),
        session::Phase::Approved {
            grant, reservation, ..
        } => match reservation {
            Some(_) => format!("Admission has allowed {handle}; it is not in the Pod yet."),
            None => match session.request.injection {
                session::Injection::Controller => {
                    format!("Approved; {handle} is being added to the Pod.")
                }
                session::Injection::Requester => format!(
                    "Approved; add {handle} with the kubectl debug line of the request before {:.0}.",
                    grant.use_until
                ),
            },
        },
        session::Phase::Injected { visit } => {
            format!(
                "{handle} is in the Pod and has not started yet; the visit ends at {:.0}.",
                visit.commit.deadline
            )
        }
        session::Phase::Running { visit, .. } if visit.overstayed => format!(
            "{handle} still runs though the visit was to end at {:.0}: nobody is let in any more.",
            visit.commit.deadline
        ),
        session::Phase::Running { visit, .. } => format!(
            "{handle} runs; the visit ends at {:.0}. To attach: kubectl attach -it {} -c {handle} -n {namespace}",
            visit.commit.deadline, session.request.pod.name
        ),
        session::Phase::Ended { exit, .. } | session::Phase::Closed { exit, .. } => ended(exit),
        session::Phase::Denied(denial) => match &denial.by {
            Some(person) => format!("{} refused: {}", person.username, denial.why.join("; ")),
            None => denial.why.join("; "),
        },
        session::Phase::Withdrawn { by } => format!("{} took it back.", by.username),
        session::Phase::Expired { why }
        | session::Phase::Failed { why }
        | session::Phase::Lost { why, .. } => why.clone(),
    }
}

fn people(quorum: &[session::event::Quorum]) -> String {
    let parts: Vec<String> = quorum
        .iter()
        .map(|q| format!("{} of group {}", q.count, q.group))
        .collect();
    if parts.is_empty() {
        return "nobody".into();
    }
    parts.join(" and ")
}

fn given(approvals: &[session::Approval]) -> String {
    let names: Vec<&str> = approvals
        .iter()
        .filter(|a| a.verdict == session::Verdict::Approve)
        .map(|a| a.approver.username.as_str())
        .collect();
    if names.is_empty() {
        return "nobody has said yes".into();
    }
    format!("{} said yes", names.join(", "))
}

fn ended(exit: &Exit) -> String {
    match exit.code {
        Some(code) => format!("The container ended with status {code} ({}).", exit.reason),
        None => format!(
            "The container is gone and its exit status is not known ({}).",
            exit.reason
        ),
    }
}

fn conditions(session: &Session) -> Vec<Condition> {
    let name = session.phase.name();
    let approved = match name {
        PhaseName::Approved
        | PhaseName::Injected
        | PhaseName::Running
        | PhaseName::Ended
        | PhaseName::Closed => "True",
        PhaseName::Requested | PhaseName::AwaitingApproval => "Unknown",
        _ => "False",
    };
    let entered = match (&session.phase, session.phase.visit()) {
        (_, Some(_)) => "True",
        (session::Phase::Lost { promised: true, .. }, _) => "Unknown",
        _ if name.is_final() => "False",
        _ => "Unknown",
    };
    let closed = if name.is_final() { "True" } else { "False" };
    [
        ("Approved", approved),
        ("Entered", entered),
        ("Closed", closed),
    ]
    .into_iter()
    .map(|(type_, status)| Condition {
        type_: type_.into(),
        status: status.into(),
        reason: name.as_str().into(),
        message: message(session),
        last_transition_time: Time(session.since),
        observed_generation: None,
    })
    .collect()
}

impl From<PhaseName> for Phase {
    fn from(name: PhaseName) -> Self {
        match name {
            PhaseName::Requested => Self::Requested,
            PhaseName::AwaitingApproval => Self::AwaitingApproval,
            PhaseName::Approved => Self::Approved,
            PhaseName::Injected => Self::Injected,
            PhaseName::Running => Self::Running,
            PhaseName::Ended => Self::Ended,
            PhaseName::Closed => Self::Closed,
            PhaseName::Denied => Self::Denied,
            PhaseName::Expired => Self::Expired,
            PhaseName::Withdrawn => Self::Withdrawn,
            PhaseName::Failed => Self::Failed,
            PhaseName::Lost => Self::Lost,
        }
    }
}

impl From<&session::event::Quorum> for Quorum {
    fn from(quorum: &session::event::Quorum) -> Self {
        Self {
            group: quorum.group.clone(),
            count: quorum.count.into(),
        }
    }
}

impl From<&session::Approval> for Given {
    fn from(approval: &session::Approval) -> Self {
        Self {
            approver: approval.approver.username.clone(),
            verdict: match approval.verdict {
                session::Verdict::Approve => Verdict::Approve,
                session::Verdict::Deny => Verdict::Deny,
            },
            at: Time(approval.at),
            comment: approval.comment.clone(),
        }
    }
}

impl From<&Started> for wire::Started {
    fn from(started: &Started) -> Self {
        Self {
            at: Time(started.started_at),
            container_id: started.container_id.clone(),
            image: started.image.clone(),
            image_id: started.image_id.clone(),
            node: started.node.name.clone(),
            kubelet: started.node.kubelet.clone(),
            runtime: started.node.runtime.clone(),
            kernel: started.node.kernel.clone(),
        }
    }
}

impl From<&Exit> for wire::Exit {
    fn from(exit: &Exit) -> Self {
        Self {
            code: exit.code,
            reason: exit.reason.clone(),
            message: exit.message.clone(),
            at: exit.finished_at.map(Time),
        }
    }
}
