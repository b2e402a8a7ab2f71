//! The Pod as a whole.

use std::collections::BTreeSet;

use serde_json::Value;

use super::container::Surroundings;
use super::{
    affinity, annotations, container, invalid_each, list, network, one_of, platform, resources,
    security, text, volume,
};
use crate::field::{Fault, FieldError, Path};
use crate::kinds::{metadata, names};

const RESTART_POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
const MAX_HOSTNAME: usize = 64;

/// What a spec belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// A Pod of this name.
    Pod(&'a str),
    /// A template, of which Pods are made later.
    Template,
}

/// The faults of a Pod's annotations and spec (`validatePodMetadataAndSpec`); `metadata` proper is checked elsewhere.
pub(crate) fn metadata_and_spec(pod: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let held = &pod["spec"];
    let mut out = annotations::faults(pod);
    let owner = Owner::Pod(text(&pod["metadata"], "name"));
    out.extend(spec(held, owner, &path));
    if text(held, "serviceAccountName").is_empty() {
        out.extend(tokens_of_nobody(held, &path.child("volumes")));
    }
    for kind in ["containers", "initContainers"] {
        let containers = list(&held[kind]);
        out.extend(container::padded_images(containers, &path.child(kind)));
    }
    out
}

fn tokens_of_nobody(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, volume) in list(&spec["volumes"]).iter().enumerate() {
        let path = path.index(at).child("projected").child("sources");
        for (at, source) in list(&volume["projected"]["sources"]).iter().enumerate() {
            if source["serviceAccountToken"].is_object() {
                let field = path.index(at).child("serviceAccountToken");
                let detail = "must not be specified when serviceAccountName is not set";
                out.push(FieldError::forbidden(&field, detail));
            }
        }
    }
    out
}

/// The faults of a Pod's or template's spec (`ValidatePodSpec`).
pub(crate) fn spec(spec: &Value, owner: Owner<'_>, path: &Path) -> Vec<FieldError> {
    let name = match owner {
        Owner::Pod(name) => name,
        Owner::Template => "",
    };
    let at = |field: &str| path.child(field);
    let (volumes, mut out) = volume::volumes(list(&spec["volumes"]), name, &at("volumes"));
    let claims: BTreeSet<&str> = list(&spec["resourceClaims"])
        .iter()
        .map(|claim| text(claim, "name"))
        .filter(|name| !name.is_empty())
        .collect();
    let field = at("resourceClaims");
    out.extend(resources::pod_claims(&spec["resourceClaims"], &field));
    let around = Surroundings {
        volumes: &volumes,
        claims: &claims,
        restart_policy: text(spec, "restartPolicy"),
        grace_period: spec["terminationGracePeriodSeconds"].as_i64(),
        host_users: spec["hostUsers"] != false,
    };
    let containers = list(&spec["containers"]);
    out.extend(container::regular(containers, &around, &at("containers")));
    out.extend(container::init(spec, &around, &at("initContainers")));
    out.extend(container::ephemeral(
        spec,
        &around,
        &at("ephemeralContainers"),
    ));
    out.extend(resources::of_pod(spec, &claims, &at("resources")));
    let is_pod = owner != Owner::Template;
    out.extend(network::host_network(spec, is_pod, path));
    let field = at("restartPolicy");
    out.extend(one_of(&field, around.restart_policy, &RESTART_POLICIES));
    out.extend(network::dns_policy(spec, path));
    let labels = &spec["nodeSelector"];
    out.extend(metadata::validate_labels(labels, &at("nodeSelector")));
    out.extend(security::pod(spec, &at("securityContext")));
    out.extend(affinity::affinity(&spec["affinity"], &at("affinity")));
    out.extend(network::dns_config(spec, &at("dnsConfig")));
    out.extend(gates(spec, path));
    let constraints = &spec["topologySpreadConstraints"];
    let field = at("topologySpreadConstraints");
    out.extend(affinity::spread(constraints, &field));
    out.extend(platform::host_process(spec, path));
    out.extend(platform::host_users(spec, path));
    out.extend(scalars(spec, path));
    out.extend(platform::os(spec, path));
    out
}

fn gates(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, gate) in list(&spec["readinessGates"]).iter().enumerate() {
        let kind = text(gate, "conditionType");
        let field = path
            .child("readinessGates")
            .index(at)
            .child("conditionType");
        out.extend(invalid_each(&field, kind, names::qualified(kind)));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (at, gate) in list(&spec["schedulingGates"]).iter().enumerate() {
        let (name, field) = (text(gate, "name"), path.child("schedulingGates").index(at));
        out.extend(invalid_each(&field, name, names::qualified(name)));
        if seen.contains(&name) {
            out.push(FieldError::duplicate(&field, name));
        }
        seen.push(name);
    }
    out
}

