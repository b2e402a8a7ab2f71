//! Changes of our own objects. Objects are not the truth, the log is: what is asked and what is said is
//! recorded here, before it is stored, and stays as it was.

use api::{DebugApproval, DebugPolicy, DebugSession, Stamp};
use serde::de::DeserializeOwned;
use session::{Event, Person, Phase, Verdict};

use crate::gate::Gate;
use crate::review::{Answer, Operation, Review};
use crate::{facts, pod};

pub(crate) async fn objects(gate: &Gate, review: &Review) -> Answer {
    let judged = match (review.operation, review.path().as_str()) {
        (Operation::Create, "debugsessions") => asked(gate, review).await,
        (Operation::Create, "debugapprovals") => verdict(gate, review).await,
        (Operation::Create | Operation::Update, "debugpolicies") => understood(review),
        (Operation::Update, "debugsessions" | "debugapprovals") => unchanged(review),
        (Operation::Update, "debugsessions/status") => projected(gate, review),
        (Operation::Delete, "debugsessions") => deletable(gate, review),
        // An approval that is gone counts no more; a policy that is gone allows no more.
        (Operation::Delete, "debugapprovals" | "debugpolicies") => Ok(()),
        (operation, path) => Err(Answer::invalid(format!(
            "this webhook judges the objects of {}, and was asked about {operation:?} of {path}: correct the \
             webhook's rules",
            api::GROUP
        ))),
    };
    judged.err().unwrap_or_else(Answer::passed)
}

/// So many sessions of one person may be open, so that nobody keeps the controller and the log busy for
/// everybody.
const MOST_OPEN: usize = 32;

/// Somebody asks for a visit.
async fn asked(gate: &Gate, review: &Review) -> Result<(), Answer> {
    let object: DebugSession = read(review)?;
    let person = stamped(object.spec.requester.as_ref(), review, "requester")?;
    let request = api::request(&object).map_err(|error| Answer::invalid(error.to_string()))?;
    let name = &request.pod.name;
    let found = facts::live_pod(gate.cluster.as_ref(), &review.namespace, name).await?;
    if pod::uid(&found) != request.pod.uid {
        return Err(Answer::forbidden(format!(
            "spec.pod.uid is not that of Pod {name}, which is {}: leave the field out",
            pod::uid(&found)
        )));
    }
    if request.requester != person || request.session.namespace != review.namespace {
        return Err(Answer::forbidden(
            "the session is not the asking person's own, in the namespace of the request",
        ));
    }
    if gate.journal.open_sessions_of(&person) >= MOST_OPEN {
        return Err(Answer::forbidden(format!(
            "{} has {MOST_OPEN} sessions that are not over: end some, or take them back with `ephemera deny`",
            person.username
        )));
    }
    if review.dry_run {
        return Ok(());
    }
    if !gate.asks.count(&person.username, gate.journal.now()) {
        return Err(Answer::forbidden(format!(
            "{} has asked too often within a minute: wait for the next one",
            person.username
        )));
    }
    // A crash or a refusal by somebody else after this leaves an ask without an object: it fails.
    let uid = request.session.uid.clone();
    gate.record(&uid, Event::Requested(request)).await
}

