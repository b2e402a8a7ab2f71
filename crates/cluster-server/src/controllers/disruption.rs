//! What PodDisruptionBudgets allow at the moment (`pkg/controller/disruption`).
//!
//! A Pod without a controller counts only for a `minAvailable` that is a number; of what a controller wants, its
//! `scale` tells.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::Follow;
use crate::admission::selector::matches_labels;
use crate::api::{Api, Context, Target, is_ready, meta, set_allowed_condition, set_condition};
use crate::store::Object;

const BUDGETS: &str = "poddisruptionbudgets.policy";
const USER: &str = "system:serviceaccount:kube-system:disruption-controller";
/// How long an eviction is believed in before the Pod is gone.
const BELIEVED: SignedDuration = SignedDuration::from_mins(2);

/// Follows Pods and budgets.
pub(super) async fn run(api: Arc<Api>) {
    let mut budgets = Follow::new(&api.store, BUDGETS);
    let mut pods = Follow::new(&api.store, "pods");
    let mut controller = Controller {
        api,
        ctx: Context::system(USER),
        told: HashMap::new(),
        recheck: None,
    };
    loop {
        let now = controller.api.clock.now();
        let wait = controller.recheck.map_or(Duration::MAX, |at| {
            Duration::try_from(at.duration_since(now)).unwrap_or_default()
        });
        tokio::select! {
            seen = budgets.next() => match seen {
                Some(seen) if seen.gone => {
                    controller.told.remove(meta(&seen.object.value, "uid"));
                }
                Some(seen) => controller.settle(meta(&seen.object.value, "namespace"), Some(meta(&seen.object.value, "name"))).await,
                None => return,
            },
            seen = pods.next() => match seen {
                Some(seen) => controller.settle(meta(&seen.object.value, "namespace"), None).await,
                None => return,
            },
            () = tokio::time::sleep(wait) => {
                controller.recheck = None;
                controller.settle("", None).await;
            }
        }
    }
}

struct Controller {
    api: Arc<Api>,
    ctx: Context,
    /// What each budget's Events said last.
    told: HashMap<String, &'static str>,
    /// When an eviction that nobody saw the end of is no longer believed in.
    recheck: Option<Timestamp>,
}

/// How many Pods there should be, and how many of them healthy.
struct Expected {
    pods: i64,
    healthy: i64,
    unmanaged: bool,
}

impl Controller {
    /// Looks again at the budgets of a namespace (empty: of all), or at one of them.
    async fn settle(&mut self, namespace: &str, name: Option<&str>) {
        let scope = Some(namespace).filter(|namespace| !namespace.is_empty());
        for budget in self.api.store.list(BUDGETS, scope).0 {
            if name.is_none_or(|name| meta(&budget.value, "name") == name) {
                self.settle_one(&budget).await;
            }
        }
    }

    async fn settle_one(&mut self, budget: &Object) {
        let value = &budget.value;
        let selector = &value["spec"]["selector"];
        let (all, _) = self.api.store.list("pods", Some(meta(value, "namespace")));
        let pods: Vec<Arc<Object>> = all
            .into_iter()
            .filter(|pod| matches_labels(selector, &pod.value["metadata"]["labels"]))
            .collect();
        let now = self.api.clock.now();
        let text = self.api.clock.now_text();
        let mut status = value["status"].clone();
        match self.expected(value, &pods) {
            Ok(expected) => {
                if pods.is_empty() {
                    self.tell(value, "Normal", "NoPods", "No matching pods found")
                        .await;
                } else if expected.unmanaged {
                    let message = "Pods selected by this PodDisruptionBudget were found to be unmanaged. As a result, the status \
                                   of the PDB cannot be calculated correctly, which may result in undefined behavior. To account \
                                   for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.";
                    self.tell(value, "Warning", "UnmanagedPods", message).await;
                } else {
                    self.told.remove(meta(value, "uid"));
                }
                let disrupted = self.disrupted(value, &pods, now);
                status = counted(value, &expected, &pods, disrupted);
                set_allowed_condition(&mut status, &text);
            }
            Err(why) => {
                let message = format!("Failed to calculate the number of expected pods: {why}");
                let reason = "CalculateExpectedPodCountFailed";
                self.tell(value, "Warning", reason, &message).await;
                status["disruptionsAllowed"] = 0.into();
                set_condition(&mut status, "False", "SyncFailed", &why, &text);
            }
        }
        if status != value["status"] {
            self.write(budget, status).await;
        }
    }

