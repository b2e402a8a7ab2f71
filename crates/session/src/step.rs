//! The one function that moves a session: for whoever acts, and for whoever replays the log.

use jiff::Timestamp;

use crate::event::{Grant, Reservation, Terms};
use crate::phase::Visit;
use crate::{Approval, Event, Person, Phase, PhaseName, Request, Verdict};

/// A session: what was asked and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// The ask.
    pub request: Request,
    /// When it was asked.
    pub requested_at: Timestamp,
    /// Where it is.
    pub phase: Phase,
    /// When it came there.
    pub since: Timestamp,
}

/// Why an event cannot follow. Nothing was changed.
///
/// [`AlreadyReserved`](Self::AlreadyReserved) is the same request asked again, as admission is on every
/// conflict: it counts as done. Every other one means no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The first event of a session is that somebody asks.
    #[error("no such session has been asked for")]
    NotAsked,
    /// It has been asked already.
    #[error("this session has been asked for already")]
    AlreadyAsked,
    /// The same container is promised already.
    #[error("this container is reserved already")]
    AlreadyReserved,
    /// It is too late for that.
    #[error("it was to happen before {0}")]
    TooLate(Timestamp),
    /// It is said of other terms.
    #[error("it is said of {said}, and the terms are {terms}: look at the session again")]
    OtherTerms {
        /// The hash it carries.
        said: String,
        /// The session's.
        terms: String,
    },
    /// Nobody approves their own visit.
    #[error("{0} asked for this visit and cannot approve it: ask somebody else")]
    OwnApproval(String),
    /// Only the person who asked can take it back.
    #[error("only {0} can withdraw this session")]
    NotTheRequester(String),
    /// The container is not the one that was granted.
    #[error("the container is {got} in Pod {pod}, and the grant is for {granted}")]
    OtherContainer {
        /// What arrived.
        got: String,
        /// In which Pod (UID).
        pod: String,
        /// The handle.
        granted: String,
    },
    /// The session is elsewhere in its life.
    #[error("{event} cannot follow in phase {phase}")]
    OutOfOrder {
        /// The event's name.
        event: &'static str,
        /// The phase the session is in.
        phase: PhaseName,
    },
}

/// The session after `event`, which happens at `at`; or why it cannot happen.
///
/// Pure: the same session and event give the same answer, so a log can be replayed by anybody.
pub fn step(session: Option<Session>, event: &Event, at: Timestamp) -> Result<Session, Refusal> {
    let Some(session) = session else {
        return match event {
            Event::Requested(request) => Ok(Session {
                request: request.clone(),
                requested_at: at,
                phase: Phase::Requested,
                since: at,
            }),
            _ => Err(Refusal::NotAsked),
        };
    };
    let Session {
        request,
        requested_at,
        phase,
        since,
    } = session;
    let before = phase.name();
    let phase = next(&request, phase, event, at)?;
    let since = if phase.name() == before { since } else { at };
    Ok(Session {
        request,
        requested_at,
        phase,
        since,
    })
}

fn next(request: &Request, phase: Phase, event: &Event, at: Timestamp) -> Result<Phase, Refusal> {
    let out_of_order = Refusal::OutOfOrder {
        event: event.name(),
        phase: phase.name(),
    };
    match (phase, event) {
        (_, Event::Requested(_)) => Err(Refusal::AlreadyAsked),
        (Phase::Requested, Event::Proposed(terms)) => Ok(Phase::AwaitingApproval {
            terms: terms.clone(),
            approvals: Vec::new(),
        }),
        (Phase::AwaitingApproval { terms, approvals }, Event::Judged(approval)) => {
            judge(request, terms, approvals, approval, at)
        }
        (Phase::AwaitingApproval { terms, approvals }, Event::Granted(grant)) => {
            same_terms(&terms, grant.spec_hash)?;
            Ok(Phase::Approved {
                terms,
                approvals,
                grant: grant.clone(),
                reservation: None,
                voided: None,
            })
        }
        (
            phase @ Phase::Approved { .. },
            Event::Reserved(_) | Event::Voided { .. } | Event::Committed(_),
        ) => enter(request, phase, event, at, out_of_order),
        (phase @ (Phase::Injected { .. } | Phase::Running { .. } | Phase::Ended { .. }), event) => {
            visiting(phase, event, out_of_order)
        }
        (
            Phase::Requested
            | Phase::AwaitingApproval { .. }
            | Phase::Approved {
                reservation: None, ..
            },
            event,
        ) => give_up(request, event, out_of_order),
        // A promise that may have been kept is first seen to be void; where the Pod is gone nobody can say.
        (Phase::Approved { .. }, Event::Lost { why }) => Ok(Phase::Lost {
            why: why.clone(),
            promised: true,
        }),
        _ => Err(out_of_order),
    }
}

