//! The parameters of a binding (`generic.CollectParams`).

use std::sync::Arc;

use serde_json::Value;

use super::super::selector::matches;
use super::super::{Chain, Request};
use crate::kinds::Resource;

/// The resource of a policy's `paramKind`; none if it has none.
pub(super) fn kind(chain: &Chain, kind: &Value) -> Result<Option<Arc<Resource>>, String> {
    if kind.is_null() {
        return Ok(None);
    }
    let api_version = kind["apiVersion"].as_str().unwrap_or_default();
    let name = kind["kind"].as_str().unwrap_or_default();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    match chain.kinds.by_kind(group, version, name) {
        Some(resource) => Ok(Some(resource)),
        None => Err(format!(
            "failed to find resource referenced by paramKind: '{group}/{version}, Kind={name}'"
        )),
    }
}

/// The objects to judge with, one after the other; `None` stands for judging without.
pub(super) fn collect(
    chain: &Chain,
    kind: Option<&Resource>,
    reference: &Value,
    request: &Request,
) -> Result<Vec<Option<Value>>, String> {
    let Some(kind) = kind.filter(|_| !reference.is_null()) else {
        return Ok(vec![None]);
    };
    let text = |name: &str| reference[name].as_str().unwrap_or_default();
    let namespace = match (kind.namespaced, text("namespace")) {
        (true, "") if request.namespace.is_empty() => {
            return Err(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".to_owned(),
            );
        }
        (true, "") => request.namespace.as_str(),
        (true, namespace) => namespace,
        (false, "") => "",
        (false, _) => {
            return Err(
                "paramRef.namespace must not be provided for a cluster-scoped `paramKind`"
                    .to_owned(),
            );
        }
    };
    let name = text("name");
    let selector = &reference["selector"];
    let found: Vec<Option<Value>> = if !name.is_empty() {
        let one = chain.store.get(&kind.key(), namespace, name);
        one.into_iter()
            .map(|object| Some(typed(&object.value, kind)))
            .collect()
    } else if selector.is_object() {
        let (all, _) = chain
            .store
            .list(&kind.key(), kind.namespaced.then_some(namespace));
        let chosen = all.iter().filter(|object| matches(selector, &object.value));
        chosen
            .map(|object| Some(typed(&object.value, kind)))
            .collect()
    } else {
        return Err("one of name or selector must be provided".to_owned());
    };
    if found.is_empty() && text("parameterNotFoundAction") == "Deny" {
        return Err(
            "no params found for policy binding with `Deny` parameterNotFoundAction".to_owned(),
        );
    }
    Ok(found)
}

/// A stored object with the version and kind under which the policy names it.
fn typed(object: &Value, kind: &Resource) -> Value {
    let mut object = object.clone();
    object["apiVersion"] = kind.api_version().into();
    object["kind"] = kind.kind.clone().into();
    object
}
