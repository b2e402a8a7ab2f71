//! Ports of a Pod's containers that get into each other's way.

use std::collections::HashMap;

use serde_json::Value;

use super::{each_container, list, text};
use crate::field::Path;

fn number(port: &Value, field: &str) -> i64 {
    port[field].as_i64().unwrap_or(0)
}

/// Warns of them.
pub(super) fn warn(spec: &Value, path: &Path, out: &mut Vec<String>) {
    let ports: Vec<(Path, &Value)> = each_container(spec, path)
        .into_iter()
        .flat_map(|(container, path)| {
            let ports = list(container, "ports").iter().enumerate();
            ports.map(move |(at, port)| (path.child("ports").index(at), port))
        })
        .collect();
    let mut seen: HashMap<String, Vec<(&Path, &Value)>> = HashMap::new();
    for (field, port) in &ports {
        let (ip, host) = (text(port, "hostIP"), number(port, "hostPort"));
        if !ip.is_empty() && host == 0 {
            out.push(format!(
                "{field}: hostIP set without hostPort: {}",
                printed(port)
            ));
        }
        let key = format!(
            "{}/{}",
            number(port, "containerPort"),
            text(port, "protocol")
        );
        let others = seen.entry(key).or_default();
        for (other_field, other) in others.iter() {
            if let Some(conflict) = conflict(port, other) {
                out.push(format!(
                    "{field}: {conflict} port definition with {other_field}"
                ));
            }
        }
        others.push((field, port));
    }
    let mut named: HashMap<&str, &Path> = HashMap::new();
    for (field, port) in &ports {
        let name = text(port, "name");
        if name.is_empty() {
            continue;
        }
        if let Some(other) = named.get(name) {
            out.push(format!(
                "{field}: duplicate port name {name:?} with {other}, services and probes that select ports by name will use {other}"
            ));
        } else {
            named.insert(name, field);
        }
    }
}

/// How two ports of one number and protocol are in each other's way.
fn conflict(port: &Value, other: &Value) -> Option<&'static str> {
    let (ip, other_ip) = (text(port, "hostIP"), text(other, "hostIP"));
    let (host, other_host) = (number(port, "hostPort"), number(other, "hostPort"));
    if ip == other_ip && host == other_host {
        Some("duplicate")
    } else if host == 0 || other_host == 0 {
        Some("overlapping")
    } else {
        let ambiguous = host == other_host && ip.is_empty() != other_ip.is_empty();
        ambiguous.then_some("dangerously ambiguous")
    }
}

/// A port as Go prints a struct (`%+v`).
fn printed(port: &Value) -> String {
    format!(
        "{{Name:{} HostPort:{} ContainerPort:{} Protocol:{} HostIP:{}}}",
        text(port, "name"),
        number(port, "hostPort"),
        number(port, "containerPort"),
        text(port, "protocol"),
        text(port, "hostIP"),
    )
}
