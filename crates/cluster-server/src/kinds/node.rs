//! Nodes, leases, classes: kinds with little that is particular.

use serde_json::{Value, json};

use super::pod::{default_pod_spec, template_warnings, validate_template};
use super::{Strategy, names};
use crate::field::{FieldError, Path};

/// What is particular to Nodes.
pub struct NodeStrategy;

/// The strategy of Nodes.
pub static NODE: NodeStrategy = NodeStrategy;

impl Strategy for NodeStrategy {
    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        let kept = if subresource == "status" {
            "spec"
        } else {
            "status"
        };
        new[kept] = old[kept].clone();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let path = Path::new("spec.taints");
        let mut out = Vec::new();
        for (at, taint) in object["spec"]["taints"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let path = path.index(at);
            let key = taint["key"].as_str().unwrap_or_default();
            out.extend(
                names::qualified(key)
                    .into_iter()
                    .map(|text| FieldError::invalid(&path.child("key"), key, text)),
            );
            let effect = taint["effect"].as_str().unwrap_or_default();
            let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            if effect.is_empty() {
                out.push(FieldError::required(&path.child("effect"), ""));
            } else if !effects.contains(&effect) {
                out.push(FieldError::not_supported(
                    &path.child("effect"),
                    effect,
                    &effects,
                ));
            }
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        self.validate_create(new)
    }
}

/// What is particular to Leases.
pub struct LeaseStrategy;

/// The strategy of Leases.
pub static LEASE: LeaseStrategy = LeaseStrategy;

impl Strategy for LeaseStrategy {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let path = Path::new("spec");
        let mut out = Vec::new();
        let spec = &object["spec"];
        if let Some(seconds) = spec["leaseDurationSeconds"]
            .as_i64()
            .filter(|seconds| *seconds <= 0)
        {
            out.push(FieldError::invalid(
                &path.child("leaseDurationSeconds"),
                seconds,
                "must be greater than 0",
            ));
        }
        if let Some(times) = spec["leaseTransitions"].as_i64().filter(|times| *times < 0) {
            let detail = "must be greater than or equal to 0";
            out.push(FieldError::invalid(
                &path.child("leaseTransitions"),
                times,
                detail,
            ));
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        self.validate_create(new)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

/// What is particular to PodTemplates.
pub struct PodTemplateStrategy;

/// The strategy of PodTemplates.
pub static POD_TEMPLATE: PodTemplateStrategy = PodTemplateStrategy;

impl Strategy for PodTemplateStrategy {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = object["template"]["spec"].as_object_mut() {
            default_pod_spec(spec);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["metadata"]["generation"] = 1.into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        validate_template(&object["template"], &Path::new("template"))
    }

    fn prepare_update(&self, _subresource: &str, new: &mut Value, old: &Value) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        new["metadata"]["generation"] =
            (generation + i64::from(new["template"] != old["template"])).into();
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        self.validate_create(new)
    }

    fn warnings(&self, _subresource: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
        if old.is_some_and(|old| old["template"] == new["template"]) {
            return Vec::new();
        }
        template_warnings(&new["template"], &Path::new("template"))
    }
}

/// What is particular to PriorityClasses.
pub struct PriorityClassStrategy;

/// The strategy of PriorityClasses.
pub static PRIORITY_CLASS: PriorityClassStrategy = PriorityClassStrategy;

impl Strategy for PriorityClassStrategy {
    fn default(&self, object: &mut Value) {
        if !object["preemptionPolicy"].is_string() {
            object["preemptionPolicy"] = "PreemptLowerPriority".into();
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["metadata"]["generation"] = 1.into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let (name, value) = (
            object["metadata"]["name"].as_str().unwrap_or_default(),
            object["value"].as_i64().unwrap_or(0),
        );
        let mut out = Vec::new();
        if name.starts_with("system-")
            && !["system-cluster-critical", "system-node-critical"].contains(&name)
        {
            let detail = "priority class names with 'system-' prefix are reserved for system use only. error: \
                          only system-node-critical and system-cluster-critical are allowed";
            out.push(FieldError::forbidden(&Path::new("metadata.name"), detail));
        } else if value > 1_000_000_000 && !name.starts_with("system-") {
            let detail = "maximum allowed value of a user defined priority is 1000000000";
            out.push(FieldError::forbidden(&Path::new("value"), detail));
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut out = Vec::new();
        if new["value"] != old["value"] {
            out.push(FieldError::forbidden(
                &Path::new("value"),
                "may not be changed in an update.",
            ));
        }
        if new["preemptionPolicy"] != old["preemptionPolicy"] {
            let value = new["preemptionPolicy"].clone();
            out.push(FieldError::invalid(
                &Path::new("preemptionPolicy"),
                value,
                "field is immutable",
            ));
        }
        out
    }
}

/// What is particular to RuntimeClasses.
pub struct RuntimeClassStrategy;

/// The strategy of RuntimeClasses.
pub static RUNTIME_CLASS: RuntimeClassStrategy = RuntimeClassStrategy;

impl Strategy for RuntimeClassStrategy {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let handler = object["handler"].as_str().unwrap_or_default();
        let field = Path::new("handler");
        names::dns_label(handler)
            .into_iter()
            .map(|text| FieldError::invalid(&field, handler, text))
            .collect()
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let same = new["handler"] == old["handler"];
        let fault = || {
            FieldError::invalid(
                &Path::new("handler"),
                new["handler"].clone(),
                "field is immutable",
            )
        };
        if same { Vec::new() } else { vec![fault()] }
    }
}

/// What is particular to ServiceAccounts: nothing yet but the shape of what they hold.
pub struct ServiceAccountStrategy;

/// The strategy of ServiceAccounts.
pub static SERVICE_ACCOUNT: ServiceAccountStrategy = ServiceAccountStrategy;

impl Strategy for ServiceAccountStrategy {
    fn prepare_create(&self, object: &mut Value) {
        // Old clients sent `null` lists.
        for field in ["secrets", "imagePullSecrets"] {
            if object[field] == json!(null)
                && let Some(object) = object.as_object_mut()
            {
                object.remove(field);
            }
        }
    }
}