/// Somebody gives a verdict.
async fn verdict(gate: &Gate, review: &Review) -> Result<(), Answer> {
    let object: DebugApproval = read(review)?;
    let person = stamped(object.spec.approver.as_ref(), review, "approver")?;
    let uid = &object.spec.session_uid;
    let name = &object.spec.session;
    let session = gate
        .journal
        .session(uid)
        .filter(|session| {
            let id = &session.request.session;
            id.namespace == review.namespace && id.name == *name
        })
        .ok_or_else(|| {
            Answer::forbidden(format!(
                "no session {name} with uid {uid:?} was asked for in namespace {}: look at `ephemera sessions`",
                review.namespace
            ))
        })?;
    let approval = api::approval(&object, gate.journal.now())
        .map_err(|error| Answer::invalid(error.to_string()))?;
    let own = session.request.requester.is_same_person_as(&person);
    let counts = |terms: &session::event::Terms| policy::may_judge(&terms.quorum, &person);
    if !own && !session.phase.terms().is_none_or(counts) {
        return Err(Answer::forbidden(format!(
            "{} is in none of the groups that are asked about session {name}, so this verdict would not count: \
             ask somebody who is",
            person.username
        )));
    }
    let event = match (approval.verdict, own) {
        // Whoever asked and says no takes it back, at any time before the visit.
        (Verdict::Deny, true) => Event::Withdrawn { by: person },
        _ => Event::Judged(approval),
    };
    if let (Event::Judged(_), Phase::Requested) = (&event, &session.phase) {
        return Err(Answer::forbidden(format!(
            "session {name} has no terms yet that a verdict could be about: look at it again in a moment"
        )));
    }
    if review.dry_run {
        return session::step(Some(session), &event, gate.journal.now())
            .map(|_| ())
            .map_err(|refusal| Answer::forbidden(refusal.to_string()));
    }
    gate.record(uid, event).await
}

/// A policy that cannot be understood would be a rule that nobody can rely on.
fn understood(review: &Review) -> Result<(), Answer> {
    // Another webhook's deletion mark or a finalizer's removal changes no rule.
    if review.object["spec"] == review.old_object["spec"] {
        return Ok(());
    }
    let mut object: DebugPolicy = read(review)?;
    // On create some servers give uid and generation only after this.
    object.metadata.uid.get_or_insert_default();
    object.metadata.generation.get_or_insert(1);
    api::policy(&object)
        .map(|_| ())
        .map_err(|error| Answer::invalid(error.to_string()))
}

/// What was asked and what was said stays as it was.
fn unchanged(review: &Review) -> Result<(), Answer> {
    if review.object["spec"] == review.old_object["spec"] {
        return Ok(());
    }
    Err(Answer::forbidden(format!(
        "the spec of {} {} cannot be changed: make a new one",
        review.resource.resource, review.name
    )))
}

/// A status is a projection of the log, and the controller's alone.
fn projected(gate: &Gate, review: &Review) -> Result<(), Answer> {
    if gate.is_controller(review) {
        return unchanged(review);
    }
    Err(Answer::forbidden(
        "the status of a session is written by its controller alone, from the ledger",
    ))
}

/// A session that lives is not made to disappear.
fn deletable(gate: &Gate, review: &Review) -> Result<(), Answer> {
    let uid = review.old_object["metadata"]["uid"]
        .as_str()
        .ok_or_else(|| Answer::invalid("delete sessions one by one: which one is not told"))?;
    let Some(session) = gate.journal.session(uid) else {
        return Ok(());
    };
    let phase = session.phase.name();
    if phase.is_final() {
        return Ok(());
    }
    let name = &session.request.session.name;
    Err(Answer::forbidden(format!(
        "session {name} is {phase} and cannot be deleted before it is over: its requester can take it back \
         with `ephemera deny {name} -n {}` until the visit begins",
        review.namespace
    )))
}

fn read<T: DeserializeOwned>(review: &Review) -> Result<T, Answer> {
    serde_json::from_value(review.object.clone()).map_err(|error| {
        Answer::invalid(format!("this is no {}: {error}", review.resource.resource))
    })
}

/// The person whom the API server authenticated, if the object says the same.
fn stamped(stamp: Option<&Stamp>, review: &Review, field: &str) -> Result<Person, Answer> {
    let person = review.user_info.person();
    if stamp == Some(&Stamp::from(&person)) {
        return Ok(person);
    }
    Err(Answer::forbidden(format!(
        "spec.{field} is not {:?}, who sends this: leave the field to the server, and see that the stamping \
         webhook is registered",
        person.username
    )))
}
