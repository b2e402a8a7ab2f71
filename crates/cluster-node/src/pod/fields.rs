//! What a Pod can learn of itself: `fieldRef` and `resourceFieldRef` (the downward API).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod, ResourceFieldSelector};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::quantity::divided;
use super::roles;

/// What this node offers, for limits that a container does not set.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFacts {
    /// Name of the Node object.
    pub name: String,
    /// Address of the node.
    pub host_ip: String,
    /// Allocatable CPU.
    pub cpu: Quantity,
    /// Allocatable memory.
    pub memory: Quantity,
}

/// A reference that cannot be resolved; the container waits with `CreateContainerConfigError`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No such field, or none that a container may ask for.
    #[error("unsupported fieldPath: {0}")]
    UnsupportedField(String),
    /// No such resource.
    #[error("unsupported container resource : {0}")]
    UnsupportedResource(String),
    /// A container that is not in the Pod.
    #[error("container {0} not found")]
    NoContainer(String),
}

/// The value of `fieldPath`. `pod_ips` are known once the Pod has a sandbox.
pub fn field(
    pod: &Pod,
    node: &NodeFacts,
    pod_ips: &[String],
    path: &str,
) -> Result<String, FieldError> {
    let meta = &pod.metadata;
    let text = |value: &Option<String>| Ok(value.clone().unwrap_or_default());
    if let Some((map, key)) = subscript(path) {
        let entry = |map: &Option<BTreeMap<String, String>>| {
            Ok(map
                .as_ref()
                .and_then(|map| map.get(key))
                .cloned()
                .unwrap_or_default())
        };
        return match map {
            "metadata.labels" => entry(&meta.labels),
            "metadata.annotations" => entry(&meta.annotations),
            _ => Err(FieldError::UnsupportedField(path.to_owned())),
        };
    }
    match path {
        "metadata.name" => text(&meta.name),
        "metadata.namespace" => text(&meta.namespace),
        "metadata.uid" => text(&meta.uid),
        "metadata.labels" => Ok(listed(meta.labels.as_ref())),
        "metadata.annotations" => Ok(listed(meta.annotations.as_ref())),
        "spec.nodeName" => Ok(node.name.clone()),
        "spec.serviceAccountName" => text(&roles::spec(pod).service_account_name),
        "status.hostIP" | "status.hostIPs" => Ok(node.host_ip.clone()),
        "status.podIP" => Ok(pod_ips.first().cloned().unwrap_or_default()),
        "status.podIPs" => Ok(pod_ips.join(",")),
        other => Err(FieldError::UnsupportedField(other.to_owned())),
    }
}

/// `metadata.labels['key']` → (`metadata.labels`, `key`).
fn subscript(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['")
}

/// `key="value"` lines, sorted, as the downward API writes labels and annotations.
fn listed(map: Option<&BTreeMap<String, String>>) -> String {
    let lines: Vec<String> = map
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    lines.join("\n")
}

/// The value of a `resourceFieldRef` in `own` or in the container that it names.
pub fn resource(
    pod: &Pod,
    node: &NodeFacts,
    own: &Container,
    selector: &ResourceFieldSelector,
) -> Result<String, FieldError> {
    let named = selector
        .container_name
        .as_deref()
        .filter(|name| !name.is_empty());
    let spec = roles::spec(pod);
    let container = match named {
        None => own,
        Some(name) => spec
            .containers
            .iter()
            .chain(spec.init_containers.iter().flatten())
            .find(|container| container.name == name)
            .ok_or_else(|| FieldError::NoContainer(name.to_owned()))?,
    };
    let unsupported = || FieldError::UnsupportedResource(selector.resource.clone());
    let (kind, name) = selector.resource.split_once('.').ok_or_else(unsupported)?;
    let amounts = container.resources.clone().unwrap_or_default();
    let set = match kind {
        "limits" => amounts.limits,
        "requests" => amounts.requests,
        _ => return Err(unsupported()),
    };
    let quantity = match (set.and_then(|map| map.get(name).cloned()), kind, name) {
        (Some(quantity), ..) => quantity,
        (None, "limits", "cpu") => node.cpu.clone(),
        (None, "limits", "memory") => node.memory.clone(),
        (None, _, "cpu" | "memory" | "ephemeral-storage") => Quantity("0".to_owned()),
        _ => return Err(unsupported()),
    };
    divided(&quantity, selector.divisor.as_ref())
        .map(|n| n.to_string())
        .ok_or_else(unsupported)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    use serde_json::json;

    use super::{NodeFacts, field};

    #[test]
    fn fields_are_found_and_unknown_ones_are_refused() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "ns", "labels": {"b": "2", "a": "x \"y\""}},
            "spec": {"containers": [], "serviceAccountName": "sa"},
        }))
        .unwrap();
        let node = NodeFacts {
            name: "n".into(),
            host_ip: "127.0.0.1".into(),
            cpu: Quantity("2".into()),
            memory: Quantity("1Gi".into()),
        };
        let ips = ["10.1.2.3".to_owned()];
        let check = |path, expected: Option<&str>| {
            assert_eq!(
                field(&pod, &node, &ips, path).ok().as_deref(),
                expected,
                "{path}"
            );
        };
        check("metadata.name", Some("p"));
        check("metadata.labels['b']", Some("2"));
        check("metadata.labels['none']", Some(""));
        check("metadata.labels", Some("a=\"x \\\"y\\\"\"\nb=\"2\""));
        check("status.podIP", Some("10.1.2.3"));
        check("spec.serviceAccountName", Some("sa"));
        check("spec.hostNetwork", None);
    }
}