/// What is said in one word or number, and the lists that Kubernetes looks at between them.
fn scalars(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let name = |field: &str, rule: fn(&str) -> Vec<String>| {
        let name = spec[field].as_str().filter(|name| !name.is_empty());
        let faults = name.map(|name| invalid_each(&path.child(field), name, rule(name)));
        faults.unwrap_or_default()
    };
    out.extend(name("serviceAccountName", names::dns_subdomain));
    out.extend(name("nodeName", names::dns_subdomain));
    let deadline = spec["activeDeadlineSeconds"].as_i64();
    if let Some(seconds) = deadline.filter(|seconds| !(1..=2_147_483_647).contains(seconds)) {
        let field = path.child("activeDeadlineSeconds");
        let detail = "must be between 1 and 2147483647, inclusive";
        out.push(FieldError::invalid(&field, seconds, detail));
    }
    out.extend(name("hostname", names::dns_label));
    out.extend(name("subdomain", names::dns_label));
    out.extend(hostname_override(spec, &path.child("hostnameOverride")));
    out.extend(tolerations(spec, &path.child("tolerations")));
    let aliases = &spec["hostAliases"];
    out.extend(network::host_aliases(aliases, &path.child("hostAliases")));
    out.extend(name("priorityClassName", names::dns_subdomain));
    if let Some(class) = spec["runtimeClassName"].as_str() {
        let field = path.child("runtimeClassName");
        out.extend(invalid_each(&field, class, names::dns_subdomain(class)));
    }
    if let Some(policy) = spec["preemptionPolicy"].as_str() {
        let field = path.child("preemptionPolicy");
        let supported = ["PreemptLowerPriority", "Never"];
        out.extend(one_of(&field, policy, &supported));
    }
    let overhead = &spec["overhead"];
    out.extend(resources::overhead(overhead, &path.child("overhead")));
    out
}

/// A hostname of the Pod's own choice must be one, and there must be a place for it.
fn hostname_override(spec: &Value, field: &Path) -> Vec<FieldError> {
    let Some(name) = spec["hostnameOverride"].as_str() else {
        return Vec::new();
    };
    let mut out = Vec::new();
    if name.len() > MAX_HOSTNAME {
        out.push(FieldError::new(field, Fault::TooLong(MAX_HOSTNAME), ""));
    }
    out.extend(invalid_each(field, name, names::dns_subdomain(name)));
    for (other, detail) in [
        (
            "setHostnameAsFQDN",
            "may not be specified when setHostnameAsFQDN is true",
        ),
        (
            "hostNetwork",
            "may not be specified when hostNetwork is true",
        ),
    ] {
        if spec[other] == true {
            out.push(FieldError::forbidden(field, detail));
        }
    }
    out
}

/// The faults of a Pod's tolerations, for those who look at them alone.
pub(in crate::kinds::pod) fn pod_tolerations(spec: &Value) -> Vec<FieldError> {
    tolerations(spec, &Path::new("spec.tolerations"))
}

/// The faults of `tolerations`.
pub(super) fn tolerations(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, toleration) in list(&spec["tolerations"]).iter().enumerate() {
        let path = path.index(at);
        let (key, operator, value, effect) = (
            text(toleration, "key"),
            text(toleration, "operator"),
            text(toleration, "value"),
            text(toleration, "effect"),
        );
        if !key.is_empty() {
            out.extend(invalid_each(&path.child("key"), key, names::qualified(key)));
        } else if operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            out.push(FieldError::invalid(
                &path.child("operator"),
                operator,
                detail,
            ));
        }
        if toleration["tolerationSeconds"].is_i64() && effect != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            out.push(FieldError::invalid(&path.child("effect"), effect, detail));
        }
        match operator {
            "" | "Equal" => {
                let complaints = names::label_value(value);
                if !complaints.is_empty() {
                    let detail = complaints.join(";");
                    out.push(FieldError::invalid(&path.child("operator"), value, detail));
                }
            }
            "Exists" if !value.is_empty() => {
                let detail = "value must be empty when `operator` is 'Exists'";
                out.push(FieldError::invalid(&path.child("operator"), value, detail));
            }
            "Exists" => {}
            other => out.push(FieldError::not_supported(
                &path.child("operator"),
                other,
                &["Equal", "Exists"],
            )),
        }
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        if !effect.is_empty() && !effects.contains(&effect) {
            out.push(FieldError::not_supported(
                &path.child("effect"),
                effect,
                &effects,
            ));
        }
    }
    out
}
