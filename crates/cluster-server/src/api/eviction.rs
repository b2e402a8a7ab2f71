//! `pods/eviction`: a delete that asks the Pod's PodDisruptionBudget first.
//!
//! Source: `pkg/registry/core/pod/storage/eviction.go`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Api, Context, DeleteOptions, Target, admission_request, meta};
use crate::admission::selector::matches_labels;
use crate::admission::{GroupVersionKind, Operation};
use crate::error::ApiError;
use crate::store::{Object, StoreError};

const BUDGETS: &str = "poddisruptionbudgets.policy";
/// How often an eviction is tried against others.
const TRIES: usize = 50;
/// How many evictions may wait for the budget's controller to see them.
const DISRUPTED: usize = 2000;

/// What an eviction came to.
pub enum Evicted {
    /// The Pod is gone, or going.
    Deleted,
    /// A `Status` of failure that Kubernetes sends as the answer of a create that worked.
    Unanswerable(Value),
}

impl Api {
    /// Deletes a Pod, unless a PodDisruptionBudget forbids it (`EvictionREST.Create`).
    ///
    /// # Errors
    /// 400 another Pod is named · 403 admission · 404 · 409 preconditions · 429 the budget does not allow it now.
    pub async fn evict(
        &self,
        ctx: &Context,
        target: &Target,
        eviction: &Value,
    ) -> Result<Evicted, ApiError> {
        if meta(eviction, "name") != target.name {
            return Err(ApiError::bad_request(
                "name in URL does not match name in Eviction object",
            ));
        }
        let mut ctx = ctx.clone();
        let asked = &eviction["deleteOptions"];
        if !asked.is_null() {
            ctx.dry_run |= DeleteOptions::is_dry_run(asked)?;
        }
        let options = DeleteOptions::from_value(asked)?;
        self.admit_eviction(&ctx, target, eviction).await?;
        let pod = Target {
            subresource: String::new(),
            ..target.clone()
        };
        for _ in 0..TRIES {
            let found = self.get(&pod)?;
            let (outcome, ours) = if ignores_budgets(&found.value) {
                let enforced = !is_ended(&found.value);
                self.delete_as_seen(&ctx, &pod, &options, &found, enforced)
                    .await
            } else {
                match self.permit(&ctx, target, &found).await? {
                    Permit::Unanswerable(status) => return Ok(Evicted::Unanswerable(status)),
                    Permit::Granted => {
                        self.delete_as_seen(&ctx, &pod, &options, &found, false)
                            .await
                    }
                    Permit::Unready(budget) => {
                        let (outcome, ours) = self
                            .delete_as_seen(&ctx, &pod, &options, &found, true)
                            .await;
                        match outcome {
                            Err(error) if ours && error.code == 409 => {
                                return Err(still_processed(&budget));
                            }
                            outcome => (outcome, false),
                        }
                    }
                }
            };
            match outcome {
                Ok(()) => return Ok(Evicted::Deleted),
                Err(error) if ours && error.code == 409 => {}
                Err(error) => return Err(error),
            }
        }
        Err(ApiError::modified("", "pods", &target.name))
    }

    async fn admit_eviction(
        &self,
        ctx: &Context,
        target: &Target,
        eviction: &Value,
    ) -> Result<(), ApiError> {
        let mut request = admission_request(ctx, target, Operation::Create);
        request.kind = GroupVersionKind {
            group: "policy".to_owned(),
            version: "v1".to_owned(),
            kind: "Eviction".to_owned(),
        };
        request.options = Some(ctx.options("CreateOptions"));
        request.object = Some(eviction.clone());
        self.mutate(&mut request, ctx).await?;
        self.validate(&mut request, ctx).await
    }

    /// Deletes the Pod, as it was seen if `enforced` and the client does not name a revision itself. The flag that comes
    /// back says whether that condition was ours.
    async fn delete_as_seen(
        &self,
        ctx: &Context,
        pod: &Target,
        options: &DeleteOptions,
        seen: &Object,
        enforced: bool,
    ) -> (Result<(), ApiError>, bool) {
        let mut options = options.clone();
        let ours = enforced && options.preconditions.resource_version.is_none();
        if ours {
            let revision = meta(&seen.value, "resourceVersion").to_owned();
            options.preconditions.resource_version = Some(revision);
        }
        (
            self.delete_admitted(ctx, pod, &options).await.map(drop),
            ours,
        )
    }

    async fn permit(
        &self,
        ctx: &Context,
        target: &Target,
        pod: &Object,
    ) -> Result<Permit, ApiError> {
        for _ in 0..TRIES {
            let (all, _) = self.store.list(BUDGETS, Some(&target.namespace));
            let covers = |budget: &&Arc<Object>| {
                let selector = &budget.value["spec"]["selector"];
                !is_empty(selector) && matches_labels(selector, &pod.value["metadata"]["labels"])
            };
            let budgets: Vec<&Arc<Object>> = all.iter().filter(covers).collect();
            let budget = match budgets.as_slice() {
                [] => return Ok(Permit::Granted),
                [one] => *one,
                _ => return Ok(Permit::Unanswerable(several())),
            };
            let name = meta(&budget.value, "name");
            if !is_ready(&pod.value) && may_go_unready(&budget.value) {
                return Ok(Permit::Unready(name.to_owned()));
            }
            let changed = decremented(&budget.value, &target.name, &self.clock.now_text())?;
            if ctx.dry_run {
                return Ok(Permit::Granted);
            }
            let stored = self
                .store
                .update(BUDGETS, &target.namespace, name, budget.revision, changed)
                .await;
            match stored {
                Ok(_) => return Ok(Permit::Granted),
                Err(StoreError::Conflict | StoreError::NotFound) => {}
                Err(error) => return Err(ApiError::internal(error)),
            }
        }
        Err(ApiError::modified("policy", "poddisruptionbudgets", ""))
    }
}