/// From the grant into the Pod: promised, then seen there or void.
fn enter(
    request: &Request,
    phase: Phase,
    event: &Event,
    at: Timestamp,
    out_of_order: Refusal,
) -> Result<Phase, Refusal> {
    let Phase::Approved {
        terms,
        approvals,
        grant,
        reservation,
        voided,
    } = phase
    else {
        return Err(out_of_order);
    };
    let (reservation, voided) = match (event, reservation, voided) {
        (Event::Reserved(asked), held, voided) => {
            let reserved = reserve(request, &terms, &grant, held.as_ref(), asked, at)?;
            (Some(reserved), voided)
        }
        (Event::Voided { .. }, Some(reservation), _) => (None, Some(reservation)),
        // Also after it was found void: what is in the Pod is in the Pod.
        (Event::Committed(commit), Some(reservation), _)
        | (Event::Committed(commit), None, Some(reservation)) => {
            let (commit, overstayed) = (commit.clone(), false);
            let visit = Visit {
                terms,
                approvals,
                grant,
                reservation,
                commit,
                overstayed,
            };
            return Ok(Phase::Injected { visit });
        }
        _ => return Err(out_of_order),
    };
    Ok(Phase::Approved {
        terms,
        approvals,
        grant,
        reservation,
        voided,
    })
}

/// The ends of a session whose container never came to be.
fn give_up(request: &Request, event: &Event, out_of_order: Refusal) -> Result<Phase, Refusal> {
    match event {
        Event::Denied(denial) => Ok(Phase::Denied(denial.clone())),
        Event::Expired { why } => Ok(Phase::Expired { why: why.clone() }),
        Event::Failed { why } => Ok(Phase::Failed { why: why.clone() }),
        Event::Lost { why } => Ok(Phase::Lost {
            why: why.clone(),
            promised: false,
        }),
        Event::Withdrawn { by } if request.requester.is_same_person_as(by) => {
            Ok(Phase::Withdrawn { by: by.clone() })
        }
        Event::Withdrawn { .. } => {
            Err(Refusal::NotTheRequester(request.requester.username.clone()))
        }
        _ => Err(out_of_order),
    }
}

/// The life of a visit whose container is in the Pod.
fn visiting(phase: Phase, event: &Event, out_of_order: Refusal) -> Result<Phase, Refusal> {
    match (phase, event) {
        (Phase::Injected { visit }, Event::Started(started)) => Ok(Phase::Running {
            visit,
            started: started.clone(),
        }),
        (phase @ (Phase::Injected { .. } | Phase::Running { .. }), Event::Attached(_)) => Ok(phase),
        (Phase::Injected { mut visit }, Event::Overstayed) if !visit.overstayed => {
            visit.overstayed = true;
            Ok(Phase::Injected { visit })
        }
        (Phase::Running { mut visit, started }, Event::Overstayed) if !visit.overstayed => {
            visit.overstayed = true;
            Ok(Phase::Running { visit, started })
        }
        (Phase::Injected { visit }, Event::Ended(exit)) => Ok(Phase::Ended {
            visit,
            started: None,
            exit: exit.clone(),
        }),
        (Phase::Running { visit, started }, Event::Ended(exit)) => Ok(Phase::Ended {
            visit,
            started: Some(started),
            exit: exit.clone(),
        }),
        (
            Phase::Ended {
                visit,
                started,
                exit,
            },
            Event::Closed(_),
        ) => Ok(Phase::Closed {
            visit,
            started,
            exit,
        }),
        _ => Err(out_of_order),
    }
}

fn judge(
    request: &Request,
    terms: Terms,
    mut approvals: Vec<Approval>,
    approval: &Approval,
    at: Timestamp,
) -> Result<Phase, Refusal> {
    let approver: &Person = &approval.approver;
    same_terms(&terms, approval.spec_hash)?;
    if at >= terms.approve_until {
        return Err(Refusal::TooLate(terms.approve_until));
    }
    if approval.verdict == Verdict::Approve && request.requester.is_same_person_as(approver) {
        return Err(Refusal::OwnApproval(approver.username.clone()));
    }
    // One person, one verdict: the last one counts. An earlier one may never have been stored by the
    // API server although it was logged, so it must not stand in the way.
    approvals.retain(|given| !given.approver.is_same_person_as(approver));
    approvals.push(approval.clone());
    Ok(Phase::AwaitingApproval { terms, approvals })
}

fn reserve(
    request: &Request,
    terms: &Terms,
    grant: &Grant,
    held: Option<&Reservation>,
    asked: &Reservation,
    at: Timestamp,
) -> Result<Reservation, Refusal> {
    same_terms(terms, asked.spec_hash)?;
    let granted = request.handle();
    if asked.container != granted.as_str() || asked.pod_uid != request.pod.uid {
        return Err(Refusal::OtherContainer {
            got: asked.container.clone(),
            pod: asked.pod_uid.clone(),
            granted: granted.to_string(),
        });
    }
    if at >= grant.use_until {
        return Err(Refusal::TooLate(grant.use_until));
    }
    if held.is_some() {
        return Err(Refusal::AlreadyReserved);
    }
    Ok(asked.clone())
}

fn same_terms(terms: &Terms, said: crate::SpecHash) -> Result<(), Refusal> {
    if terms.spec_hash == said {
        return Ok(());
    }
    Err(Refusal::OtherTerms {
        said: said.to_string(),
        terms: terms.spec_hash.to_string(),
    })
}
