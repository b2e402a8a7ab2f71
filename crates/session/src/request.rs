//! What is asked.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Container, Handle, Mode, Person, PodRef};

/// A session's object: where it is and which one it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Namespace; always that of the Pod.
    pub namespace: String,
    /// Name of the `DebugSession`.
    pub name: String,
    /// UID of the `DebugSession`.
    pub uid: String,
}

/// A place to look before somebody enters a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Surface {
    /// Container logs.
    Logs,
    /// Metrics.
    Metrics,
    /// Traces.
    Traces,
    /// Kubernetes Events.
    Events,
    /// The API server's audit log.
    Audit,
}

impl Surface {
    /// All of them, in the order that records use.
    pub const ALL: [Self; 5] = [
        Self::Logs,
        Self::Metrics,
        Self::Traces,
        Self::Events,
        Self::Audit,
    ];

    /// The name in objects and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logs => "logs",
            Self::Metrics => "metrics",
            Self::Traces => "traces",
            Self::Events => "events",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Surface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A surface that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place to look: use logs, metrics, traces, events or audit")]
pub struct UnknownSurface(pub String);

impl FromStr for Surface {
    type Err = UnknownSurface;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| UnknownSurface(text.to_owned()))
    }
}

/// A surface that was looked at, and why it was not enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Where somebody looked.
    pub surface: Surface,
    /// What was missing there.
    pub fell_short: String,
}

/// Who puts the container into the Pod once the visit is approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Injection {
    /// The controller; the person needs no right on `pods/ephemeralcontainers`.
    Controller,
    /// The person who asked, with plain `kubectl debug`.
    Requester,
}

impl Injection {
    /// The name in objects and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Controller => "Controller",
            Self::Requester => "Requester",
        }
    }
}

/// One ask, whole. Immutable once asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The session's object.
    pub session: SessionId,
    /// Who asks, as the webhook stamped it from `userInfo`.
    pub requester: Person,
    /// The Pod to be visited, with the UID the webhook found.
    pub pod: PodRef,
    /// In which way.
    pub mode: Mode,
    /// The container as asked for; its name is the visit's handle.
    pub container: Container,
    /// Who is to add it.
    pub injection: Injection,
    /// Why, in the person's own words.
    pub reason: String,
    /// The incident's ticket; empty when none is given.
    pub ticket: String,
    /// What was looked at first and fell short.
    pub checked: Vec<Checked>,
    /// How long the visit may last, whole seconds.
    pub duration: Duration,
}

impl Request {
    /// The name that the visit's container must have.
    pub fn handle(&self) -> Handle {
        Handle::of(&self.session.uid)
    }

    /// When a visit that begins at `from` is to be over.
    pub fn deadline(&self, from: Timestamp) -> Timestamp {
        from.saturating_add(self.duration).unwrap_or(Timestamp::MAX)
    }
}
