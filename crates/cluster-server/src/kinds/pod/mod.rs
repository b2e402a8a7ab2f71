//! Pods: their defaults, what they must hold, and what each of their subresources may change
//! (`pkg/registry/core/pod/strategy.go`).

mod defaults;
mod diff;
mod internal;
mod qos;
mod update;
mod validate;
mod warnings;

use serde_json::{Value, json};

pub(crate) use defaults::pod_spec as default_pod_spec;
pub(crate) use validate::template as validate_template;

use super::Strategy;
use crate::field::FieldError;

/// What is particular to Pods.
pub struct PodStrategy;

/// The strategy of Pods.
pub static POD: PodStrategy = PodStrategy;

impl Strategy for PodStrategy {
    fn default(&self, object: &mut Value) {
        defaults::pod(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        object["metadata"]["generation"] = 1.into();
        drop_stop_signals(object);
        let class = qos::class(object);
        object["status"] = json!({"phase": "Pending", "qosClass": class});
        let gated = object["spec"]["schedulingGates"]
            .as_array()
            .is_some_and(|gates| !gates.is_empty());
        if gated {
            object["status"]["conditions"] = json!([{
                "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": null,
                "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
            }]);
        }
        if let Some(spec) = object["spec"].as_object_mut() {
            // What the Priority plugin sets of a Pod without a class.
            spec.entry("priority").or_insert_with(|| 0.into());
            spec.entry("preemptionPolicy")
                .or_insert_with(|| "PreemptLowerPriority".into());
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        validate::create(object)
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        update::prepare(subresource, new, old);
        if subresource == "ephemeralcontainers" || subresource.is_empty() {
            drop_stop_signals(new);
        }
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        new["metadata"]["generation"] = if new["spec"] == old["spec"] {
            generation
        } else {
            generation + 1
        }
        .into();
    }

    fn validate_update(&self, subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        match subresource {
            "ephemeralcontainers" => update::validate_ephemeral_containers(new, old),
            "status" => update::validate_status(new, old),
            _ => update::validate(new, old),
        }
    }

    fn warnings(&self, _subresource: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
        // Kubernetes warns of Pods when they are created only.
        if old.is_none() {
            warnings::of(new)
        } else {
            Vec::new()
        }
    }
}

/// `lifecycle.stopSignal` is behind the gate `ContainerStopSignals`, which is off: it is dropped silently,
/// and a lifecycle that held nothing else with it.
fn drop_stop_signals(object: &mut Value) {
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in object["spec"]
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let Some(container) = container.as_object_mut() else {
                continue;
            };
            let Some(lifecycle) = container
                .get_mut("lifecycle")
                .and_then(Value::as_object_mut)
            else {
                continue;
            };
            if lifecycle.remove("stopSignal").is_some() && lifecycle.is_empty() {
                container.remove("lifecycle");
            }
        }
    }
}
