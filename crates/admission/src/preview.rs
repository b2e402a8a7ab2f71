//! What would be decided, for a client that asks before it asks.

use api::DebugSession;
use policy::{Act, By, Decision};
use serde_json::{Value, json};

use crate::facts;
use crate::gate::Gate;
use crate::review::{Answer, Review};

/// UID of a session that is not stored. Its spec hash is therefore nobody's, and is not shown.
const NOBODY: &str = "00000000-0000-0000-0000-000000000000";

/// Decision, quorum, findings and exposure as JSON.
///
/// The container is judged as it was written: what the API server or another webhook would add to it is
/// seen first by the controller's dry run. So a preview can differ from the decision, and says no more
/// than what this ask would expose.
pub(crate) async fn preview(
    gate: &Gate,
    review: &Review,
    mut stamped: Value,
    pod: Value,
) -> Result<Value, Answer> {
    stamped["metadata"]["uid"] = NOBODY.into();
    stamped["metadata"]["namespace"] = review.namespace.clone().into();
    if stamped["metadata"]["name"].is_null() {
        stamped["metadata"]["name"] = "preview".into();
    }
    let object: DebugSession = serde_json::from_value(stamped)
        .map_err(|error| Answer::invalid(format!("this is no DebugSession: {error}")))?;
    let request = api::request(&object).map_err(|error| Answer::invalid(error.to_string()))?;
    let live = facts::of_ask(gate, &request, pod).await?;
    let act = Act::Enter {
        by: By::expected(&request),
    };
    let container = request.container.named(&request.handle());
    let decision = live.decide(gate, &request, container, act, None);
    let mut shown = json!({"decision": decision.name()});
    match decision {
        Decision::Permit(permit) => {
            shown["quorum"] = json!([]);
            shown["exposure"] = permit.exposure().to_json();
        }
        Decision::NeedsApproval(pending) => {
            let quorum = pending.quorum().iter();
            shown["quorum"] = quorum
                .map(|q| json!({"group": q.group, "count": q.count}))
                .collect();
            shown["exposure"] = pending.exposure().to_json();
        }
        Decision::Denied(denied) => {
            shown["findings"] = denied
                .findings
                .iter()
                .map(|finding| {
                    json!({
                        "policy": finding.policy.as_ref().map(|p| &p.name),
                        "field": finding.field,
                        "found": finding.found,
                        "accepted": finding.accepted,
                    })
                })
                .collect();
        }
    }
    Ok(shown)
}
