//! Containers: regular, init and ephemeral.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    environment, in_range, invalid_each, list, mounts, one_of, probe, required, resources,
    security, text,
};
use crate::field::{FieldError, Path};
use crate::kinds::names;

/// What an ephemeral container may never have, in the order of the struct (EC-V-05).
const FORBIDDEN: &[&str] = &[
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];
const NOT_EPHEMERAL: &str = "cannot be set for an Ephemeral Container";

/// What containers are judged against: the Pod around them.
pub(super) struct Surroundings<'a> {
    /// The Pod's volumes.
    pub volumes: &'a [Value],
    /// Whether the Pod shares the node's user namespace.
    pub host_users: bool,
    /// Whether this is a Pod, not a template: a Pod's images may not be padded.
    pub is_pod: bool,
}

/// The faults of `containers`.
pub(super) fn regular(
    containers: &[Value],
    around: &Surroundings<'_>,
    path: &Path,
) -> Vec<FieldError> {
    if containers.is_empty() {
        return vec![FieldError::required(path, "")];
    }
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (at, container) in containers.iter().enumerate() {
        let path = path.index(at);
        out.extend(common(container, around, &path));
        if !seen.insert(text(container, "name")) {
            out.push(FieldError::duplicate(
                &path.child("name"),
                text(container, "name"),
            ));
        }
        out.extend(probe::lifecycle(
            &container["lifecycle"],
            &path.child("lifecycle"),
        ));
        out.extend(probe::probe(
            &container["livenessProbe"],
            true,
            &path.child("livenessProbe"),
        ));
        out.extend(probe::probe(
            &container["readinessProbe"],
            false,
            &path.child("readinessProbe"),
        ));
        out.extend(probe::probe(
            &container["startupProbe"],
            true,
            &path.child("startupProbe"),
        ));
        out.extend(restart_policy(container, &path.child("restartPolicy")));
    }
    out.extend(host_port_conflicts(containers, path));
    out
}

/// The faults of `initContainers`.
pub(super) fn init(spec: &Value, around: &Surroundings<'_>, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen: HashSet<&str> = list(&spec["containers"])
        .iter()
        .map(|container| text(container, "name"))
        .collect();
    for (at, container) in list(&spec["initContainers"]).iter().enumerate() {
        let path = path.index(at);
        out.extend(common(container, around, &path));
        if !seen.insert(text(container, "name")) {
            out.push(FieldError::duplicate(
                &path.child("name"),
                text(container, "name"),
            ));
        }
        out.extend(restart_policy(container, &path.child("restartPolicy")));
        if container["restartPolicy"] == "Always" {
            out.extend(probe::lifecycle(
                &container["lifecycle"],
                &path.child("lifecycle"),
            ));
            out.extend(probe::probe(
                &container["livenessProbe"],
                true,
                &path.child("livenessProbe"),
            ));
            out.extend(probe::probe(
                &container["readinessProbe"],
                false,
                &path.child("readinessProbe"),
            ));
            out.extend(probe::probe(
                &container["startupProbe"],
                true,
                &path.child("startupProbe"),
            ));
        } else {
            for field in [
                "lifecycle",
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
            ] {
                if container[field].is_object() {
                    let detail = "may not be set for init containers without restartPolicy=Always";
                    out.push(FieldError::forbidden(&path.child(field), detail));
                }
            }
        }
        let ports = Some(std::slice::from_ref(container));
        out.extend(
            ports
                .into_iter()
                .flat_map(|one| host_port_conflicts(one, &path)),
        );
    }
    out
}

/// The faults of `ephemeralContainers` (`validateEphemeralContainers`).
pub(super) fn ephemeral(spec: &Value, around: &Surroundings<'_>, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let others: HashSet<&str> = list(&spec["containers"])
        .iter()
        .chain(list(&spec["initContainers"]))
        .map(|container| text(container, "name"))
        .collect();
    let mut all = others.clone();
    for (at, container) in list(&spec["ephemeralContainers"]).iter().enumerate() {
        let path = path.index(at);
        let name = text(container, "name");
        let one = Surroundings {
            is_pod: true,
            ..*around
        };
        out.extend(common(container, &one, &path));
        if !all.insert(name) {
            out.push(FieldError::duplicate(&path.child("name"), name));
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            out.push(FieldError::not_found(
                &path.child("targetContainerName"),
                target,
            ));
        }
        for field in FORBIDDEN.iter().filter(|field| is_set(container, field)) {
            out.push(FieldError::forbidden(&path.child(field), NOT_EPHEMERAL));
        }
        for (at, mount) in list(&container["volumeMounts"]).iter().enumerate() {
            let path = path.child("volumeMounts").index(at);
            for field in ["subPath", "subPathExpr"] {
                if !text(mount, field).is_empty() {
                    out.push(FieldError::forbidden(&path.child(field), NOT_EPHEMERAL));
                }
            }
        }
    }
    out
}

