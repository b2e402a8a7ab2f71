//! A node's agent touches its own Node, its own Pods' status, and nothing else.
//!
//! Source: `plugin/pkg/admission/noderestriction/admission.go`.

use serde_json::Value;

use super::{Operation, Request};
use crate::authz::node_name;
use crate::error::ApiError;
use crate::store::Store;

const MIRROR: &str = "kubernetes.io/config.mirror";

pub(super) fn admit(store: &Store, request: &Request) -> Result<(), ApiError> {
    let Some(node) = node_name(&request.user) else {
        return Ok(());
    };
    let verdict = match (
        request.resource.group.as_str(),
        request.resource.resource.as_str(),
    ) {
        ("", "pods") => on_pod(store, request, node),
        ("", "nodes") => on_node(request, node),
        ("", "serviceaccounts") if request.subresource == "token" => on_token(store, request, node),
        _ => Ok(()),
    };
    verdict.map_err(|why| request.forbidden(&why))
}

fn on_pod(store: &Store, request: &Request, node: &str) -> Result<(), String> {
    let bound_here = |pod: Option<&Value>| pod.is_some_and(|pod| pod["spec"]["nodeName"] == node);
    let only = |here: bool, what: &str| {
        if here {
            Ok(())
        } else {
            Err(format!(
                "node {node:?} can only {what} with spec.nodeName set to itself"
            ))
        }
    };
    let (new, old) = (request.object.as_ref(), request.old_object.as_ref());
    match (request.subresource.as_str(), request.operation) {
        ("", Operation::Create) => {
            let mirror =
                new.is_some_and(|pod| pod["metadata"]["annotations"].get(MIRROR).is_some());
            if !mirror {
                return Err(format!(
                    "pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods"
                ));
            }
            only(bound_here(new), "create pods")
        }
        ("", Operation::Delete) => only(bound_here(old), "delete pods"),
        ("", operation) => {
            let operation = operation.as_str();
            Err(format!(
                "unexpected operation {operation:?}, node {node:?} can only create and delete mirror pods"
            ))
        }
        ("status", _) => only(bound_here(old), "update pod status for pods"),
        ("eviction", _) => {
            let pod = store.get("pods", &request.namespace, &request.name);
            only(bound_here(pod.as_ref().map(|pod| &pod.value)), "evict pods")
        }
        (other, _) => Err(format!(
            "unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed"
        )),
    }
}

fn on_node(request: &Request, node: &str) -> Result<(), String> {
    let requested = request.object_name();
    if requested != node {
        return Err(format!(
            "node {node:?} is not allowed to modify node {requested:?}"
        ));
    }
    if let (Some(new), Some(old)) = (&request.object, &request.old_object)
        && new["spec"]["taints"] != old["spec"]["taints"]
    {
        return Err(format!("node {node:?} is not allowed to modify taints"));
    }
    Ok(())
}

fn on_token(store: &Store, request: &Request, node: &str) -> Result<(), String> {
    let reference = request
        .object
        .as_ref()
        .map_or(&Value::Null, |object| &object["spec"]["boundObjectRef"]);
    if reference["kind"] != "Pod" || reference["apiVersion"] != "v1" {
        return Err("node requested token not bound to a pod".to_owned());
    }
    let name = reference["name"].as_str().unwrap_or_default();
    let pod = store
        .get("pods", &request.namespace, name)
        .ok_or_else(|| format!("pod {name:?} not found"))?;
    if pod.value["metadata"]["uid"] != reference["uid"] {
        return Err(format!(
            "the UID in the bound object reference does not match the UID in record of pod {name:?}"
        ));
    }
    if pod.value["spec"]["nodeName"] != node {
        return Err("node requested token bound to a pod scheduled on a different node".to_owned());
    }
    Ok(())
}
