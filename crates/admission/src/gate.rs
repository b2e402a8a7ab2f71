//! The three doors.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger_store::{Journal, RecordError};
use session::{Event, Refusal, Session};

use crate::attempts::Attempts;
use crate::review::{Allowed, Answer, Operation, Refused, Review};
use crate::{Cluster, connecting, entering, objects, stamp};

/// What answers the API server's questions.
///
/// Flow: read live → evaluate → record → durable → answer. Guarantees: an allowed container or stream has
/// its entry before the answer leaves; on dry run nothing is recorded. Assumptions: the API server
/// authenticated `userInfo`. Caveat: allowed can be followed by nothing stored (another webhook, a
/// conflict, a client that left), which is why an entry made here is a reservation and no visit.
#[derive(Clone)]
pub struct Gate {
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) journal: Journal,
    pub(crate) controller: String,
    attempts: Arc<Attempts>,
    pub(crate) asks: Arc<Attempts>,
}

impl Gate {
    /// A gate that lets the account `controller` do what a controller does.
    pub fn new(cluster: Arc<dyn Cluster>, journal: Journal, controller: impl Into<String>) -> Self {
        Self {
            cluster,
            journal,
            controller: controller.into(),
            attempts: Arc::default(),
            asks: Arc::default(),
        }
    }

    /// Validating: UPDATE of `pods/ephemeralcontainers`, CONNECT of `pods/attach` and `pods/exec`.
    pub async fn visits(&self, review: &Review) -> Answer {
        let answer = match (review.operation, review.path().as_str()) {
            (Operation::Update, "pods/ephemeralcontainers") => {
                entering::entering(self, review).await
            }
            (Operation::Connect, "pods/attach" | "pods/exec") => {
                connecting::connecting(self, review).await
            }
            (operation, path) => Answer::invalid(format!(
                "this webhook judges pods/ephemeralcontainers, pods/attach and pods/exec, and was asked \
                 about {operation:?} of {path}: correct the webhook's rules"
            )),
        };
        if let (Answer::Refused(refused), false) = (&answer, review.dry_run) {
            self.note(review, refused).await;
        }
        answer
    }

    /// Mutating: CREATE of `debugsessions` and `debugapprovals`. Fills in who asks and which Pod it is.
    pub async fn stamp(&self, review: &Review) -> Answer {
        stamp::stamp(self, review).await
    }

    /// Validating: every change of our own objects.
    pub async fn objects(&self, review: &Review) -> Answer {
        objects::objects(self, review).await
    }

    pub(crate) fn is_controller(&self, review: &Review) -> bool {
        review.user_info.username == self.controller
    }

    /// Records an event, or says no. `AlreadyReserved` is a retry of one request and counts as recorded.
    ///
    /// A crash before the entry is durable leaves nothing, and the API server got no answer: no. A crash
    /// after it leaves an entry that no object matches: a reservation is voided by the controller's live
    /// read, an ask without an object fails, a verdict counts only while its object is there.
    pub(crate) async fn record(&self, uid: &str, event: Event) -> Result<(), Answer> {
        match self.journal.record(uid, event).await {
            Ok(_) | Err(RecordError::Refused(Refusal::AlreadyReserved)) => Ok(()),
            Err(RecordError::Refused(refusal)) => Err(Answer::forbidden(refusal.to_string())),
            Err(RecordError::Entry(error)) => Err(Answer::invalid(format!(
                "this cannot be recorded, so the answer is no: {error}"
            ))),
            Err(error @ RecordError::Unwritable(_)) => Err(Answer::unavailable(error.to_string())),
        }
    }

    /// Allowed, with what makes the cluster's own audit log a witness of ours. Never a log index: of
    /// several calls for one request the audit event keeps the first call's annotations.
    pub(crate) fn allowed(&self, session: &Session, reserved: Reserved) -> Answer {
        let mut annotations = BTreeMap::from([("session", session.request.session.uid.clone())]);
        if let Reserved::Yes = reserved {
            annotations.insert("reservation", session.request.handle().to_string());
        }
        annotations.insert("checkpoint-root", self.journal.root());
        Answer::Allowed(Allowed {
            annotations,
            patch: Vec::new(),
        })
    }

    async fn note(&self, review: &Review, refused: &Refused) {
        let person = review.user_info.person();
        if !self.attempts.count(&person.username, self.journal.now()) {
            tracing::warn!(
                user = person.username,
                "too many refused attempts in a minute: one is not in the ledger"
            );
            return;
        }
        let container = match review.operation {
            Operation::Connect => review.object["container"].as_str().unwrap_or_default(),
            _ => "",
        };
        let noted = ledger::entry::Refused {
            by: ledger::entry::Person::from(&person),
            namespace: review.namespace.clone(),
            pod: review.name.clone(),
            subresource: review.sub_resource.clone(),
            container: container.chars().take(MAX_NOTED).collect(),
            why: refused.message.chars().take(MAX_NOTED).collect(),
        };
        self.journal.note_refusal(noted).await;
    }
}

/// How much of a stranger's text is kept of a refused attempt, in characters.
const MAX_NOTED: usize = 2048;

/// Whether an answer comes with a reservation.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reserved {
    Yes,
    No,
}
