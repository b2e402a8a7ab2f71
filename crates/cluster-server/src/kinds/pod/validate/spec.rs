//! The Pod as a whole.

use serde_json::Value;

use super::container::Surroundings;
use super::{container, invalid_each, list, one_of, platform, security, text, volume};
use crate::field::{FieldError, Path};
use crate::kinds::{metadata, names};

/// The faults of a Pod's annotations and spec (`validatePodMetadataAndSpec`); `metadata` proper is checked elsewhere.
pub(crate) fn metadata_and_spec(pod: &Value) -> Vec<FieldError> {
    let mut out = annotations(pod);
    out.extend(spec(
        &pod["spec"],
        &pod["metadata"],
        &Path::new("spec"),
        true,
    ));
    out
}

fn annotations(pod: &Value) -> Vec<FieldError> {
    let path = Path::new("metadata.annotations");
    let annotations = &pod["metadata"]["annotations"];
    let mut out = Vec::new();
    let mirror = "kubernetes.io/config.mirror";
    if annotations[mirror].is_string() && text(&pod["spec"], "nodeName").is_empty() {
        let field = path.key(mirror);
        let value = annotations[mirror].clone();
        out.push(FieldError::invalid(
            &field,
            value,
            "must set spec.nodeName if mirror pod annotation is set",
        ));
    }
    let known = |name: &str| {
        ["initContainers", "containers", "ephemeralContainers"]
            .iter()
            .any(|kind| {
                list(&pod["spec"][*kind])
                    .iter()
                    .any(|container| container["name"] == name)
            })
    };
    for (key, _) in annotations.as_object().into_iter().flatten() {
        if let Some(name) = key
            .strip_prefix("container.apparmor.security.beta.kubernetes.io/")
            .filter(|name| !known(name))
        {
            out.push(FieldError::invalid(
                &path.key(key),
                name,
                "container not found",
            ));
        }
    }
    out
}

/// The faults of a Pod's or template's spec (`ValidatePodSpec`).
pub(crate) fn spec(spec: &Value, _metadata: &Value, path: &Path, is_pod: bool) -> Vec<FieldError> {
    let volumes = list(&spec["volumes"]);
    let around = Surroundings {
        volumes,
        host_users: spec["hostUsers"] != false,
        is_pod,
    };
    let mut out = volume::volumes(volumes, &path.child("volumes"));
    out.extend(container::regular(
        list(&spec["containers"]),
        &around,
        &path.child("containers"),
    ));
    out.extend(container::init(
        spec,
        &around,
        &path.child("initContainers"),
    ));
    out.extend(container::ephemeral(
        spec,
        &around,
        &path.child("ephemeralContainers"),
    ));
    out.extend(policies(spec, path));
    out.extend(metadata::validate_labels(
        &spec["nodeSelector"],
        &path.child("nodeSelector"),
    ));
    out.extend(security::pod(spec, &path.child("securityContext")));
    for (at, secret) in list(&spec["imagePullSecrets"]).iter().enumerate() {
        if text(secret, "name").is_empty() {
            out.push(FieldError::required(
                &path.child("imagePullSecrets").index(at).child("name"),
                "",
            ));
        }
    }
    out.extend(gates(spec, path));
    out.extend(platform::host_process(spec, path));
    out.extend(platform::host_users(spec, path));
    out.extend(names_of_others(spec, path));
    out.extend(tolerations(spec, &path.child("tolerations")));
    out.extend(host_aliases(spec, &path.child("hostAliases")));
    out.extend(platform::os(spec, path));
    out
}

fn policies(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let restart = text(spec, "restartPolicy");
    out.extend(one_of(
        &path.child("restartPolicy"),
        restart,
        &["Always", "OnFailure", "Never"],
    ));
    let dns = text(spec, "dnsPolicy");
    let supported = ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"];
    out.extend(one_of(&path.child("dnsPolicy"), dns, &supported));
    let servers = list(&spec["dnsConfig"]["nameservers"]);
    let field = path.child("dnsConfig").child("nameservers");
    if dns == "None" && servers.is_empty() {
        out.push(FieldError::required(
            &field,
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        ));
    }
    for (at, server) in servers.iter().enumerate() {
        let server = server.as_str().unwrap_or_default();
        if server.parse::<std::net::IpAddr>().is_err() {
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            out.push(FieldError::invalid(&field.index(at), server, detail));
        }
    }
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

fn names_of_others(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut check = |field: &str, rule: fn(&str) -> Vec<String>| {
        let name = text(spec, field);
        if !name.is_empty() {
            out.extend(invalid_each(&path.child(field), name, rule(name)));
        }
    };
    check("serviceAccountName", names::dns_subdomain);
    check("nodeName", names::dns_subdomain);
    check("hostname", names::dns_label);
    check("subdomain", names::dns_label);
    check("priorityClassName", names::dns_subdomain);
    check("runtimeClassName", names::dns_subdomain);
    if let Some(seconds) = spec["activeDeadlineSeconds"]
        .as_i64()
        .filter(|seconds| !(1..=2_147_483_647).contains(seconds))
    {
        let field = path.child("activeDeadlineSeconds");
        out.push(FieldError::invalid(
            &field,
            seconds,
            "must be between 1 and 2147483647, inclusive",
        ));
    }
    if let Some(policy) = spec["preemptionPolicy"].as_str() {
        out.extend(one_of(
            &path.child("preemptionPolicy"),
            policy,
            &["Never", "PreemptLowerPriority"],
        ));
    }
    out
}

fn tolerations(spec: &Value, path: &Path) -> Vec<FieldError> {
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
            "" | "Equal" => out.extend(invalid_each(
                &path.child("operator"),
                value,
                names::label_value(value),
            )),
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

fn host_aliases(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, alias) in list(&spec["hostAliases"]).iter().enumerate() {
        let (ip, path) = (text(alias, "ip"), path.index(at));
        if ip.parse::<std::net::IpAddr>().is_err() {
            let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
            out.push(FieldError::invalid(&path.child("ip"), ip, detail));
        }
        for (at, name) in list(&alias["hostnames"]).iter().enumerate() {
            let name = name.as_str().unwrap_or_default();
            out.extend(invalid_each(
                &path.child("hostnames").index(at),
                name,
                names::dns_subdomain(name),
            ));
        }
    }
    out
}
