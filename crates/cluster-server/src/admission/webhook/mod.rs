//! Admission webhooks: who is asked, how, and what their answers mean.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook`. **Invariant:** an answer that does not come, cannot be read
//! or belongs to another question counts as a failure, and a failure admits only where `failurePolicy` is `Ignore`.

mod answer;
mod call;
mod client;
mod matching;
mod patch;
mod target;

use std::collections::BTreeSet;

use serde_json::{Value, json};

pub(super) use client::Client;

use super::{Chain, Request};
use crate::audit::Level;
use crate::error::ApiError;
use crate::kinds::names;
use crate::store::Store;
use answer::{Answer, Half};
use call::CallError;

const MUTATING: &str = "mutatingwebhookconfigurations.admissionregistration.k8s.io";
const VALIDATING: &str = "validatingwebhookconfigurations.admissionregistration.k8s.io";

/// One webhook of one configuration.
struct Hook {
    configuration: String,
    name: String,
    value: Value,
}

impl Hook {
    /// Whether a failed call lets the request through. Anything but `Ignore` does not.
    fn fails_open(&self) -> bool {
        self.value["failurePolicy"] == "Ignore"
    }
}

/// What is remembered between the two turns of mutation (`webhookReinvokeContext`): in the second, only those are
/// asked who were asked before, wish to be asked again, and have not seen what came after them.
#[derive(Default)]
pub(super) struct Turns {
    /// Whether a webhook has changed the object, so that a second turn is due.
    pub(super) changed: bool,
    second: bool,
    asked: BTreeSet<(String, String)>,
    due: BTreeSet<(String, String)>,
    output: Option<Value>,
}

impl Turns {
    /// The second turn begins with this object. If it is not what the webhooks left, all that wish to see it again do.
    pub(super) fn begin_second(&mut self, object: Option<&Value>) {
        self.second = true;
        if self.output.as_ref() != object {
            self.require_asked();
        }
    }

    fn require_asked(&mut self) {
        self.due.append(&mut self.asked);
    }
}

/// The webhooks of all configurations, ordered by configuration name and place in it.
fn hooks(store: &Store, resource: &str) -> Vec<Hook> {
    let mut all = Vec::new();
    for stored in store.list(resource, None).0 {
        let configuration = stored.value["metadata"]["name"]
            .as_str()
            .unwrap_or_default();
        for value in stored.value["webhooks"].as_array().into_iter().flatten() {
            let name = value["name"].as_str().unwrap_or_default().to_owned();
            all.push(Hook {
                configuration: configuration.to_owned(),
                name,
                value: value.clone(),
            });
        }
    }
    all
}

