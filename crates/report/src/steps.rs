//! Every step with its time, in a few words.

use ledger::entry::{Body, Entry};

use crate::reading::kind;
use crate::record::Step;

pub(crate) fn of(entries: &[(u64, Entry)]) -> Vec<Step> {
    entries
        .iter()
        .map(|(index, entry)| Step {
            at: entry.at,
            entry: *index,
            kind: kind(&entry.body).to_owned(),
            summary: summary(&entry.body),
        })
        .collect()
}

fn summary(body: &Body) -> String {
    match body {
        Body::Opened { writer } => format!("the log was opened by {writer}"),
        Body::Refused(refused) => format!("{} was refused: {}", refused.by.username, refused.why),
        Body::Requested(request) => format!(
            "{} asked to visit Pod {}/{}",
            request.requester.username, request.pod.namespace, request.pod.name
        ),
        Body::Proposed(terms) => format!("possible on terms {}", terms.spec_hash),
        Body::Judged(approval) => match approval.verdict.as_str() {
            "Approve" => format!("{} said yes", approval.approver.username),
            _ => format!(
                "{} said no: {}",
                approval.approver.username, approval.comment
            ),
        },
        Body::Granted(grant) => format!("granted, to be used before {:.0}", grant.use_until),
        Body::Denied(denial) => match &denial.by {
            Some(person) => format!("{} refused: {}", person.username, denial.why.join("; ")),
            None => format!("refused: {}", denial.why.join("; ")),
        },
        Body::Reserved(reservation) => format!(
            "admission promised {} to {}",
            reservation.container, reservation.by.username
        ),
        Body::Voided { why } => format!("the promise is void: {why}"),
        Body::Committed(commit) => {
            format!(
                "the container was seen in the Pod; to be over by {:.0}",
                commit.deadline
            )
        }
        Body::Started(started) => {
            format!(
                "its process runs on node {} since {}",
                started.node.name, started.started_at
            )
        }
        Body::Attached(attached) => format!(
            "{} was let in by {} {}",
            attached.by.username,
            attached.door,
            attached.command.join(" ")
        )
        .trim_end()
        .to_owned(),
        Body::Overstayed {} => "the deadline passed and it still runs".to_owned(),
        Body::Ended(exit) => match exit.code {
            Some(code) => format!("it ended with status {code} ({})", exit.reason),
            None => format!("it ended, nobody can say how ({})", exit.reason),
        },
        Body::Closed(closing) => {
            format!("the books were closed; the Pod was {}", closing.pod_phase)
        }
        Body::Withdrawn { by } => format!("{} took it back", by.username),
        Body::Expired { why } => format!("too late: {why}"),
        Body::Failed { why } => format!("it failed: {why}"),
        Body::Lost { why } => format!("the Pod went away first: {why}"),
    }
}