/// Whether a field differs from its Go zero value (EC-V-06): an empty list is not a nil one.
fn is_set(container: &Value, field: &str) -> bool {
    match container.get(field) {
        None | Some(Value::Null) => false,
        Some(Value::Object(resources)) if field == "resources" => !resources.is_empty(),
        Some(_) => true,
    }
}

/// What holds of every container (`validateContainerCommon`).
fn common(container: &Value, around: &Surroundings<'_>, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let (name, image) = (text(container, "name"), text(container, "image"));
    let (name_field, image_field) = (path.child("name"), path.child("image"));
    if name.is_empty() {
        out.push(FieldError::required(&name_field, ""));
    } else {
        out.extend(invalid_each(&name_field, name, names::dns_label(name)));
    }
    out.extend(required(&image_field, image));
    let policy = text(container, "terminationMessagePolicy");
    out.extend(one_of(
        &path.child("terminationMessagePolicy"),
        policy,
        &["File", "FallbackToLogsOnError"],
    ));
    out.extend(ports(&container["ports"], &path.child("ports")));
    out.extend(environment::variables(
        &container["env"],
        around.volumes,
        &path.child("env"),
    ));
    out.extend(environment::sources(
        &container["envFrom"],
        &path.child("envFrom"),
    ));
    out.extend(mounts::mounts(
        container,
        around.volumes,
        &path.child("volumeMounts"),
    ));
    out.extend(mounts::devices(
        container,
        around.volumes,
        &path.child("volumeDevices"),
    ));
    let policy = text(container, "imagePullPolicy");
    out.extend(one_of(
        &path.child("imagePullPolicy"),
        policy,
        &["Always", "IfNotPresent", "Never"],
    ));
    out.extend(resources::requirements(
        &container["resources"],
        &path.child("resources"),
    ));
    out.extend(security::container(
        &container["securityContext"],
        around.host_users,
        &path.child("securityContext"),
    ));
    if around.is_pod && image.trim() != image {
        out.push(FieldError::invalid(
            &image_field,
            image,
            "must not have leading or trailing whitespace",
        ));
    }
    out
}

fn restart_policy(container: &Value, field: &Path) -> Option<FieldError> {
    let policy = container["restartPolicy"].as_str()?;
    let supported = ["Always", "Never", "OnFailure"];
    (!supported.contains(&policy)).then(|| FieldError::not_supported(field, policy, &supported))
}

fn ports(ports: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (at, port) in list(ports).iter().enumerate() {
        let path = path.index(at);
        let name = text(port, "name");
        if !name.is_empty() {
            let complaints = names::port_name(name);
            if complaints.is_empty() && !seen.insert(name) {
                out.push(FieldError::duplicate(&path.child("name"), name));
            }
            out.extend(invalid_each(&path.child("name"), name, complaints));
        }
        match port["containerPort"].as_i64() {
            None | Some(0) => out.push(FieldError::required(&path.child("containerPort"), "")),
            number => out.extend(in_range(&path.child("containerPort"), number, 1, 65535)),
        }
        out.extend(in_range(
            &path.child("hostPort"),
            port["hostPort"].as_i64().filter(|port| *port != 0),
            1,
            65535,
        ));
        out.extend(one_of(
            &path.child("protocol"),
            text(port, "protocol"),
            &["SCTP", "TCP", "UDP"],
        ));
    }
    out
}

/// Two ports of the Pod may not want the same port of the node.
fn host_port_conflicts(containers: &[Value], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (at, container) in containers.iter().enumerate() {
        for (port_at, port) in list(&container["ports"]).iter().enumerate() {
            let number = port["hostPort"].as_i64().unwrap_or(0);
            let key = format!(
                "{}/{}/{number}",
                text(port, "protocol"),
                text(port, "hostIP")
            );
            if number != 0 && !seen.insert(key.clone()) {
                let field = path
                    .index(at)
                    .child("ports")
                    .index(port_at)
                    .child("hostPort");
                out.push(FieldError::duplicate(&field, key));
            }
        }
    }
    out
}