/// Asks the mutating webhooks one after the other, each about the object as the one before left it.
pub(super) async fn mutate(
    chain: &Chain,
    request: &mut Request,
    turns: &mut Turns,
) -> Result<(), ApiError> {
    for (index, hook) in hooks(&chain.store, MUTATING).into_iter().enumerate() {
        let id = (hook.configuration.clone(), hook.name.clone());
        if turns.second && !turns.due.contains(&id) {
            continue;
        }
        let Some(version) = matching::applies(chain, &hook, request)? else {
            continue;
        };
        let place = format!("round_{}_index_{index}", usize::from(turns.second));
        let outcome = call::ask(chain, &hook, request, &version, Half::Mutating).await;
        let key = format!("mutation.webhook.admission.k8s.io/{place}");
        let changed = match settle(&hook, request, outcome, &key) {
            Ok(Some(answer)) => apply(chain, &hook, request, &answer, &place),
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        let mutated = matches!(changed, Ok(true));
        let note =
            json!({"configuration": hook.configuration, "webhook": hook.name, "mutated": mutated});
        request
            .annotations
            .insert_json_at(Level::Metadata, key, &note);
        if changed? {
            turns.changed = true;
            turns.require_asked();
        }
        if hook.value["reinvocationPolicy"] == "IfNeeded" {
            turns.asked.insert(id);
        }
    }
    turns.output.clone_from(&request.object);
    Ok(())
}

/// Asks the validating webhooks all at once.
pub(super) async fn validate(chain: &Chain, request: &mut Request) -> Result<(), ApiError> {
    let mut asked = Vec::new();
    for hook in hooks(&chain.store, VALIDATING) {
        if let Some(version) = matching::applies(chain, &hook, request)? {
            asked.push((hook, version));
        }
    }
    let calls = asked
        .iter()
        .map(|(hook, version)| call::ask(chain, hook, request, version, Half::Validating));
    let outcomes = futures::future::join_all(calls).await;
    let mut refusal = None;
    for (index, ((hook, _), outcome)) in asked.iter().zip(outcomes).enumerate() {
        let key = format!("validating.webhook.admission.k8s.io/round_0_index_{index}");
        // Warnings and annotations of all are kept; the first refusal is the answer.
        if let Err(error) = settle(hook, request, outcome, &key) {
            refusal = refusal.or(Some(error));
        }
    }
    refusal.map_or(Ok(()), Err)
}

/// Takes what an answer says for the request; `None` if there was none and that is to be ignored.
fn settle(
    hook: &Hook,
    request: &mut Request,
    outcome: Result<Answer, CallError>,
    key: &str,
) -> Result<Option<Answer>, ApiError> {
    match outcome {
        Ok(answer) => {
            request.warnings.extend(answer.warnings.iter().cloned());
            for (key, value) in &answer.annotations {
                let key = format!("{}/{key}", hook.name);
                if names::qualified(&key).is_empty() {
                    request.annotations.insert(key, value.clone());
                } else {
                    tracing::warn!(key, "no key of an audit annotation");
                }
            }
            match &answer.refusal {
                Some(refusal) => Err(refusal.clone()),
                None => Ok(Some(answer)),
            }
        }
        Err(CallError::DryRun) => Err(ApiError::bad_request(format!(
            "admission webhook {:?} does not support dry run",
            hook.name
        ))),
        Err(error) if hook.fails_open() => {
            tracing::warn!(webhook = hook.name, %error, "webhook failed, and its failurePolicy is Ignore");
            request
                .annotations
                .insert(format!("failed-open.{key}"), hook.name.clone());
            Ok(None)
        }
        Err(error) => Err(ApiError::internal(format!(
            "failed calling webhook {:?}: {error}",
            hook.name
        ))),
    }
}

/// Applies an answer's patch; whether the object is another one now.
fn apply(
    chain: &Chain,
    hook: &Hook,
    request: &mut Request,
    answer: &Answer,
    place: &str,
) -> Result<bool, ApiError> {
    let Some(patch) = answer.patch.as_ref().filter(|patch| !patch.is_empty()) else {
        return Ok(false);
    };
    let before = request.object.clone().ok_or_else(|| {
        ApiError::internal(format!(
            "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
            hook.name
        ))
    })?;
    let mut object = patch.apply(&before).map_err(ApiError::internal)?;
    // The webhook may have been asked in another version of the same object.
    object["apiVersion"] = before["apiVersion"].clone();
    let resource = &request.resource;
    if let Some(kind) = chain
        .kinds
        .resolve(&resource.group, &resource.version, &resource.resource)
        && kind.kind == request.kind.kind
    {
        object = (kind.decode)(object)
            .map_err(|error| ApiError::internal(error.message))?
            .object;
        kind.strategy.default(&mut object);
    }
    let note = json!({
        "configuration": hook.configuration, "webhook": hook.name,
        "patch": patch.written, "patchType": "JSONPatch",
    });
    let key = format!("patch.webhook.admission.k8s.io/{place}");
    request
        .annotations
        .insert_json_at(Level::Request, key, &note);
    let changed = object != before;
    request.object = Some(object);
    Ok(changed)
}
