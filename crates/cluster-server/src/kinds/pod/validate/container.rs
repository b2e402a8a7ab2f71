//! Containers: regular, init and ephemeral.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::{
    environment, in_range, invalid_each, list, mounts, one_of, probe, required, resources, restart,
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
    /// The Pod's volumes, as far as they are without fault.
    pub volumes: &'a [&'a Value],
    /// The names under which the Pod claims devices.
    pub claims: &'a BTreeSet<&'a str>,
    /// The Pod's own restart policy.
    pub restart_policy: &'a str,
    /// How long the Pod's containers have to end.
    pub grace_period: Option<i64>,
    /// Whether the Pod shares the node's user namespace.
    pub host_users: bool,
}

/// The faults of `containers` (`validateContainers`).
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
        let name = text(container, "name");
        out.extend(common(container, around, &path));
        if !seen.insert(name) {
            out.push(FieldError::duplicate(&path.child("name"), name));
        }
        out.extend(probe::all(container, around.grace_period, &path));
        out.extend(restart::of_container(container, &path));
    }
    out.extend(host_port_conflicts(containers, path));
    out
}

/// The faults of `initContainers` (`validateInitContainers`).
pub(super) fn init(spec: &Value, around: &Surroundings<'_>, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen: HashSet<&str> = list(&spec["containers"])
        .iter()
        .map(|container| text(container, "name"))
        .collect();
    for (at, container) in list(&spec["initContainers"]).iter().enumerate() {
        let item = path.index(at);
        let name = text(container, "name");
        out.extend(common(container, around, &item));
        out.extend(restart::of_container(container, &item));
        if seen.contains(name) {
            out.push(FieldError::duplicate(&item.child("name"), name));
        } else if !name.is_empty() {
            seen.insert(name);
        }
        // One after the other: each is only in its own way, and Kubernetes calls each the first.
        out.extend(host_port_conflicts(std::slice::from_ref(container), path));
        if container["restartPolicy"] == "Always" {
            out.extend(probe::all(container, around.grace_period, &item));
        } else {
            out.extend(only_for_sidecars(container, &item));
        }
    }
    out
}

fn only_for_sidecars(container: &Value, path: &Path) -> Vec<FieldError> {
    const DETAIL: &str = "may not be set for init containers without restartPolicy=Always";
    const FIELDS: [&str; 4] = [
        "lifecycle",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
    ];
    let set = FIELDS.iter().filter(|field| container[**field].is_object());
    set.map(|field| FieldError::forbidden(&path.child(field), DETAIL))
        .collect()
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
        out.extend(common(container, around, &path));
        out.extend(padded_image(container, &path));
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

/// A Pod's images may not be padded, those of a template may (`validateContainersOnlyForPod`).
pub(super) fn padded_images(containers: &[Value], path: &Path) -> Vec<FieldError> {
    let containers = containers.iter().enumerate();
    containers
        .filter_map(|(at, container)| padded_image(container, &path.index(at)))
        .collect()
}

fn padded_image(container: &Value, path: &Path) -> Option<FieldError> {
    let image = text(container, "image");
    let detail = "must not have leading or trailing whitespace";
    (image.trim() != image).then(|| FieldError::invalid(&path.child("image"), image, detail))
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
    let (name, name_field) = (text(container, "name"), path.child("name"));
    if name.is_empty() {
        out.push(FieldError::required(&name_field, ""));
    } else {
        out.extend(invalid_each(&name_field, name, names::dns_label(name)));
    }
    out.extend(required(&path.child("image"), text(container, "image")));
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
    out.extend(resources::of_container(
        &container["resources"],
        around.claims,
        &path.child("resources"),
    ));
    out.extend(restart::on_resize(
        &container["resizePolicy"],
        around.restart_policy,
        &path.child("resizePolicy"),
    ));
    out.extend(security::container(
        &container["securityContext"],
        around.host_users,
        &path.child("securityContext"),
    ));
    out
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
