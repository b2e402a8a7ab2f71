//! Waiting for a session, with a line that says what for.

use std::time::Duration;

use anyhow::Context;
use api::DebugSession;
use api::session_status::Phase;
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};

use crate::exit::Failure;

/// The phase that a session shows.
pub(crate) fn phase(session: &DebugSession) -> Phase {
    session
        .status
        .as_ref()
        .map(|status| status.phase)
        .unwrap_or_default()
}

/// What the session says of itself.
pub(crate) fn message(session: &DebugSession) -> String {
    let status = session.status.as_ref();
    let said = status
        .map(|status| status.message.clone())
        .filter(|message| !message.is_empty());
    said.unwrap_or_else(|| format!("it is {:?}", phase(session)))
}

/// Nothing can follow, and nobody entered.
pub(crate) fn is_refused(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Denied | Phase::Expired | Phase::Withdrawn | Phase::Failed | Phase::Lost
    )
}

/// The session as soon as `there` holds of it. A session that ends without a visit is a refusal.
pub(crate) async fn until(
    sessions: &Api<DebugSession>,
    name: &str,
    limit: Duration,
    there: fn(Phase) -> bool,
) -> Result<DebugSession, Failure> {
    let condition = move |object: Option<&DebugSession>| {
        object.is_none_or(|session| there(phase(session)) || is_refused(phase(session)))
    };
    let waiting = await_condition(sessions.clone(), name, condition);
    let session = match tokio::time::timeout(limit, waiting).await {
        Ok(met) => met.with_context(|| format!("session {name} could not be watched"))?,
        Err(_) => return Err(too_long(sessions, name, limit).await),
    };
    let session = session.with_context(|| format!("session {name} is gone"))?;
    if is_refused(phase(&session)) {
        let refusal = format!(
            "session {}: {:?}: {}",
            session.name_any(),
            phase(&session),
            message(&session)
        );
        return Err(Failure::denied(refusal));
    }
    Ok(session)
}

async fn too_long(sessions: &Api<DebugSession>, name: &str, limit: Duration) -> Failure {
    let state = match sessions.get(name).await {
        Ok(session) => format!("{:?}: {}", phase(&session), message(&session)),
        Err(_) => "its state could not be read".to_owned(),
    };
    Failure::timed_out(format!(
        "waited {}s for session {name}, and it is {state}",
        limit.as_secs()
    ))
}