    async fn write(&self, budget: &Object, status: Value) {
        let Some(resource) = self.api.kinds.by_key(BUDGETS) else {
            return;
        };
        let mut value = budget.value.clone();
        value["status"] = status;
        let (namespace, name) = (
            meta(&budget.value, "namespace"),
            meta(&budget.value, "name"),
        );
        let target = Target::object(&resource, namespace, name).with_subresource("status");
        if let Err(error) = self.api.update(&self.ctx, &target, value).await
            && !matches!(error.code, 404 | 409)
        {
            tracing::warn!(%error, namespace, name, "cannot write the budget's status");
        }
    }

    /// `getExpectedPodCount`.
    fn expected(&self, budget: &Value, pods: &[Arc<Object>]) -> Result<Expected, String> {
        let spec = &budget["spec"];
        let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
        let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        if most.is_null()
            && let Some(healthy) = least.as_i64()
        {
            return Ok(Expected {
                pods: count,
                healthy,
                unmanaged: false,
            });
        }
        if most.is_null() && least.is_null() {
            return Ok(Expected {
                pods: 0,
                healthy: 0,
                unmanaged: false,
            });
        }
        let (wanted, unmanaged) = self.wanted(pods)?;
        let healthy = if most.is_null() {
            scaled(least, wanted)
        } else {
            (wanted - scaled(most, wanted)).max(0)
        };
        Ok(Expected {
            pods: wanted,
            healthy,
            unmanaged,
        })
    }

    /// `getExpectedScale`: what the Pods' controllers want in all, and whether there are Pods without one.
    fn wanted(&self, pods: &[Arc<Object>]) -> Result<(i64, bool), String> {
        let mut scales: HashMap<&str, i64> = HashMap::new();
        let mut unmanaged = false;
        for pod in pods {
            let owners = pod.value["metadata"]["ownerReferences"].as_array();
            let mut owners = owners.into_iter().flatten();
            match owners.find(|owner| owner["controller"] == true) {
                None => unmanaged = true,
                Some(owner) => {
                    let uid = owner["uid"].as_str().unwrap_or_default();
                    if !scales.contains_key(uid) {
                        scales.insert(uid, self.scale(owner, &pod.value)?);
                    }
                }
            }
        }
        Ok((scales.values().sum(), unmanaged))
    }

    fn scale(&self, owner: &Value, pod: &Value) -> Result<i64, String> {
        let text = |key: &str| owner[key].as_str().unwrap_or_default();
        let (group, version) = text("apiVersion")
            .split_once('/')
            .unwrap_or(("", text("apiVersion")));
        let kinds = &self.api.kinds;
        let Some(resource) = kinds.by_kind(group, version, text("kind")) else {
            let (kind, version) = (text("kind"), text("apiVersion"));
            return Err(format!(
                "no matches for kind {kind:?} in version {version:?}"
            ));
        };
        if resource.scale.is_none() {
            let name = resource.key();
            return Err(format!("{name} does not implement the scale subresource"));
        }
        let target = Target::object(&resource, meta(pod, "namespace"), text("name"));
        let found = self.api.get(&target).ok();
        let found = found.filter(|found| meta(&found.value, "uid") == text("uid"));
        let scale = found.and_then(|_| self.api.scale(&target).ok());
        let scale =
            scale.ok_or_else(|| format!("found no controllers for pod {:?}", meta(pod, "name")))?;
        Ok(scale.value["spec"]["replicas"].as_i64().unwrap_or(0))
    }

