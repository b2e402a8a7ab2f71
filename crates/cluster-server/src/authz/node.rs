//! What a node's agent may do (`plugin/pkg/auth/authorizer/node`): a fixed set of rules, and of Secrets
//! and ConfigMaps only those that a Pod bound to it uses.

use std::sync::LazyLock;

use serde_json::Value;

use super::bootstrap::rule;
use super::rules::Rule;
use crate::identity::{Attributes, User};
use crate::store::Store;

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    vec![
        rule("create", "authentication.k8s.io", "tokenreviews"),
        rule(
            "create",
            "authorization.k8s.io",
            "localsubjectaccessreviews subjectaccessreviews",
        ),
        rule("get list watch", "", "services"),
        rule("create get list watch update patch", "", "nodes"),
        rule("update patch", "", "nodes/status"),
        rule("create update patch", "", "events"),
        rule("create update patch", "events.k8s.io", "events"),
        rule("get list watch create delete", "", "pods"),
        rule("update patch", "", "pods/status"),
        rule("create", "", "pods/eviction"),
        rule("get list watch", "", "secrets configmaps"),
        rule("get", "", "persistentvolumeclaims persistentvolumes"),
        rule("get", "", "endpoints"),
        rule("create", "", "serviceaccounts/token"),
        rule("get", "", "serviceaccounts"),
        rule(
            "create get update patch delete",
            "coordination.k8s.io",
            "leases",
        ),
        rule("get list watch", "node.k8s.io", "runtimeclasses"),
        rule(
            "create get list watch",
            "certificates.k8s.io",
            "certificatesigningrequests",
        ),
    ]
});

/// The rules of every node.
pub(super) fn rules() -> Vec<Rule> {
    RULES.clone()
}

/// The node's name, if the user is one.
pub(crate) fn name_of(user: &User) -> Option<&str> {
    let name = user.name.strip_prefix("system:node:")?;
    user.groups
        .iter()
        .any(|group| group == "system:nodes")
        .then_some(name)
}

/// Whether the node may; the error is a reason to print, if there is one.
pub(super) fn authorize(
    store: &Store,
    node: &str,
    request: &Attributes,
) -> Result<(), Option<String>> {
    if !RULES.iter().any(|rule| rule.allows(request)) {
        return Err(None);
    }
    let related = match (request.resource.as_str(), request.subresource.as_str()) {
        ("secrets", _) => uses(store, node, request, secret_names),
        ("configmaps", _) => uses(store, node, request, config_map_names),
        ("serviceaccounts", _) => uses(store, node, request, account_names),
        ("leases", _) => {
            request.namespace == "kube-node-lease"
                && (request.name == node || request.verb == "create")
        }
        _ => true,
    };
    if related {
        Ok(())
    } else {
        Err(Some(format!(
            "no relationship found between node '{node}' and this object"
        )))
    }
}

fn uses(store: &Store, node: &str, request: &Attributes, names: fn(&Value) -> Vec<&str>) -> bool {
    let pods = store.list("pods", Some(&request.namespace)).0;
    let mut bound = pods
        .iter()
        .filter(|pod| pod.value["spec"]["nodeName"] == node);
    !request.name.is_empty()
        && bound.any(|pod| names(&pod.value["spec"]).contains(&request.name.as_str()))
}

fn account_names(spec: &Value) -> Vec<&str> {
    spec["serviceAccountName"].as_str().into_iter().collect()
}

fn secret_names(spec: &Value) -> Vec<&str> {
    let pulls = items(&spec["imagePullSecrets"]).filter_map(|one| one["name"].as_str());
    let mut names: Vec<&str> = pulls.collect();
    names.extend(from_environment(spec, "secretRef", "secretKeyRef"));
    for volume in items(&spec["volumes"]) {
        names.extend(volume["secret"]["secretName"].as_str());
        names.extend(
            items(&volume["projected"]["sources"])
                .filter_map(|source| source["secret"]["name"].as_str()),
        );
    }
    names
}

fn config_map_names(spec: &Value) -> Vec<&str> {
    let mut names = from_environment(spec, "configMapRef", "configMapKeyRef");
    for volume in items(&spec["volumes"]) {
        names.extend(volume["configMap"]["name"].as_str());
        names.extend(
            items(&volume["projected"]["sources"])
                .filter_map(|source| source["configMap"]["name"].as_str()),
        );
    }
    names
}

fn from_environment<'a>(spec: &'a Value, whole: &str, key: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        for container in items(&spec[list]) {
            names.extend(
                items(&container["envFrom"]).filter_map(|from| from[whole]["name"].as_str()),
            );
            names.extend(
                items(&container["env"]).filter_map(|env| env["valueFrom"][key]["name"].as_str()),
            );
        }
    }
    names
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
