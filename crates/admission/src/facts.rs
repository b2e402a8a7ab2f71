//! Gathering what a decision rests on, live and at once.

use std::collections::BTreeMap;

use api::{DebugApproval, DebugPolicy};
use futures::future;
use policy::{Act, Decision, Facts, Policy};
use serde_json::Value;
use session::{Approval, Container, Request, Session};

use crate::gate::Gate;
use crate::{Answer, Cluster, ReadError, pod};

/// What was read live.
pub(crate) struct Live {
    pub(crate) pod: Value,
    pub(crate) namespace_labels: BTreeMap<String, String>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) approvals: Vec<Approval>,
}

impl Live {
    /// Asks the one function that decides.
    pub(crate) fn decide(
        self,
        gate: &Gate,
        request: &Request,
        container: Container,
        act: Act,
        phase: Option<&session::Phase>,
    ) -> Decision {
        let facts = Facts {
            pod: self.pod,
            namespace_labels: self.namespace_labels,
            container,
            act,
            approvals: self.approvals,
            open_until: phase.and_then(session::Phase::open_until),
        };
        policy::evaluate(&self.policies, request, &facts, gate.journal.now())
    }
}

/// Everything about a session that the log knows: its Pod, its object and the verdicts that are still there.
pub(crate) async fn of_session(gate: &Gate, session: &Session) -> Result<Live, Answer> {
    let request = &session.request;
    let namespace = &request.session.namespace;
    let cluster = gate.cluster.as_ref();
    let (found, labels, policies, object, approvals) = future::join5(
        cluster.pod(namespace, &request.pod.name),
        cluster.namespace_labels(namespace),
        cluster.policies(),
        cluster.session(namespace, &request.session.name),
        cluster.approvals(namespace),
    )
    .await;
    let object = known(object)?.ok_or_else(|| {
        Answer::forbidden(format!(
            "session {} has no object any more: ask again",
            request.session.name
        ))
    })?;
    // An object written while no webhook looked, or put back from a backup, is not what was asked.
    match api::request(&object) {
        Ok(asked) if asked == *request => {}
        _ => {
            return Err(Answer::forbidden(format!(
                "session {} is not as it was recorded: ask again",
                request.session.name
            )));
        }
    }
    Ok(Live {
        pod: same_pod(known(found)?, request)?,
        namespace_labels: labels_of(labels, namespace)?,
        policies: readable(&known(policies)?)?,
        approvals: standing(session.phase.approvals(), &known(approvals)?),
    })
}

/// What a preview rests on: there is no object and no verdict yet.
pub(crate) async fn of_ask(gate: &Gate, request: &Request, found: Value) -> Result<Live, Answer> {
    let namespace = &request.session.namespace;
    let (labels, policies) = future::join(
        gate.cluster.namespace_labels(namespace),
        gate.cluster.policies(),
    )
    .await;
    Ok(Live {
        pod: same_pod(Some(found), request)?,
        namespace_labels: labels_of(labels, namespace)?,
        policies: readable(&known(policies)?)?,
        approvals: Vec::new(),
    })
}

/// A live read that told something, or a no that says it did not.
pub(crate) fn known<T>(read: Result<T, ReadError>) -> Result<T, Answer> {
    read.map_err(|error| {
        tracing::warn!(%error, cause = %error.source, "a live read failed, so the answer is no");
        Answer::unavailable(format!("{error}, so the answer is no: try again"))
    })
}

/// The Pod, read live, or a no if there is none.
pub(crate) async fn live_pod(
    cluster: &dyn Cluster,
    namespace: &str,
    name: &str,
) -> Result<Value, Answer> {
    known(cluster.pod(namespace, name).await)?.ok_or_else(|| {
        Answer::forbidden(format!("there is no Pod {name} in namespace {namespace}"))
    })
}

fn same_pod(found: Option<Value>, request: &Request) -> Result<Value, Answer> {
    let name = &request.pod.name;
    let found =
        found.ok_or_else(|| Answer::forbidden(format!("there is no Pod {name} any more")))?;
    if pod::uid(&found) == request.pod.uid {
        return Ok(found);
    }
    Err(Answer::forbidden(format!(
        "the Pod that is called {name} now (uid {}) is not the one of session {} (uid {}): ask again",
        pod::uid(&found),
        request.session.name,
        request.pod.uid
    )))
}

fn labels_of(
    read: Result<Option<BTreeMap<String, String>>, ReadError>,
    namespace: &str,
) -> Result<BTreeMap<String, String>, Answer> {
    known(read)?.ok_or_else(|| Answer::forbidden(format!("there is no namespace {namespace}")))
}

/// One policy that cannot be understood might be the guard that says no: so none can be relied on.
fn readable(policies: &[DebugPolicy]) -> Result<Vec<Policy>, Answer> {
    api::policies(policies).map_err(|error| {
        Answer::unavailable(format!(
            "a DebugPolicy cannot be understood, so the answer is no; correct or delete it: {error}"
        ))
    })
}

/// The recorded verdicts whose objects are still there and still say the same.
fn standing(recorded: &[Approval], live: &[DebugApproval]) -> Vec<Approval> {
    recorded
        .iter()
        .filter(|approval| {
            live.iter().any(|object| {
                api::approval(object, approval.at).is_ok_and(|found| found == **approval)
            })
        })
        .cloned()
        .collect()
}
