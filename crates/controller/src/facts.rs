//! Asking the one function that decides.

use api::DebugApproval;
use policy::{Act, By, Decision, Facts};
use serde_json::Value;
use session::event::{Denial, Surroundings};
use session::{Approval, Container, Event, Session};

use crate::cluster::CallError;
use crate::drive::Controller;

/// The decision on adding this container now, and the cluster as it was read for it.
pub(crate) async fn decide(
    controller: &Controller,
    session: &Session,
    pod: Value,
    container: Container,
) -> Result<Decision, CallError> {
    let request = &session.request;
    let namespace = &request.session.namespace;
    let cluster = &controller.cluster;
    let (labels, policies, approvals) = futures::try_join!(
        cluster.namespace_labels(namespace),
        cluster.policies(),
        cluster.approvals(namespace),
    )?;
    let policies = api::policies(&policies).map_err(|error| CallError {
        what: "understanding every DebugPolicy (correct or delete the one that is named)".into(),
        source: Box::new(error),
    })?;
    let facts = Facts {
        pod,
        // Of a namespace that is gone nothing is known: no labels would fit every `NotIn`. Its Pods go with it.
        namespace_labels: labels.ok_or_else(|| CallError {
            what: format!("reading namespace {namespace}"),
            source: "there is none".into(),
        })?,
        container,
        act: Act::Enter {
            by: By::expected(request),
        },
        approvals: standing(session.phase.approvals(), &approvals),
        open_until: None,
    };
    Ok(policy::evaluate(
        &policies,
        request,
        &facts,
        controller.journal.now(),
    ))
}

/// The recorded verdicts whose objects are still there and still say the same.
pub(crate) fn standing(recorded: &[Approval], live: &[DebugApproval]) -> Vec<Approval> {
    let stands = |approval: &&Approval| {
        live.iter()
            .any(|object| api::approval(object, approval.at).is_ok_and(|found| found == **approval))
    };
    recorded.iter().filter(stands).cloned().collect()
}

/// What is found around the ask. What cannot be read is empty, and the record says so.
pub(crate) async fn surroundings(controller: &Controller, session: &Session) -> Surroundings {
    let request = &session.request;
    let (version, rights) = futures::join!(
        controller.cluster.version(),
        controller.cluster.rights(&request.requester, &request.pod),
    );
    Surroundings {
        cluster_version: noted(version),
        requester_rights: noted(rights),
    }
}

/// The answer, or nothing with a line in our log.
pub(crate) fn noted<T: Default>(answer: Result<T, CallError>) -> T {
    answer.unwrap_or_else(|error| {
        tracing::warn!(%error, cause = %error.source, "left out of the record");
        T::default()
    })
}

/// A refusal in somebody's words.
pub(crate) fn denied(why: impl Into<String>) -> Event {
    refused([why.into()])
}

/// A refusal by rules, as far as an entry has room for their sentences.
pub(crate) fn refused(sentences: impl IntoIterator<Item = String>) -> Event {
    let mut sentences = sentences.into_iter();
    let mut why = Vec::new();
    why.extend(sentences.by_ref().take(MOST_SENTENCES).map(|s| short(&s)));
    let more = sentences.count();
    if more > 0 {
        why.push(format!("and {more} more"));
    }
    Event::Denied(Denial { why, by: None })
}

/// So many sentences of a refusal are kept.
const MOST_SENTENCES: usize = 24;

/// So many characters of a text of somebody else's making are kept.
const LONGEST: usize = 1024;

/// The text, as far as an entry has room for it.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
