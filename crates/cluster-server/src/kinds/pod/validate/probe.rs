//! Probes and lifecycle hooks of a container.

use serde_json::Value;

use super::{in_range, invalid_each, list, not_negative, one_of, required, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;

const HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";

/// The faults of a container's hooks and probes, in the order in which Kubernetes looks at them.
pub(super) fn all(container: &Value, grace: Option<i64>, path: &Path) -> Vec<FieldError> {
    let lifecycle = path.child("lifecycle");
    let mut out: Vec<FieldError> = ["postStart", "preStop"]
        .into_iter()
        .filter(|hook| container["lifecycle"][*hook].is_object())
        .flat_map(|hook| handler(&container["lifecycle"][hook], grace, &lifecycle.child(hook)))
        .collect();
    for kind in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[kind].is_object() {
            out.extend(probe(kind, &container[kind], grace, &path.child(kind)));
        }
    }
    out
}

fn probe(kind: &str, probe: &Value, grace: Option<i64>, path: &Path) -> Vec<FieldError> {
    let mut out = handler(probe, grace, path);
    for field in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        out.extend(not_negative(&path.child(field), probe[field].as_i64()));
    }
    let own = path.child("terminationGracePeriodSeconds");
    let seconds = probe["terminationGracePeriodSeconds"].as_i64();
    if let Some(seconds) = seconds.filter(|seconds| *seconds <= 0) {
        out.push(FieldError::invalid(&own, seconds, "must be greater than 0"));
    }
    if kind == "readinessProbe" {
        let detail = "must not be set for readinessProbes";
        out.extend(seconds.map(|seconds| FieldError::invalid(&own, seconds, detail)));
    } else {
        // Once it holds it holds.
        let threshold = probe["successThreshold"].as_i64().unwrap_or(0);
        if threshold != 1 {
            let field = path.child("successThreshold");
            out.push(FieldError::invalid(&field, threshold, "must be 1"));
        }
    }
    out
}

fn handler(handler: &Value, grace: Option<i64>, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut held = 0;
    for kind in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        if !handler[kind].is_object() {
            continue;
        }
        held += 1;
        let path = path.child(kind);
        if held == 1 {
            out.extend(action(kind, &handler[kind], grace, &path));
        } else {
            let detail = "may not specify more than 1 handler type";
            out.push(FieldError::forbidden(&path, detail));
        }
    }
    if held == 0 {
        out.push(FieldError::required(path, "must specify a handler type"));
    }
    out
}

fn action(kind: &str, action: &Value, grace: Option<i64>, path: &Path) -> Vec<FieldError> {
    let port_field = path.child("port");
    match kind {
        "exec" if list(&action["command"]).is_empty() => {
            vec![FieldError::required(&path.child("command"), "")]
        }
        "httpGet" => {
            let mut out: Vec<FieldError> = required(&path.child("path"), text(action, "path"))
                .into_iter()
                .collect();
            out.extend(port(&action["port"], &port_field));
            let scheme = text(action, "scheme");
            out.extend(one_of(&path.child("scheme"), scheme, &["HTTP", "HTTPS"]));
            for header in list(&action["httpHeaders"]) {
                let name = text(header, "name");
                let holds = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
                if name.is_empty() || !name.bytes().all(holds) {
                    let field = path.child("httpHeaders");
                    out.push(FieldError::invalid(&field, name, HEADER));
                }
            }
            out
        }
        "tcpSocket" => port(&action["port"], &port_field),
        "grpc" => {
            let number = action["port"].as_i64().unwrap_or(0);
            in_range(&port_field, Some(number), 1, 65535)
                .into_iter()
                .collect()
        }
        "sleep" => sleep(action, grace, path).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// A hook may not sleep longer than the Pod has to end.
fn sleep(action: &Value, grace: Option<i64>, path: &Path) -> Option<FieldError> {
    let (seconds, grace) = (action["seconds"].as_i64().unwrap_or(0), grace?);
    (!(0..=grace).contains(&seconds)).then(|| {
        let detail =
            format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        FieldError::invalid(path, seconds, detail)
    })
}

fn port(port: &Value, field: &Path) -> Vec<FieldError> {
    match port.as_str() {
        Some(name) => invalid_each(field, name, names::port_name(name)),
        None => in_range(field, Some(port.as_i64().unwrap_or(0)), 1, 65535)
            .into_iter()
            .collect(),
    }
}
