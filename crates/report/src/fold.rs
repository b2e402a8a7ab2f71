//! From entries to the record.

use ledger::entry::{Body, DecodeError, Entry};
use session::{Refusal, step};

use crate::reading::{At, Reading, kind};
use crate::record::{Record, Session, VERSION};
use crate::{approval, ask, steps, visit};

/// Entries that add up to no session. They are not what a log holds: verify it.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// There are none.
    #[error("there is no entry of this session: look at its name, or at another ledger")]
    Empty,
    /// The first is not an ask.
    #[error("entry {index} is the session's first and is {kind}, not Requested")]
    NoAsk {
        /// Index of the entry.
        index: u64,
        /// What it is.
        kind: &'static str,
    },
    /// One belongs to another session.
    #[error("entry {index} belongs to another session")]
    OtherSession {
        /// Index of the entry.
        index: u64,
    },
    /// Their indexes do not rise.
    #[error("entry {index} comes after one with the same or a higher index")]
    OutOfOrder {
        /// Index of the entry.
        index: u64,
    },
    /// One says what cannot be.
    #[error("entry {index} cannot be read")]
    Unreadable {
        /// Index of the entry.
        index: u64,
        /// Why.
        source: DecodeError,
    },
    /// One could not have followed on those before it.
    #[error("entry {index} could not have followed on those before it")]
    Impossible {
        /// Index of the entry.
        index: u64,
        /// Why.
        source: Refusal,
    },
}

/// The record of the session whose entries these are: all of them, with their indexes, in the log's order.
///
/// The session is stepped again as it was when they were written, so entries that nobody could have
/// written are refused.
pub fn fold(entries: impl IntoIterator<Item = (u64, Entry)>) -> Result<Record, FoldError> {
    let entries: Vec<(u64, Entry)> = entries.into_iter().collect();
    let reading = read(&entries)?;
    let id = &reading.requested.said.session;
    let request = ask::of(&reading);
    Ok(Record {
        version: VERSION,
        session: Session {
            namespace: id.namespace.clone(),
            name: id.name.clone(),
            uid: id.uid.clone(),
        },
        phase: reading.session.phase.name().to_string(),
        entered: visit::entered(&reading),
        requester: request.requester,
        acts_for: request.acts_for,
        namespace: request.namespace,
        pod: request.pod,
        mode: request.mode,
        target_container: request.target_container,
        debug_container: request.debug_container,
        image: visit::image(&reading),
        command: request.command,
        arguments: request.arguments,
        terminal: visit::terminal(&reading),
        security_context: approval::security_context(&reading),
        capabilities: approval::capabilities(&reading),
        exposure: approval::exposure(&reading),
        node: visit::node(&reading),
        steps: steps::of(&entries),
        approval: approval::of(&reading),
        ticket: request.ticket,
        reason: request.reason,
        checked: request.checked,
        admission: visit::admission(&reading),
        deadline: visit::deadline(&reading),
        overstayed: visit::overstayed(&reading),
        exit: visit::exit(&reading),
        pod_afterwards: visit::pod_afterwards(&reading),
        cluster_version: approval::cluster_version(&reading),
        requester_rights: approval::requester_rights(&reading),
        audit_events: visit::audit_events(),
        evidence: visit::evidence(),
    })
}

fn read(entries: &[(u64, Entry)]) -> Result<Reading<'_>, FoldError> {
    let (first, ask) = entries.first().ok_or(FoldError::Empty)?;
    let Body::Requested(request) = &ask.body else {
        let kind = kind(&ask.body);
        return Err(FoldError::NoAsk {
            index: *first,
            kind,
        });
    };
    let mut session = None;
    let mut before = None;
    for (index, entry) in entries {
        let index = *index;
        if before.is_some_and(|before| before >= index) {
            return Err(FoldError::OutOfOrder { index });
        }
        before = Some(index);
        if entry.session.as_deref() != Some(request.session.uid.as_str()) {
            return Err(FoldError::OtherSession { index });
        }
        let event = entry
            .event()
            .map_err(|source| FoldError::Unreadable { index, source })?;
        if let Some(event) = event {
            let next = step(session, &event, entry.at)
                .map_err(|source| FoldError::Impossible { index, source })?;
            session = Some(next);
        }
    }
    let session = session.ok_or(FoldError::Empty)?;
    let (index, time, kind) = (*first, ask.at, kind(&ask.body));
    let requested = At {
        index,
        time,
        kind,
        said: request,
    };
    let last = At {
        index,
        time,
        kind,
        said: &ask.body,
    };
    let mut reading = Reading::of(session, requested, last);
    for (index, entry) in entries {
        reading.take(*index, entry);
    }
    Ok(reading)
}
