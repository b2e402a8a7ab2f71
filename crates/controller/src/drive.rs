//! One session, as far as it can be taken now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use ledger_store::{Journal, RecordError};
use session::{Event, Phase, Session};

use crate::cluster::{CallError, Cluster};
use crate::{approved, awaiting, requested, visiting};

/// No session has so many steps in one go; whatever does is looked at again later.
const MOST_STEPS: usize = 24;

/// Drives sessions. Several may be driven at once, one session only once at a time.
pub struct Controller {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) journal: Journal,
    /// Since when this process has seen a reservation. Not kept: after a restart the wait begins anew,
    /// and a reservation is void a little later.
    reserved: Mutex<HashMap<String, Timestamp>>,
}

/// When to look at a session again, if nothing wakes it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Never: it is over, and its object shows it.
    Over,
    /// When something changes.
    OnChange,
    /// At this time.
    At(Timestamp),
}

/// Why a session could not be taken further. Nothing is lost: look again later.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The cluster did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The ledger did not take an entry.
    #[error("the session cannot go on without its entry")]
    Record(#[source] RecordError),
}

/// What one look at the world tells.
#[derive(Debug)]
pub(crate) enum Step {
    /// These happened, in this order. A crash between two of them leaves a session that the next look
    /// takes on from there.
    Did(Vec<Event>),
    /// Nothing until then.
    Wait(Next),
}

impl Step {
    pub(crate) fn did(event: Event) -> Self {
        Self::Did(vec![event])
    }

    pub(crate) fn until(at: Timestamp) -> Self {
        Self::Wait(Next::At(at))
    }
}

impl Controller {
    /// A controller over this cluster and journal.
    pub fn new(cluster: Arc<dyn Cluster>, journal: Journal) -> Self {
        Self {
            cluster,
            journal,
            reserved: Mutex::default(),
        }
    }

    /// Takes a session as far as it can go now, and shows in its object where it is.
    ///
    /// Flow: journal → live reads → one decision → durable entry → again, until nothing follows. Every
    /// effect on the cluster is either repeatable or asked for under a reservation.
    pub async fn drive(&self, uid: &str) -> Result<Next, DriveError> {
        for _ in 0..MOST_STEPS {
            let Some(session) = self.journal.session(uid) else {
                return Ok(Next::Over);
            };
            match self.look(&session).await? {
                Step::Did(events) => self.record(uid, events).await?,
                Step::Wait(next) => {
                    self.project(uid).await?;
                    return Ok(next);
                }
            }
        }
        self.project(uid).await?;
        Ok(Next::At(self.journal.now()))
    }

    async fn look(&self, session: &Session) -> Result<Step, DriveError> {
        match &session.phase {
            Phase::Requested => requested::look(self, session).await,
            Phase::AwaitingApproval { terms, approvals } => {
                awaiting::look(self, session, terms, approvals).await
            }
            Phase::Approved {
                grant, reservation, ..
            } => approved::look(self, session, grant, reservation.is_some()).await,
            Phase::Injected { visit } => visiting::injected(self, session, visit).await,
            Phase::Running { visit, started } => {
                visiting::running(self, session, visit, started).await
            }
            Phase::Ended { .. } => visiting::ended(self, session).await,
            Phase::Closed { .. }
            | Phase::Denied(_)
            | Phase::Expired { .. }
            | Phase::Withdrawn { .. }
            | Phase::Failed { .. }
            | Phase::Lost { .. } => {
                self.forget_reservation(&session.request.session.uid);
                Ok(Step::Wait(Next::Over))
            }
        }
    }

    async fn record(&self, uid: &str, events: Vec<Event>) -> Result<(), DriveError> {
        for event in events {
            let name = event.name();
            match self.journal.record(uid, event).await {
                Ok(recorded) => {
                    tracing::info!(
                        session = uid,
                        event = name,
                        index = recorded.index,
                        "recorded"
                    );
                }
                // Admission moved the session meanwhile: what was decided is of yesterday, look again.
                Err(RecordError::Refused(refusal)) => {
                    tracing::debug!(session = uid, event = name, %refusal, "overtaken");
                    return Ok(());
                }
                Err(error @ RecordError::Entry(_)) => {
                    return self.unwritten(uid, name, error).await;
                }
                Err(error) => return Err(DriveError::Record(error)),
            }
        }
        Ok(())
    }

    /// What has no entry cannot happen, and trying again makes it no shorter: the session fails. Else one
    /// that is too large would be looked at for ever, and could never be deleted.
    async fn unwritten(&self, uid: &str, name: &str, error: RecordError) -> Result<(), DriveError> {
        let why = format!("{name}: {error}");
        tracing::warn!(session = uid, event = name, %error, "has no entry");
        match self.journal.record(uid, Event::Failed { why }).await {
            Ok(_) => Ok(()),
            Err(RecordError::Refused(_)) => Err(DriveError::Record(error)),
            Err(error) => Err(DriveError::Record(error)),
        }
    }

    /// Shows the session in its object, if that exists and does not show it yet.
    ///
    /// A crash before this leaves an object that lags behind the log; the next start projects again.
    async fn project(&self, uid: &str) -> Result<(), DriveError> {
        let Some(session) = self.journal.session(uid) else {
            return Ok(());
        };
        let id = &session.request.session;
        let found = self.cluster.session(&id.namespace, &id.name).await?;
        let Some(object) = found.filter(|o| o.metadata.uid.as_deref() == Some(uid)) else {
            return Ok(());
        };
        let shown = object.status.as_ref();
        let status =
            api::status(&session, &self.journal.entries_of(uid)).keeping_transitions(shown);
        if shown == Some(&status) {
            return Ok(());
        }
        self.cluster.project(id, &status).await?;
        Ok(())
    }

    /// Since when this process has known of the reservation.
    pub(crate) fn reserved_since(&self, uid: &str) -> Timestamp {
        let now = self.journal.now();
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        *reserved.entry(uid.to_owned()).or_insert(now)
    }

    pub(crate) fn forget_reservation(&self, uid: &str) {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        reserved.remove(uid);
    }
}
