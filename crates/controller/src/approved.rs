//! The container may be added, once.

use jiff::SignedDuration;
use policy::Decision;
use serde_json::Value;
use session::event::{Commit, Grant};
use session::{Event, Injection, Session};

use crate::cluster::AddError;
use crate::drive::{Controller, DriveError, Step};
use crate::{facts, pod};

/// After this long no request that admission has allowed can still be under way: a webhook's answer
/// is waited for at most 30 seconds (`timeoutSeconds`), and the write follows at once.
const VOID_AFTER: SignedDuration = SignedDuration::from_secs(30);

pub(crate) async fn look(
    controller: &Controller,
    session: &Session,
    grant: &Grant,
    reserved: bool,
) -> Result<Step, DriveError> {
    let request = &session.request;
    let found = controller
        .cluster
        .pod(&request.pod.namespace, &request.pod.name)
        .await?;
    let live = match pod::same(found, &request.pod) {
        Ok(live) => live,
        Err(why) if reserved => {
            let why = format!(
                "{why}; admission had allowed {}, and whether it came to be in that Pod is not known",
                request.handle()
            );
            return Ok(Step::did(Event::Lost { why }));
        }
        Err(why) => return Ok(Step::did(Event::Lost { why })),
    };
    // Also of a promise that was found void: what was under way then can have come late.
    if session.phase.promise().is_some()
        && let Some(commit) = entered(controller, session, &live)
    {
        return Ok(Step::did(commit));
    }
    let now = controller.journal.now();
    if now < grant.use_until && request.injection == Injection::Controller {
        return inject(controller, session, live, reserved).await;
    }
    if reserved {
        return Ok(void_in_time(controller, session));
    }
    if now >= grant.use_until {
        let why = format!("the grant was not used before {}", grant.use_until);
        return Ok(Step::did(Event::Expired { why }));
    }
    Ok(Step::until(grant.use_until))
}

/// The container is in a Pod that the API server has stored.
fn entered(controller: &Controller, session: &Session, pod: &Value) -> Option<Event> {
    let request = &session.request;
    pod::ephemeral(pod, request.handle().as_str())?;
    controller.forget_reservation(&request.session.uid);
    Some(Event::Committed(Commit {
        resource_version: pod::text(pod, "/metadata/resourceVersion").to_owned(),
        deadline: request.deadline(controller.journal.now()),
    }))
}

/// A reservation whose container a live read does not show: void, once nothing can be under way any more.
fn void_in_time(controller: &Controller, session: &Session) -> Step {
    let uid = &session.request.session.uid;
    let until = controller.reserved_since(uid) + VOID_AFTER;
    if controller.journal.now() < until {
        return Step::until(until);
    }
    Step::did(void(controller, session))
}

fn void(controller: &Controller, session: &Session) -> Event {
    controller.forget_reservation(&session.request.session.uid);
    Event::Voided {
        why: format!(
            "Pod {} was read and has no container {}",
            session.request.pod.name,
            session.request.handle()
        ),
    }
}

/// Adds the container, under a permit of this very moment.
///
/// A crash during the call leaves a reservation at most; the next look finds the container in the Pod,
/// or adds it: the name makes that the same request.
async fn inject(
    controller: &Controller,
    session: &Session,
    live: Value,
    reserved: bool,
) -> Result<Step, DriveError> {
    let request = &session.request;
    let Some(terms) = session.phase.terms() else {
        return Ok(Step::Wait(crate::Next::OnChange));
    };
    let container = terms.container.clone();
    let why = match facts::decide(controller, session, live, container).await? {
        Decision::Permit(permit) => match controller.cluster.add(&request.pod, &permit).await {
            Ok(stored) => {
                return Ok(entered(controller, session, &stored)
                    .map_or_else(|| void_in_time(controller, session), Step::did));
            }
            // The next look sees what became of the Pod.
            Err(AddError::Gone) => {
                return Ok(Step::until(controller.journal.now() + SignedDuration::from_secs(1)));
            }
            Err(AddError::Unavailable(error)) => return Err(error.into()),
            Err(AddError::Refused(why)) => return Ok(refused(controller, session, &why)),
        },
        Decision::NeedsApproval(_) => {
            "what was approved is not what would happen now: a policy, the Pod or an approval has changed \
             since. Ask again"
                .to_owned()
        }
        Decision::Denied(denied) => denied.to_string(),
    };
    if reserved {
        return Ok(void_in_time(controller, session));
    }
    Ok(Step::did(facts::denied(why)))
}

/// The API server said no for good. If admission had reserved before somebody else refused, that
/// reservation is void: its request was ours, and it has been answered.
fn refused(controller: &Controller, session: &Session, why: &str) -> Step {
    let uid = &session.request.session.uid;
    let reserved = controller.journal.session(uid).is_some_and(|now| {
        matches!(
            now.phase,
            session::Phase::Approved {
                reservation: Some(_),
                ..
            }
        )
    });
    let failed = Event::Failed {
        why: facts::short(why),
    };
    if reserved {
        return Step::Did(vec![void(controller, session), failed]);
    }
    Step::did(failed)
}
