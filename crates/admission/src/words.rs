//! What a refused person reads: what is wrong, and the line to use instead.

use session::{Phase, Session};

use crate::review::Review;

/// The line that asks for a visit.
pub(crate) fn ask(review: &Review, image: Option<&str>, target: Option<&str>) -> String {
    let image = image.filter(|i| is_plain(i)).unwrap_or("IMAGE");
    let target = target
        .filter(|t| is_plain(t))
        .map(|t| format!(" --target {t}"))
        .unwrap_or_default();
    format!(
        "ask first: ephemera request pod/{} -n {} --image {image}{target} --reason '…' --ticket …",
        review.name, review.namespace
    )
}

/// Only text that a shell takes as it stands is put into a line to be copied.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() < 512
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b))
}

/// Why a session in this phase admits no container.
pub(crate) fn not_now(session: &Session) -> String {
    let name = &session.request.session.name;
    let namespace = &session.request.session.namespace;
    let pod = &session.request.pod.name;
    let handle = session.request.handle();
    match &session.phase {
        Phase::Requested => format!(
            "session {name} is not decided yet: wait for it with `ephemera sessions get {name} -n {namespace}`"
        ),
        Phase::AwaitingApproval { terms, .. } => {
            let who: Vec<String> = terms
                .quorum
                .iter()
                .map(|q| format!("{} of {}", q.count, q.group))
                .collect();
            format!(
                "session {name} is not approved yet; it needs {}: ask them to run `ephemera approve {name} \
                 -n {namespace}`",
                who.join(" and ")
            )
        }
        Phase::Approved { .. } => format!("session {name} is approved for another container"),
        Phase::Injected { .. } | Phase::Running { .. } => format!(
            "the grant of session {name} is used: container {handle} is in the Pod. Join it with `kubectl \
             attach -it {pod} -c {handle} -n {namespace}`, or ask for another visit"
        ),
        Phase::Ended { .. } | Phase::Closed { .. } => format!(
            "the visit of session {name} is over, and a grant admits once: ask for another visit"
        ),
        Phase::Denied(denial) => {
            format!("session {name} was denied: {}", denial.why.join("; "))
        }
        Phase::Expired { why } => format!("session {name} expired ({why}): ask again"),
        Phase::Withdrawn { by } => format!("session {name} was withdrawn by {}", by.username),
        Phase::Failed { why } => format!("session {name} failed ({why}): ask again"),
        Phase::Lost { why, .. } => {
            format!("session {name} lost its Pod ({why}): ask for the new one")
        }
    }
}

/// Why nobody is let onto the streams of a session's container.
pub(crate) fn not_open(session: &Session) -> String {
    let name = &session.request.session.name;
    match &session.phase {
        Phase::Ended { .. } | Phase::Closed { .. } => {
            format!("the visit of session {name} is over: ask for another one")
        }
        other => format!(
            "session {name} is {}, and only a visit whose container is in the Pod can be joined",
            other.name()
        ),
    }
}
