//! Nothing is made in a namespace that is not there or going away, and the first namespaces stay.

use serde_json::json;

use super::{Operation, Request};
use crate::error::ApiError;
use crate::store::Store;

const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

pub(super) fn admit(store: &Store, request: &Request) -> Result<(), ApiError> {
    if request.operation == Operation::Delete
        && request.is_namespace()
        && IMMORTAL.contains(&request.name.as_str())
    {
        return Err(request.forbidden("this namespace may not be deleted"));
    }
    let exempt = request.is_namespace()
        || request.namespace.is_empty()
        || request.operation != Operation::Create;
    if exempt || request.resource.group == "authorization.k8s.io" {
        return Ok(());
    }
    let namespace = &request.namespace;
    let found = store
        .get("namespaces", "", namespace)
        .ok_or_else(|| ApiError::not_found("", "namespaces", namespace))?;
    if found.value["metadata"]
        .get("deletionTimestamp")
        .is_none_or(serde_json::Value::is_null)
    {
        return Ok(());
    }
    let why = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let mut error = request.forbidden(&why);
    if let Some(details) = &mut error.details {
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
    }
    Err(error)
}
