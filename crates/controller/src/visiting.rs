//! The container is in the Pod: what the node says of it, until the books are closed.

use jiff::Timestamp;
use serde_json::Value;
use session::event::{Closing, Exit, Node, Started};
use session::phase::Visit;
use session::{Event, Session};

use crate::drive::{Controller, DriveError, Next, Step};
use crate::{facts, pod};

pub(crate) async fn injected(
    controller: &Controller,
    session: &Session,
    visit: &Visit,
) -> Result<Step, DriveError> {
    let live = match live(controller, session).await? {
        Ok(live) => live,
        Err(why) => return Ok(gone(why, "")),
    };
    let Some(status) = pod::ephemeral_status(&live, session.request.handle().as_str()) else {
        return Ok(unfinished(controller, visit, &live, ""));
    };
    // What runs, or what ran before anybody looked.
    let state = &status["state"];
    for (name, since) in [
        ("running", &state["running"]),
        ("terminated", &state["terminated"]),
    ] {
        let began = pod::text(since, "/startedAt").parse::<Timestamp>();
        match (since.is_object(), began) {
            (true, Ok(at)) => return Ok(Step::did(started(controller, &live, status, at).await)),
            // It runs, and its node does not say since when.
            (true, Err(_)) if name == "running" => {
                let at = controller.journal.now();
                return Ok(Step::did(started(controller, &live, status, at).await));
            }
            // It never began: the node could not start it.
            (true, Err(_)) => return Ok(Step::did(Event::Ended(exit(status)))),
            (false, _) => {}
        }
    }
    Ok(unfinished(controller, visit, &live, ""))
}

pub(crate) async fn running(
    controller: &Controller,
    session: &Session,
    visit: &Visit,
    started: &Started,
) -> Result<Step, DriveError> {
    let live = match live(controller, session).await? {
        Ok(live) => live,
        Err(why) => return Ok(gone(why, &started.image_id)),
    };
    let status = pod::ephemeral_status(&live, session.request.handle().as_str());
    match status.filter(|status| status["state"]["terminated"].is_object()) {
        Some(status) => Ok(Step::did(Event::Ended(exit(status)))),
        None => Ok(unfinished(controller, visit, &live, &started.image_id)),
    }
}

pub(crate) async fn ended(controller: &Controller, session: &Session) -> Result<Step, DriveError> {
    let closing = match live(controller, session).await? {
        Ok(live) => Closing {
            pod_phase: pod::text(&live, "/status/phase").to_owned(),
            resource_version: pod::text(&live, "/metadata/resourceVersion").to_owned(),
        },
        Err(_) => Closing {
            pod_phase: "Gone".into(),
            resource_version: String::new(),
        },
    };
    Ok(Step::did(Event::Closed(closing)))
}

async fn live(
    controller: &Controller,
    session: &Session,
) -> Result<Result<Value, String>, DriveError> {
    let wanted = &session.request.pod;
    let found = controller
        .cluster
        .pod(&wanted.namespace, &wanted.name)
        .await?;
    Ok(pod::same(found, wanted))
}

/// No end was told of it yet: the Pod may have ended without telling, or its time may be up.
fn unfinished(controller: &Controller, visit: &Visit, live: &Value, image_id: &str) -> Step {
    let phase = pod::text(live, "/status/phase");
    if matches!(phase, "Succeeded" | "Failed") {
        return Step::did(Event::Ended(Exit {
            code: None,
            reason: format!("Pod{phase}"),
            message: "the Pod ended, and no status of the container says how it did".into(),
            finished_at: None,
            image_id: image_id.to_owned(),
        }));
    }
    if visit.overstayed {
        return Step::Wait(Next::OnChange);
    }
    if controller.journal.now() >= visit.commit.deadline {
        return Step::did(Event::Overstayed);
    }
    Step::until(visit.commit.deadline)
}

fn gone(why: String, image_id: &str) -> Step {
    Step::did(Event::Ended(Exit {
        code: None,
        reason: "PodGone".into(),
        message: why,
        finished_at: None,
        image_id: image_id.to_owned(),
    }))
}

async fn started(controller: &Controller, live: &Value, status: &Value, at: Timestamp) -> Event {
    let name = pod::text(live, "/spec/nodeName");
    let node = facts::noted(controller.cluster.node(name).await);
    let terminated = pod::text(status, "/state/terminated/containerID");
    let container_id = match pod::text(status, "/containerID") {
        "" => terminated,
        id => id,
    };
    Event::Started(Started {
        started_at: at,
        container_id: facts::short(container_id),
        image: facts::short(pod::text(status, "/image")),
        image_id: facts::short(pod::text(status, "/imageID")),
        node: node.unwrap_or_else(|| Node {
            name: name.to_owned(),
            ..Node::default()
        }),
    })
}

fn exit(status: &Value) -> Exit {
    let end = &status["state"]["terminated"];
    Exit {
        code: end["exitCode"]
            .as_i64()
            .and_then(|code| i32::try_from(code).ok()),
        reason: facts::short(pod::text(end, "/reason")),
        message: facts::short(pod::text(end, "/message")),
        finished_at: pod::text(end, "/finishedAt").parse().ok(),
        image_id: facts::short(pod::text(status, "/imageID")),
    }
}
