//! What is known when a decision is asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use session::{Approval, Container, Injection, Person, Request};

/// Everything a decision rests on besides the policies and the ask. All of it is read live by the caller.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The Pod as the API server returns it.
    pub pod: Value,
    /// Labels of its namespace.
    pub namespace_labels: BTreeMap<String, String>,
    /// The container as it arrives, defaults filled in, under the visit's handle.
    pub container: Container,
    /// What is about to happen.
    pub act: Act,
    /// Verdicts that are recorded in the log *and* still there.
    pub approvals: Vec<Approval>,
    /// For attach and exec: until when the visit is open, `Phase::open_until`.
    pub open_until: Option<Timestamp>,
}

/// What is about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The container is added to the Pod.
    Enter {
        /// Who sends the request.
        by: By,
    },
    /// Somebody attaches to the container's streams.
    Attach {
        /// Who.
        by: Person,
        /// With standard input.
        stdin: bool,
        /// With a terminal.
        tty: bool,
    },
    /// Somebody runs a command in the container.
    Exec {
        /// Who.
        by: Person,
        /// What.
        command: Vec<String>,
    },
}

/// Who adds the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A person, with plain `kubectl debug`.
    Person(Person),
    /// Our controller.
    Controller,
}

impl By {
    /// Who is to add the container of this ask: for decisions that are made before anybody does.
    pub fn expected(request: &Request) -> Self {
        match request.injection {
            Injection::Controller => Self::Controller,
            Injection::Requester => Self::Person(request.requester.clone()),
        }
    }
}
