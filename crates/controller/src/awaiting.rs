//! Possible on known terms: have enough people said yes?

use policy::Decision;
use session::event::{Denial, Terms};
use session::{Approval, Event, Session, Verdict};

use crate::drive::{Controller, DriveError, Step};
use crate::{facts, pod};

pub(crate) async fn look(
    controller: &Controller,
    session: &Session,
    terms: &Terms,
    approvals: &[Approval],
) -> Result<Step, DriveError> {
    let request = &session.request;
    // As with a yes: a no counts once its object is there too.
    if approvals.iter().any(|a| a.verdict == Verdict::Deny) {
        let namespace = &request.session.namespace;
        let live = controller.cluster.approvals(namespace).await?;
        let standing = facts::standing(approvals, &live);
        if let Some(no) = standing.iter().find(|a| a.verdict == Verdict::Deny) {
            return Ok(Step::did(refused(session, no)));
        }
    }
    if controller.journal.now() >= terms.approve_until {
        let why = format!("nobody approved before {}", terms.approve_until);
        return Ok(Step::did(Event::Expired { why }));
    }
    let found = controller
        .cluster
        .pod(&request.pod.namespace, &request.pod.name)
        .await?;
    let live = match pod::same(found, &request.pod) {
        Ok(live) => live,
        Err(why) => return Ok(Step::did(Event::Lost { why })),
    };
    let changed = || {
        facts::denied(
            "what was asked is not what would happen now: a policy or the Pod has changed since. Ask again",
        )
    };
    let container = terms.container.clone();
    Ok(
        match facts::decide(controller, session, live, container).await? {
            Decision::Permit(permit) if permit.spec_hash() == terms.spec_hash => {
                Step::did(Event::Granted(permit.grant()))
            }
            Decision::NeedsApproval(pending) if pending.spec_hash() == terms.spec_hash => {
                Step::until(terms.approve_until)
            }
            Decision::Permit(_) | Decision::NeedsApproval(_) => Step::did(changed()),
            Decision::Denied(denied) => Step::did(facts::refused(
                denied.findings.iter().map(ToString::to_string),
            )),
        },
    )
}

/// A person's no; of the one who asked it is a withdrawal.
fn refused(session: &Session, no: &Approval) -> Event {
    let by = no.approver.clone();
    if session.request.requester.is_same_person_as(&by) {
        return Event::Withdrawn { by };
    }
    let comment = no.comment.trim();
    let why = if comment.is_empty() {
        format!("{} said no", by.username)
    } else {
        format!("{} said no: {comment}", by.username)
    };
    Event::Denied(Denial {
        why: vec![why],
        by: Some(by),
    })
}