    /// `buildDisruptedPodMap`: evicted Pods that are still there, and not for too long.
    fn disrupted(
        &mut self,
        budget: &Value,
        pods: &[Arc<Object>],
        now: Timestamp,
    ) -> Map<String, Value> {
        let mut out = Map::new();
        let known = budget["status"]["disruptedPods"].as_object();
        for (name, since) in known.into_iter().flatten() {
            let there = pods.iter().any(|pod| {
                meta(&pod.value, "name") == name && meta(&pod.value, "deletionTimestamp").is_empty()
            });
            let until = since.as_str().and_then(|since| since.parse().ok());
            let until = until.map(|since: Timestamp| since + BELIEVED);
            if let Some(until) = until.filter(|until| there && *until > now) {
                out.insert(name.clone(), since.clone());
                self.recheck = Some(self.recheck.map_or(until, |at| at.min(until)));
            }
        }
        out
    }

    /// An Event about a budget, once as long as it says the same.
    async fn tell(&mut self, budget: &Value, kind: &str, reason: &'static str, message: &str) {
        let uid = meta(budget, "uid").to_owned();
        if self.told.insert(uid, reason) == Some(reason) {
            return;
        }
        let Some(resource) = self.api.kinds.by_key("events") else {
            return;
        };
        let (namespace, now) = (meta(budget, "namespace"), self.api.clock.now_text());
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"generateName": format!("{}.", meta(budget, "name")), "namespace": namespace},
            "involvedObject": {
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "name": meta(budget, "name"), "namespace": namespace,
                "uid": meta(budget, "uid"), "resourceVersion": meta(budget, "resourceVersion"),
            },
            "type": kind, "reason": reason, "message": message, "count": 1, "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": "controllermanager"}, "reportingComponent": "controllermanager",
        });
        let target = Target::collection(&resource, namespace);
        if let Err(error) = self.api.create(&self.ctx, &target, event).await {
            tracing::debug!(%error, "no event about the budget");
        }
    }
}

/// A part of `all`, rounded up; or a number as it is.
fn scaled(bound: &Value, all: i64) -> i64 {
    match bound.as_str().and_then(|text| text.strip_suffix('%')) {
        Some(percent) => {
            let percent: i64 = percent.parse().unwrap_or(0);
            all.saturating_mul(percent).saturating_add(99) / 100
        }
        None => bound.as_i64().unwrap_or(0),
    }
}

/// The status but for its conditions, which are kept.
fn counted(
    budget: &Value,
    expected: &Expected,
    pods: &[Arc<Object>],
    disrupted: Map<String, Value>,
) -> Value {
    let counts = |pod: &&Arc<Object>| {
        meta(&pod.value, "deletionTimestamp").is_empty()
            && !disrupted.contains_key(meta(&pod.value, "name"))
            && is_ready(&pod.value)
    };
    let healthy = i64::try_from(pods.iter().filter(counts).count()).unwrap_or(i64::MAX);
    let allowed = if expected.pods <= 0 {
        0
    } else {
        (healthy - expected.healthy).max(0)
    };
    let mut status = json!({"observedGeneration": budget["metadata"]["generation"]});
    if !disrupted.is_empty() {
        status["disruptedPods"] = Value::Object(disrupted);
    }
    status["disruptionsAllowed"] = allowed.into();
    status["currentHealthy"] = healthy.into();
    status["desiredHealthy"] = expected.healthy.into();
    status["expectedPods"] = expected.pods.into();
    if !budget["status"]["conditions"].is_null() {
        status["conditions"] = budget["status"]["conditions"].clone();
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_pods_is_rounded_up() {
        assert_eq!(scaled(&json!("50%"), 3), 2);
        assert_eq!(scaled(&json!("100%"), 3), 3);
        assert_eq!(scaled(&json!("0%"), 3), 0);
        assert_eq!(scaled(&json!(7), 3), 7);
    }
}
