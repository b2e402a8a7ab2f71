//! Asked: what would arrive in the Pod, and on which terms may it?

use jiff::SignedDuration;
use policy::Decision;
use session::{Container, Event, Session};

use crate::cluster::AddError;
use crate::drive::{Controller, DriveError, Step};
use crate::{facts, pod};

/// How long the API server may take to store what admission has let through.
const APPEARS_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// How long the cluster may fail to say what would arrive.
const DECIDED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

pub(crate) async fn look(controller: &Controller, session: &Session) -> Result<Step, DriveError> {
    let request = &session.request;
    let id = &request.session;
    let cluster = &controller.cluster;
    let now = controller.journal.now();
    let (object, found) = futures::try_join!(
        cluster.session(&id.namespace, &id.name),
        cluster.pod(&id.namespace, &request.pod.name),
    )?;
    let Some(object) = object.filter(|o| o.metadata.uid.as_ref() == Some(&id.uid)) else {
        let until = session.requested_at + APPEARS_WITHIN;
        return Ok(if now < until {
            Step::until(until)
        } else {
            failed("it was let in by admission, but the API server never stored it")
        });
    };
    if api::request(&object).as_ref() != Ok(request) {
        return Ok(failed("its object is not what was asked: ask again"));
    }
    let live = match pod::same(found, &request.pod) {
        Ok(live) => live,
        Err(why) => return Ok(Step::did(Event::Lost { why })),
    };
    let patched = match cluster.dry_run(&request.pod, &request.container).await {
        Ok(patched) => patched,
        Err(AddError::Refused(why)) => return Ok(Step::did(facts::denied(why))),
        Err(AddError::Gone) => {
            let why = format!("Pod {} is gone", request.pod.name);
            return Ok(Step::did(Event::Lost { why }));
        }
        Err(AddError::Unavailable(error)) if now < session.requested_at + DECIDED_WITHIN => {
            return Err(error.into());
        }
        Err(AddError::Unavailable(error)) => {
            return Ok(failed(format!("{error}: {}; ask again", error.source)));
        }
    };
    let arrived = pod::ephemeral(&patched, request.handle().as_str()).cloned();
    let Some(container) = arrived.and_then(|raw| Container::new(raw).ok()) else {
        return Ok(failed(
            "a dry run did not return the container: another webhook may take it out or rename it",
        ));
    };
    let terms = match facts::decide(controller, session, live, container).await? {
        Decision::Denied(refused) => {
            let why = refused.findings.iter().map(ToString::to_string);
            return Ok(Step::did(facts::refused(why)));
        }
        Decision::NeedsApproval(pending) => {
            pending.terms(facts::surroundings(controller, session).await)
        }
        // Proposed all the same: the grant follows at the next look, on the same terms.
        Decision::Permit(permit) => permit.terms(facts::surroundings(controller, session).await),
    };
    Ok(Step::did(Event::Proposed(terms)))
}

fn failed(why: impl Into<String>) -> Step {
    Step::did(Event::Failed { why: why.into() })
}
