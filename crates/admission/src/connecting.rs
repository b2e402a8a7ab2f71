//! Somebody attaches to a container or runs a command in it.
//!
//! A CONNECT review carries no Pod, and the API server asks about names that do not exist. So the Pod
//! is read live; into regular and init containers people go as before, a debug container is judged, and
//! a name that nobody knows is refused.

use policy::{Act, Decision};
use serde_json::Value;
use session::event::{Attachment, Commit, Door};
use session::{Container, Event, Session};

use crate::gate::{Gate, Reserved};
use crate::review::{Answer, Review};
use crate::{entering, facts, pod, words};

pub(crate) async fn connecting(gate: &Gate, review: &Review) -> Answer {
    match judge(gate, review).await {
        Ok(answer) | Err(answer) => answer,
    }
}

async fn judge(gate: &Gate, review: &Review) -> Result<Answer, Answer> {
    let wanted = match (&review.object, &review.object["container"]) {
        (Value::Object(_), Value::Null) => "",
        (Value::Object(_), Value::String(name)) => name.as_str(),
        _ => {
            return Err(Answer::invalid(
                "the review of a connection came without its options",
            ));
        }
    };
    let live = facts::live_pod(gate.cluster.as_ref(), &review.namespace, &review.name).await?;
    // Without a name the API server takes the only regular container, and refuses if there are more
    // (`validateContainer` in pkg/registry/core/pod/strategy.go): never a debug container.
    if wanted.is_empty()
        || pod::find(&live, "containers", wanted).is_some()
        || pod::find(&live, "initContainers", wanted).is_some()
    {
        return Ok(Answer::passed());
    }
    let Some(arrived) = pod::find(&live, "ephemeralContainers", wanted) else {
        return Err(Answer::forbidden(format!(
            "Pod {} has no container {wanted:?}",
            review.name
        )));
    };
    let Some(session) = entering::find(gate, review, wanted)? else {
        return Err(Answer::forbidden(format!(
            "the ephemeral container {wanted:?} came without a session, so nobody joins it: {}",
            words::ask(review, arrived["image"].as_str(), None)
        )));
    };
    let session = seen(gate, session, &live).await?;
    if session.phase.open_until().is_none() {
        return Err(Answer::forbidden(words::not_open(&session)));
    }
    let container =
        Container::new(arrived.clone()).map_err(|error| Answer::invalid(error.to_string()))?;
    let attachment = attachment(review);
    let facts = facts::of_session(gate, &session).await?;
    let act = act(&attachment);
    match facts.decide(gate, &session.request, container, act, Some(&session.phase)) {
        Decision::Permit(_) => {}
        Decision::NeedsApproval(_) => {
            return Err(Answer::forbidden(format!(
                "what was approved for session {} is not what is there now: ask for another visit",
                session.request.session.name
            )));
        }
        Decision::Denied(denied) => return Err(Answer::forbidden(denied.to_string())),
    }
    if !review.dry_run {
        let uid = &session.request.session.uid;
        gate.record(uid, Event::Attached(attachment)).await?;
    }
    Ok(gate.allowed(&session, Reserved::No))
}

/// The session after what this live read shows: a reserved container that is in the Pod is a visit,
/// whether or not the controller's watch has told it yet.
async fn seen(gate: &Gate, session: Session, live: &Value) -> Result<Session, Answer> {
    let promised = session.phase.promise();
    if promised.is_none_or(|held| held.pod_uid != pod::uid(live)) {
        return Ok(session);
    }
    let commit = Commit {
        resource_version: pod::resource_version(live).to_owned(),
        deadline: session.request.deadline(gate.journal.now()),
    };
    let uid = session.request.session.uid.clone();
    // If the controller was first, this one is out of order, and the log says where the session is.
    let _ = gate.record(&uid, Event::Committed(commit)).await;
    Ok(gate.journal.session(&uid).unwrap_or(session))
}

fn attachment(review: &Review) -> Attachment {
    let options = &review.object;
    let door = if review.sub_resource == "exec" {
        Door::Exec
    } else {
        Door::Attach
    };
    let command = options["command"].as_array().into_iter().flatten();
    Attachment {
        by: review.user_info.person(),
        door,
        stdin: options["stdin"].as_bool().unwrap_or_default(),
        tty: options["tty"].as_bool().unwrap_or_default(),
        command: command
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    }
}

fn act(attachment: &Attachment) -> Act {
    let by = attachment.by.clone();
    match attachment.door {
        Door::Attach => Act::Attach {
            by,
            stdin: attachment.stdin,
            tty: attachment.tty,
        },
        Door::Exec => Act::Exec {
            by,
            command: attachment.command.clone(),
        },
    }
}
