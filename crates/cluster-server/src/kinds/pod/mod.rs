//! Pods: their defaults, what they must hold, and what each of their subresources may change
//! (`pkg/registry/core/pod/strategy.go`).

mod amounts;
mod defaults;
mod derived;
mod diff;
mod dropped;
mod internal;
#[cfg(test)]
mod properties;
mod qos;
mod update;
mod validate;
mod warnings;

use serde_json::{Value, json};

pub(crate) use defaults::pod_spec as default_pod_spec;
pub(crate) use validate::template as validate_template;
pub(crate) use warnings::of_template as template_warnings;

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
        let class = qos::class(object);
        object["status"] = json!({"phase": "Pending", "qosClass": class});
        dropped::fields(object);
        let gated = object["spec"]["schedulingGates"]
            .as_array()
            .is_some_and(|gates| !gates.is_empty());
        if gated {
            object["status"]["conditions"] = json!([{
                "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": null,
                "reason": "SchedulingGated", "message": "Scheduling is blocked due to non-empty scheduling gates",
            }]);
        }
        derived::fields(object);
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
        dropped::fields(new);
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        new["metadata"]["generation"] = if new["spec"] == old["spec"] {
            generation
        } else {
            generation + 1
        }
        .into();
    }

    fn validate_update(&self, subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        update::validate(subresource, new, old)
    }

    fn deprecations(&self, object: &Value) -> Vec<String> {
        derived::deprecations(object)
    }

    fn warnings(&self, subresource: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
        match (subresource, old) {
            ("status", Some(_)) => update::status_warnings(new),
            // Kubernetes warns of specs when Pods are created only.
            (_, Some(_)) => Vec::new(),
            (_, None) => warnings::of_pod(new),
        }
    }
}
