//! An ephemeral container arrives, from whoever and by whichever patch.

use policy::{Act, By, Decision, Permit};
use serde_json::Value;
use session::event::Reservation;
use session::{Container, Event, Handle, Phase, Session};

use crate::difference::{Added, added, differences};
use crate::gate::{Gate, Reserved};
use crate::review::{Answer, Review};
use crate::{facts, pod, words};

pub(crate) async fn entering(gate: &Gate, review: &Review) -> Answer {
    match judge(gate, review).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn judge(gate: &Gate, review: &Review) -> Result<Answer, Answer> {
    if !review.object["spec"].is_object() || !review.old_object["spec"].is_object() {
        return Err(Answer::invalid(
            "the review of an ephemeral container came without its Pod",
        ));
    }
    let arrived = match added(&review.object, &review.old_object) {
        Added::Nothing => return Ok(Answer::passed()),
        Added::One(container) => container,
        Added::Changed(name) => {
            return Err(Answer::forbidden(format!(
                "the ephemeral container {name:?} is in the Pod and can be neither changed nor removed: leave it \
                 as it is, and ask for a visit of your own"
            )));
        }
        Added::Several(names) => {
            return Err(Answer::forbidden(format!(
                "{} ephemeral containers arrive at once, and a grant admits one: add them one by one, each \
                 with a session of its own",
                names.len()
            )));
        }
    };
    let session = session_of(gate, review, arrived)?;
    let container =
        Container::new(arrived.clone()).map_err(|error| Answer::invalid(error.to_string()))?;
    let (terms, by) = match &session.phase {
        // How the controller learns what is to be granted: as the API server and other webhooks make it.
        Phase::Requested if gate.is_controller(review) && review.dry_run => {
            return Ok(gate.allowed(&session, Reserved::No));
        }
        Phase::Approved { terms, .. } => (terms, by(gate, review)),
        _ => return Err(Answer::forbidden(words::not_now(&session))),
    };
    let differing = differences(terms.container.raw(), arrived);
    if !differing.is_empty() {
        return Err(Answer::forbidden(format!(
            "the container is not the one that was granted to session {}: {}. Send exactly what `ephemera \
             request` printed, or ask for what you need",
            session.request.session.name,
            differing.join("; ")
        )));
    }
    let permit = permit(gate, &session, container, by).await?;
    if review.dry_run {
        return Ok(gate.allowed(&session, Reserved::No));
    }
    let reservation = Reservation {
        spec_hash: permit.spec_hash(),
        by: review.user_info.person(),
        container: permit.container().name().to_owned(),
        pod_uid: pod::uid(&review.object).to_owned(),
    };
    let uid = &session.request.session.uid;
    gate.record(uid, Event::Reserved(reservation)).await?;
    Ok(gate.allowed(&session, Reserved::Yes))
}

/// The decision of this moment, on what is read at this moment.
async fn permit(
    gate: &Gate,
    session: &Session,
    container: Container,
    by: By,
) -> Result<Permit, Answer> {
    let live = facts::of_session(gate, session).await?;
    let act = Act::Enter { by };
    match live.decide(gate, &session.request, container, act, Some(&session.phase)) {
        Decision::Permit(permit) => Ok(permit),
        Decision::NeedsApproval(_) => Err(Answer::forbidden(format!(
            "what was approved for session {} is not what would happen now (a policy, the Pod or an approval \
             has changed since): ask again",
            session.request.session.name
        ))),
        Decision::Denied(denied) => Err(Answer::forbidden(denied.to_string())),
    }
}

fn by(gate: &Gate, review: &Review) -> By {
    if gate.is_controller(review) {
        return By::Controller;
    }
    By::Person(review.user_info.person())
}

/// The session that this container belongs to, by its name alone.
fn session_of(gate: &Gate, review: &Review, arrived: &Value) -> Result<Session, Answer> {
    let name = pod::name(arrived);
    let ask = || {
        words::ask(
            review,
            arrived["image"].as_str(),
            arrived["targetContainerName"].as_str(),
        )
    };
    match find(gate, review, name)? {
        Some(session) => Ok(session),
        None if Handle::is_reserved(name) => Err(Answer::forbidden(format!(
            "no session of Pod {} has the handle {name:?}, and names that begin with {:?} are kept for \
             sessions: {}",
            review.name,
            session::handle::PREFIX,
            ask()
        ))),
        None => Err(Answer::forbidden(format!(
            "nobody enters Pod {} without a session: {}",
            review.name,
            ask()
        ))),
    }
}

/// The session of the reviewed Pod with this handle.
pub(crate) fn find(gate: &Gate, review: &Review, handle: &str) -> Result<Option<Session>, Answer> {
    if !Handle::is_reserved(handle) {
        return Ok(None);
    }
    let named = gate.journal.by_handle(&review.namespace, handle);
    let mut found = named
        .into_iter()
        .filter(|session| session.request.pod.name == review.name);
    match (found.next(), found.next()) {
        (None, _) => Ok(None),
        (Some(session), None) => Ok(Some(session)),
        (Some(_), Some(_)) => Err(Answer::forbidden(format!(
            "two sessions of this Pod have the handle {handle}: ask for another visit"
        ))),
    }
}
