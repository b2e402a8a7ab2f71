//! What a person reads of a session, on one screen.

use api::debug_policy::Quorum;
use api::{DebugSession, DebugSessionStatus};
use kube::ResourceExt;
use serde_json::Value;

use crate::printer::{Printer, shown};
use crate::wait::{message, phase};

/// A label and what stands beside it.
type Row = (&'static str, String);

/// A session with its container and exposure, as an approver needs it.
pub(crate) fn print(session: &DebugSession, printer: Printer) -> std::io::Result<()> {
    let mut rows = asked(session);
    if let Some(status) = &session.status {
        rows.extend(judged(status, &session.spec.container));
        rows.extend(ran(status));
    }
    let mut before = "";
    for (label, text) in rows {
        let heading = if label == before {
            String::new()
        } else {
            format!("{label}:")
        };
        // A reason of several lines must not look like lines of ours.
        let text = shown(&text).replace('\n', "\n             | ");
        printer.line(format!("{heading:<12} {text}").trim_end())?;
        before = label;
    }
    Ok(())
}

/// Who asked for what, and why.
fn asked(session: &DebugSession) -> Vec<Row> {
    let spec = &session.spec;
    let namespace = session.namespace().unwrap_or_default();
    let requester = spec
        .requester
        .as_ref()
        .map_or_else(String::new, |requester| {
            let groups: Vec<&str> = requester.groups.iter().map(String::as_str).collect();
            format!("{} ({})", requester.username, groups.join(", "))
        });
    let uid = spec.pod.uid.as_deref().unwrap_or("unknown");
    let ticket = Some(spec.ticket.clone()).filter(|ticket| !ticket.is_empty());
    let mut rows = vec![
        ("Session", format!("{namespace}/{}", session.name_any())),
        ("Phase", format!("{:?}", phase(session))),
        ("Message", message(session)),
        ("Requester", requester),
        ("Pod", format!("{} (uid {uid})", spec.pod.name)),
        ("Reason", spec.reason.clone()),
        ("Ticket", ticket.unwrap_or_else(|| "none".into())),
    ];
    for checked in &spec.checked {
        let surface = format!("{:?}", checked.surface).to_lowercase();
        rows.push(("Checked", format!("{surface}: {}", checked.fell_short)));
    }
    rows.push(("Duration", format!("{}s", spec.duration_seconds)));
    rows
}

/// On which terms, and who said what to them.
fn judged(status: &DebugSessionStatus, written: &Value) -> Vec<Row> {
    let mut container = status.container.as_ref().unwrap_or(written).clone();
    container["name"] = status.handle.clone().into();
    let mut rows = vec![("Container", container.to_string())];
    rows.extend(status.spec_hash.clone().map(|hash| ("Spec hash", hash)));
    let exposed = sentences(status.exposure.as_ref());
    rows.extend(exposed.into_iter().map(|line| ("Exposes", line)));
    if status.spec_hash.is_some() {
        rows.push(("Needs", needs(&status.quorum)));
    }
    for given in &status.approvals {
        let (verdict, at) = (given.verdict, given.at.0);
        let who = &given.approver;
        rows.push((
            "Verdict",
            format!("{verdict:?} by {who} at {at:.0} {}", given.comment),
        ));
    }
    rows
}

/// What ran, and how it ended.
fn ran(status: &DebugSessionStatus) -> Vec<Row> {
    let started = status.started.as_ref().map(|started| {
        let (image, node, at) = (&started.image_id, &started.node, started.at.0);
        ("Ran", format!("{image} on node {node} from {at:.0}"))
    });
    let ended = status.exit.as_ref().map(|exit| {
        let code = exit
            .code
            .map_or_else(|| "unknown".into(), |code| code.to_string());
        (
            "Ended",
            format!("exit code {code} ({}) {}", exit.reason, exit.message),
        )
    });
    started.into_iter().chain(ended).collect()
}

/// What an exposure says in words.
pub(crate) fn sentences(exposure: Option<&Value>) -> Vec<String> {
    let words = exposure.and_then(|exposure| exposure["inWords"].as_array());
    words
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Who must agree.
pub(crate) fn needs(quorum: &[Quorum]) -> String {
    if quorum.is_empty() {
        return "no approval".to_owned();
    }
    let groups: Vec<String> = quorum
        .iter()
        .map(|q| format!("{} of group {}", q.count, q.group))
        .collect();
    format!("approval by {}, never by who asks", groups.join(" and "))
}