/// What the budgets say.
enum Permit {
    Granted,
    /// The Pod does not count, as long as it is not ready.
    Unready(String),
    Unanswerable(Value),
}

fn is_ended(pod: &Value) -> bool {
    matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    ) || !meta(pod, "deletionTimestamp").is_empty()
}

/// `canIgnorePDB`: what ends or has not begun is no loss.
fn ignores_budgets(pod: &Value) -> bool {
    is_ended(pod) || pod["status"]["phase"] == "Pending"
}

fn is_empty(selector: &Value) -> bool {
    let none = |key: &str| match &selector[key] {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    };
    none("matchLabels") && none("matchExpressions")
}

/// Whether a Pod is ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let mut all = pod["status"]["conditions"].as_array().into_iter().flatten();
    all.any(|one| one["type"] == "Ready" && one["status"] == "True")
}

fn count(budget: &Value, key: &str) -> i64 {
    budget["status"][key].as_i64().unwrap_or(0)
}

fn may_go_unready(budget: &Value) -> bool {
    let desired = count(budget, "desiredHealthy");
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        || (count(budget, "currentHealthy") >= desired && desired > 0)
}

/// `checkAndDecrement`: the budget with one disruption less.
fn decremented(budget: &Value, pod: &str, now: &str) -> Result<Value, ApiError> {
    let name = meta(budget, "name");
    let forbidden = |why: &str| {
        Err(ApiError::forbidden(
            "policy",
            "poddisruptionbudget",
            name,
            why,
        ))
    };
    let generation = budget["metadata"]["generation"].as_i64().unwrap_or(0);
    if count(budget, "observedGeneration") < generation {
        return Err(still_processed(name));
    }
    let allowed = count(budget, "disruptionsAllowed");
    if allowed < 0 {
        return forbidden("pdb disruptions allowed is negative");
    }
    let disrupted = budget["status"]["disruptedPods"].as_object();
    if disrupted.is_some_and(|pods| pods.len() > DISRUPTED) {
        return forbidden(
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        );
    }
    if allowed == 0 {
        return Err(refused(budget));
    }
    let mut new = budget.clone();
    new["status"]["disruptionsAllowed"] = (allowed - 1).into();
    new["status"]["disruptedPods"][pod] = now.into();
    if allowed == 1 {
        set_allowed_condition(&mut new["status"], now);
    }
    Ok(new)
}

/// `UpdateDisruptionAllowedCondition`, of a budget's status.
pub(crate) fn set_allowed_condition(status: &mut Value, now: &str) {
    let (holds, reason) = if status["disruptionsAllowed"].as_i64().unwrap_or(0) > 0 {
        ("True", "SufficientPods")
    } else {
        ("False", "InsufficientPods")
    };
    set_condition(status, holds, reason, "", now);
}

/// Sets the one condition of a budget; its time is when its status changed.
pub(crate) fn set_condition(
    status: &mut Value,
    holds: &str,
    reason: &str,
    message: &str,
    now: &str,
) {
    let generation = status["observedGeneration"].clone();
    let list = status["conditions"].as_array().cloned().unwrap_or_default();
    let known = list.iter().find(|one| one["type"] == "DisruptionAllowed");
    let since = known
        .filter(|one| one["status"] == holds)
        .map_or_else(|| now.into(), |one| one["lastTransitionTime"].clone());
    let mut condition = json!({"type": "DisruptionAllowed", "status": holds});
    if generation.as_i64().unwrap_or(0) != 0 {
        condition["observedGeneration"] = generation;
    }
    condition["lastTransitionTime"] = since;
    condition["reason"] = reason.into();
    condition["message"] = message.into();
    let mut list: Vec<Value> = list
        .into_iter()
        .filter(|one| one["type"] != "DisruptionAllowed")
        .collect();
    list.push(condition);
    status["conditions"] = list.into();
}

const VIOLATED: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

fn too_many(message: &str, cause: &str, retry_after: u64) -> ApiError {
    let mut details = json!({"causes": [{"reason": "DisruptionBudget", "message": cause}]});
    if retry_after > 0 {
        details["retryAfterSeconds"] = retry_after.into();
    }
    ApiError {
        details: Some(details),
        ..ApiError::new(429, "TooManyRequests", message)
    }
}

fn refused(budget: &Value) -> ApiError {
    let name = meta(budget, "name");
    let mut conditions = budget["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    if let Some(failed) = conditions.find(|one| one["reason"] == "SyncFailed") {
        let why = failed["message"].as_str().unwrap_or_default();
        let cause = format!(
            "The disruption budget {name} does not allow evicting pods currently because it failed sync: {why}"
        );
        return too_many(&format!("{VIOLATED} {why}"), &cause, 0);
    }
    let cause = format!(
        "The disruption budget {name} needs {} healthy pods and has {} currently",
        count(budget, "desiredHealthy"),
        count(budget, "currentHealthy")
    );
    too_many(VIOLATED, &cause, 0)
}

fn still_processed(budget: &str) -> ApiError {
    let cause = format!("The disruption budget {budget} is still being processed by the server.");
    too_many(VIOLATED, &cause, 10)
}

fn several() -> Value {
    let message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": 500,
    })
}
