//! What a person reads of a session, on one screen.

use api::DebugSession;
use api::debug_policy::Quorum;
use kube::ResourceExt;
use serde_json::Value;

use crate::printer::{Printer, shown};
use crate::wait::{message, phase};

/// A session with its container and exposure, as an approver needs it.
pub(crate) fn print(session: &DebugSession, printer: Printer) -> std::io::Result<()> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let spec = &session.spec;
    rows.push((
        "Session",
        format!(
            "{}/{}",
            session.namespace().unwrap_or_default(),
            session.name_any()
        ),
    ));
    rows.push(("Phase", format!("{:?}", phase(session))));
    rows.push(("Message", message(session)));
    let requester = spec.requester.as_ref();
    let groups = requester
        .map(|r| r.groups.iter().cloned().collect::<Vec<_>>().join(", "))
        .unwrap_or_default();
    rows.push((
        "Requester",
        format!(
            "{} ({groups})",
            requester.map(|r| r.username.as_str()).unwrap_or_default()
        ),
    ));
    rows.push((
        "Pod",
        format!(
            "{} (uid {})",
            spec.pod.name,
            spec.pod.uid.as_deref().unwrap_or("unknown")
        ),
    ));
    rows.push(("Reason", spec.reason.clone()));
    rows.push((
        "Ticket",
        if spec.ticket.is_empty() {
            "none".into()
        } else {
            spec.ticket.clone()
        },
    ));
    for checked in &spec.checked {
        rows.push((
            "Checked",
            format!("{:?}: {}", checked.surface, checked.fell_short).to_lowercase(),
        ));
    }
    rows.push(("Duration", format!("{}s", spec.duration_seconds)));
    if let Some(status) = &session.status {
        let container = status.container.as_ref().unwrap_or(&spec.container);
        rows.push((
            "Container",
            serde_json::to_string(container).unwrap_or_default(),
        ));
        rows.push((
            "Spec hash",
            status
                .spec_hash
                .clone()
                .unwrap_or_else(|| "not decided yet".into()),
        ));
        rows.extend(
            sentences(status.exposure.as_ref())
                .into_iter()
                .map(|line| ("Exposes", line)),
        );
        rows.push(("Needs", needs(&status.quorum)));
        for given in &status.approvals {
            rows.push((
                "Verdict",
                format!(
                    "{:?} by {} at {} {}",
                    given.verdict, given.approver, given.at.0, given.comment
                ),
            ));
        }
        if let Some(started) = &status.started {
            rows.push((
                "Runs",
                format!(
                    "{} on {} since {}",
                    started.image_id, started.node, started.at.0
                ),
            ));
        }
        if let Some(exit) = &status.exit {
            let code = exit
                .code
                .map_or("unknown".to_owned(), |code| code.to_string());
            rows.push((
                "Ended",
                format!("exit code {code} ({}) {}", exit.reason, exit.message),
            ));
        }
    }
    let mut before = "";
    for (label, text) in rows {
        let heading = if label == before {
            String::new()
        } else {
            format!("{label}:")
        };
        printer.line(format!("{heading:<12} {}", shown(&text)).trim_end())?;
        before = label;
    }
    Ok(())
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
