//! Admission webhooks: who is asked, how, and what their answers mean.
//!
//! Source: `k8s.io/apiserver/pkg/admission/plugin/webhook`. **Invariant:** an answer that does not come, cannot be read
//! or belongs to another question counts as a failure, and a failure admits only where `failurePolicy` is `Ignore`.

mod call;
mod client;
mod matching;

use serde_json::{Value, json};

pub(super) use client::Client;

use super::{Chain, Operation, Request};
use crate::error::ApiError;
use crate::store::Store;
use call::{Answer, CallError};

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

/// Which turn of mutation it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// Everybody is asked.
    First,
    /// Those before the webhook of this index, which made the last change, are asked again if they wish to be.
    Again(usize),
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

/// Asks the mutating webhooks one after the other; the answer is the index of the last one that changed the object.
pub(super) async fn mutate(
    chain: &Chain,
    request: &mut Request,
    round: Round,
) -> Result<Option<usize>, ApiError> {
    let mut last_change = None;
    for (index, hook) in hooks(&chain.store, MUTATING).into_iter().enumerate() {
        if let Round::Again(changed_by) = round
            && (index >= changed_by || hook.value["reinvocationPolicy"] != "IfNeeded")
        {
            continue;
        }
        let Some(version) = matching::applies(chain, &hook, request)? else {
            continue;
        };
        let number = usize::from(round != Round::First);
        let key = format!("mutation.webhook.admission.k8s.io/round_{number}_index_{index}");
        let outcome = call::ask(&chain.webhooks, &hook, request, &version).await;
        let Some(answer) = settle(&hook, request, outcome, &key)? else {
            continue;
        };
        let changed = apply(chain, &hook, request, &answer)?;
        let note =
            json!({"configuration": hook.configuration, "webhook": hook.name, "mutated": changed});
        request.annotations.insert(key, note.to_string());
        if changed {
            last_change = Some(index);
        }
    }
    Ok(last_change)
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
        .map(|(hook, version)| call::ask(&chain.webhooks, hook, request, version));
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
                request
                    .annotations
                    .insert(format!("{}/{key}", hook.name), value.clone());
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
) -> Result<bool, ApiError> {
    let Some(patch) = &answer.patch else {
        return Ok(false);
    };
    let failed =
        |why: String| ApiError::internal(format!("failed calling webhook {:?}: {why}", hook.name));
    let before = request
        .object
        .clone()
        .ok_or_else(|| failed("a deletion cannot be patched".into()))?;
    let mut object = before.clone();
    let patch: json_patch::Patch = serde_json::from_slice(patch).map_err(|error| {
        failed(format!(
            "received undecodable patch in webhook response: {error}"
        ))
    })?;
    json_patch::patch(&mut object, &patch)
        .map_err(|error| failed(format!("failed to apply webhook's patch: {error}")))?;
    // The webhook may have been asked in another version of the same object.
    object["apiVersion"] = before["apiVersion"].clone();
    let resource = &request.resource;
    if let Some(kind) = chain
        .kinds
        .resolve(&resource.group, &resource.version, &resource.resource)
        && request.operation != Operation::Connect
    {
        object = (kind.decode)(object)?.object;
        kind.strategy.default(&mut object);
    }
    let changed = object != before;
    request.object = Some(object);
    Ok(changed)
}
