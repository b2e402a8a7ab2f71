//! Where a session is in its life, with exactly what is known there.

use std::fmt;

use jiff::Timestamp;

use crate::event::{Commit, Denial, Exit, Grant, Reservation, Started, Terms};
use crate::{Approval, Person};

/// A session's phase.
///
/// `Requested → AwaitingApproval → Approved → Injected → Running → Ended → Closed`, and the ends
/// `Denied`, `Expired`, `Withdrawn`, `Failed`, `Lost`.
#[derive(Debug, Clone, PartialEq)]
pub enum Phase {
    /// Asked; nothing is decided.
    Requested,
    /// Possible on these terms, once enough people say yes.
    AwaitingApproval {
        /// What they are asked to say yes to.
        terms: Terms,
        /// What they said so far.
        approvals: Vec<Approval>,
    },
    /// The container may be added, once.
    Approved {
        /// On which terms.
        terms: Terms,
        /// Who said yes.
        approvals: Vec<Approval>,
        /// Until when.
        grant: Grant,
        /// Admission has allowed it and waits to see it in the Pod.
        reservation: Option<Reservation>,
        /// The last promise that was found void. What was under way all the same can come late.
        voided: Option<Reservation>,
    },
    /// The container is in the Pod; its process was not seen yet.
    Injected {
        /// The visit.
        visit: Visit,
    },
    /// Its process runs.
    Running {
        /// The visit.
        visit: Visit,
        /// Where and what.
        started: Started,
    },
    /// Its process ended.
    Ended {
        /// The visit.
        visit: Visit,
        /// Where and what ran; absent if its process was never seen.
        started: Option<Started>,
        /// How.
        exit: Exit,
    },
    /// The books are closed.
    Closed {
        /// The visit.
        visit: Visit,
        /// Where and what had run; absent if its process was never seen.
        started: Option<Started>,
        /// How it had ended.
        exit: Exit,
    },
    /// Refused.
    Denied(Denial),
    /// Too late.
    Expired {
        /// For what.
        why: String,
    },
    /// Taken back.
    Withdrawn {
        /// By whom.
        by: Person,
    },
    /// Could not be carried out.
    Failed {
        /// Why.
        why: String,
    },
    /// The Pod went away first.
    Lost {
        /// What was last known of it.
        why: String,
        /// Admission had allowed the container, and the Pod went away before anybody looked: whether it
        /// came to be in it is not known.
        promised: bool,
    },
}

/// What is known of a visit whose container is in the Pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Visit {
    /// On which terms.
    pub terms: Terms,
    /// Who said yes.
    pub approvals: Vec<Approval>,
    /// Under which grant.
    pub grant: Grant,
    /// Admission's promise.
    pub reservation: Reservation,
    /// Since when it is real, and until when it may last.
    pub commit: Commit,
    /// It outlived its deadline.
    pub overstayed: bool,
}

/// A phase without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named and described by `Phase`")]
pub enum PhaseName {
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

impl Phase {
    /// Its name.
    pub fn name(&self) -> PhaseName {
        match self {
            Self::Requested => PhaseName::Requested,
            Self::AwaitingApproval { .. } => PhaseName::AwaitingApproval,
            Self::Approved { .. } => PhaseName::Approved,
            Self::Injected { .. } => PhaseName::Injected,
            Self::Running { .. } => PhaseName::Running,
            Self::Ended { .. } => PhaseName::Ended,
            Self::Closed { .. } => PhaseName::Closed,
            Self::Denied(_) => PhaseName::Denied,
            Self::Expired { .. } => PhaseName::Expired,
            Self::Withdrawn { .. } => PhaseName::Withdrawn,
            Self::Failed { .. } => PhaseName::Failed,
            Self::Lost { .. } => PhaseName::Lost,
        }
    }

    /// The terms, from when they are known.
    pub fn terms(&self) -> Option<&Terms> {
        match self {
            Self::AwaitingApproval { terms, .. } | Self::Approved { terms, .. } => Some(terms),
            _ => self.visit().map(|visit| &visit.terms),
        }
    }

    /// The verdicts, from when there can be some.
    pub fn approvals(&self) -> &[Approval] {
        match self {
            Self::AwaitingApproval { approvals, .. } | Self::Approved { approvals, .. } => {
                approvals
            }
            _ => self.visit().map_or(&[], |visit| &visit.approvals),
        }
    }

    /// The visit, from when its container is in the Pod.
    pub fn visit(&self) -> Option<&Visit> {
        match self {
            Self::Injected { visit }
            | Self::Running { visit, .. }
            | Self::Ended { visit, .. }
            | Self::Closed { visit, .. } => Some(visit),
            _ => None,
        }
    }

    /// Admission's promise, as long as its container may come to be in the Pod: also one that was found
    /// void, since a request can be under way for longer than anybody expects.
    pub fn promise(&self) -> Option<&Reservation> {
        match self {
            Self::Approved {
                reservation,
                voided,
                ..
            } => reservation.as_ref().or(voided.as_ref()),
            _ => None,
        }
    }

    /// Until when people may be let onto the container's streams; `None` when they may not.
    pub fn open_until(&self) -> Option<Timestamp> {
        match self {
            Self::Injected { visit } | Self::Running { visit, .. } => Some(visit.commit.deadline),
            _ => None,
        }
    }
}

impl PhaseName {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 12] = [
        Self::Requested,
        Self::AwaitingApproval,
        Self::Approved,
        Self::Injected,
        Self::Running,
        Self::Ended,
        Self::Closed,
        Self::Denied,
        Self::Expired,
        Self::Withdrawn,
        Self::Failed,
        Self::Lost,
    ];

    /// The name in objects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "Requested",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Approved => "Approved",
            Self::Injected => "Injected",
            Self::Running => "Running",
            Self::Ended => "Ended",
            Self::Closed => "Closed",
            Self::Denied => "Denied",
            Self::Expired => "Expired",
            Self::Withdrawn => "Withdrawn",
            Self::Failed => "Failed",
            Self::Lost => "Lost",
        }
    }

    /// Nothing can follow.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Closed
                | Self::Denied
                | Self::Expired
                | Self::Withdrawn
                | Self::Failed
                | Self::Lost
        )
    }
}

impl fmt::Display for PhaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
