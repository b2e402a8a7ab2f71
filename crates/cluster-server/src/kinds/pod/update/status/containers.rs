//! What the node reports of containers: whom they run as, and how the devices are that they asked for.

use std::collections::HashSet;

use serde_json::Value;

use super::list;
use crate::field::{FieldError, Path};

const MAX_ID: i64 = 2_147_483_647;

/// The faults of the users that containers run as (`validateContainerStatusUsers`).
pub(super) fn users(statuses: &[Value], spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let windows = spec["os"]["name"] == "windows";
    for (at, status) in statuses.iter().enumerate() {
        let (user, path) = (&status["user"]["linux"], path.index(at).child("user.linux"));
        if !user.is_object() {
            continue;
        }
        if windows {
            let detail = "cannot be set for a windows pod";
            out.push(FieldError::forbidden(&path, detail));
            continue;
        }
        let groups = list(user, "supplementalGroups").iter().enumerate();
        let groups = groups.map(|(at, id)| (path.child("supplementalGroups").index(at), id));
        let ids = ["uid", "gid"].map(|field| (path.child(field), &user[field]));
        for (field, id) in ids.into_iter().chain(groups) {
            let id = id.as_i64().unwrap_or(0);
            if !(0..=MAX_ID).contains(&id) {
                let detail = format!("must be between 0 and {MAX_ID}, inclusive");
                out.push(FieldError::invalid(&field, id, detail));
            }
        }
    }
    out
}

/// The faults of `allocatedResourcesStatus`: health of devices that the container asked for.
pub(super) fn health(
    statuses: &[Value],
    spec: &Value,
    containers: &str,
    path: &Path,
) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, status) in statuses.iter().enumerate() {
        let path = path.index(at).child("allocatedResourcesStatus");
        let held = list(status, "allocatedResourcesStatus");
        if containers == "ephemeralContainers" {
            if !held.is_empty() {
                let detail = "must not be specified in container status";
                out.push(FieldError::forbidden(&path, detail));
            }
            continue;
        }
        let container = list(spec, containers)
            .iter()
            .find(|container| container["name"] == status["name"]);
        for (at, resource) in held.iter().enumerate() {
            let path = path.index(at);
            let name = resource["name"].as_str().unwrap_or_default();
            out.extend(container.and_then(|one| unasked(one, name, &path.child("name"))));
            out.extend(devices(
                list(resource, "resources"),
                &path.child("resources"),
            ));
        }
    }
    out
}

fn unasked(container: &Value, name: &str, field: &Path) -> Option<FieldError> {
    let claim = |claim: &Value| {
        let text = |field: &str| claim[field].as_str().unwrap_or_default();
        match text("request") {
            "" => format!("claim:{}", text("name")),
            request => format!("claim:{}/{request}", text("name")),
        }
    };
    let (asked, detail) = if name.starts_with("claim:") {
        let claims = list(&container["resources"], "claims").iter();
        (
            claims.map(claim).any(|known| known == name),
            "must match one of the container's resource claims in a format 'claim:<claimName>/<request>' or 'claim:<claimName>' if request is empty",
        )
    } else {
        (
            container["resources"]["requests"].get(name).is_some(),
            "must match one of the container's resource requests",
        )
    };
    (!asked).then(|| FieldError::invalid(field, name, detail))
}

fn devices(devices: &[Value], path: &Path) -> Vec<FieldError> {
    const STATES: [&str; 3] = ["Healthy", "Unhealthy", "Unknown"];
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (at, device) in devices.iter().enumerate() {
        let path = path.index(at);
        let state = device["health"].as_str().unwrap_or_default();
        if !STATES.contains(&state) {
            out.push(FieldError::not_supported(
                &path.child("health"),
                state,
                &STATES,
            ));
        }
        let id = device["resourceID"].as_str().unwrap_or_default();
        if !seen.insert(id) {
            out.push(FieldError::duplicate(&path.child("resourceID"), id));
        }
    }
    out
}
