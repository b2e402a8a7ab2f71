//! Probes and lifecycle hooks of a container.

use serde_json::Value;

use super::{in_range, not_negative, one_of, required, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;

/// The faults of a probe; one that must succeed once (liveness, startup) says so by `once`.
pub(super) fn probe(probe: &Value, once: bool, path: &Path) -> Vec<FieldError> {
    if !probe.is_object() {
        return Vec::new();
    }
    let mut out = handler(probe, path);
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        out.extend(not_negative(&path.child(field), probe[field].as_i64()));
    }
    if let Some(seconds) = probe["terminationGracePeriodSeconds"]
        .as_i64()
        .filter(|seconds| *seconds <= 0)
    {
        let field = path.child("terminationGracePeriodSeconds");
        out.push(FieldError::invalid(
            &field,
            seconds,
            "must be greater than 0",
        ));
    }
    if let Some(threshold) = probe["successThreshold"]
        .as_i64()
        .filter(|threshold| once && *threshold != 1)
    {
        out.push(FieldError::invalid(
            &path.child("successThreshold"),
            threshold,
            "must be 1",
        ));
    }
    out
}

/// The faults of `lifecycle`.
pub(super) fn lifecycle(lifecycle: &Value, path: &Path) -> Vec<FieldError> {
    ["postStart", "preStop"]
        .into_iter()
        .filter(|hook| lifecycle[*hook].is_object())
        .flat_map(|hook| handler(&lifecycle[hook], &path.child(hook)))
        .collect()
}

fn handler(handler: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut held = 0;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let action = &handler[kind];
        if !action.is_object() {
            continue;
        }
        held += 1;
        let path = path.child(kind);
        if held > 1 {
            out.push(FieldError::forbidden(
                &path,
                "may not specify more than 1 handler type",
            ));
            continue;
        }
        match kind {
            "exec" if action["command"].as_array().is_none_or(Vec::is_empty) => {
                out.push(FieldError::required(&path.child("command"), ""));
            }
            "httpGet" => {
                out.extend(required(&path.child("path"), text(action, "path")));
                out.extend(port(&action["port"], &path.child("port")));
                out.extend(one_of(
                    &path.child("scheme"),
                    text(action, "scheme"),
                    &["HTTP", "HTTPS"],
                ));
            }
            "tcpSocket" => out.extend(port(&action["port"], &path.child("port"))),
            "grpc" => out.extend(in_range(
                &path.child("port"),
                action["port"].as_i64(),
                1,
                65535,
            )),
            _ => {}
        }
    }
    if held == 0 {
        out.push(FieldError::required(path, "must specify a handler type"));
    }
    out
}

fn port(port: &Value, field: &Path) -> Vec<FieldError> {
    match port.as_str() {
        Some(name) => super::invalid_each(field, name, names::port_name(name)),
        None => in_range(field, Some(port.as_i64().unwrap_or(0)), 1, 65535)
            .into_iter()
            .collect(),
    }
}
