//! Brings the bootstrap roles and bindings of a store to what they should be at least, at each start
//! (`pkg/registry/rbac/reconciliation`): what is missing is added, what somebody added stays. An object whose annotation
//! `rbac.authorization.kubernetes.io/autoupdate` is `false` is left alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::rules::{self, Rule};
use super::{
    CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, GROUP, ROLE_BINDINGS, ROLES, aggregation, bootstrap,
};
use crate::store::{Store, StoreError};

const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
/// Who may read what an aggregated API's server must know to believe this one.
const READER: &str = "extension-apiserver-authentication-reader";

/// Creates or mends the bootstrap roles and bindings.
///
/// A crash in between leaves some of them; the next start does the rest.
pub async fn ensure(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    let mut roles = bootstrap::cluster_roles();
    aggregation::settle(&mut roles);
    let cluster = roles.into_iter().map(|role| (CLUSTER_ROLES, "", role));
    let bindings = bootstrap::cluster_role_bindings().into_iter();
    let bindings = bindings.map(|binding| (CLUSTER_ROLE_BINDINGS, "", binding));
    let reader = [
        (ROLES, "kube-system", reader()),
        (ROLE_BINDINGS, "kube-system", reader_binding()),
    ];
    let all = cluster.chain(bindings).chain(reader);
    let writes =
        all.map(|(resource, namespace, object)| settle(store, resource, namespace, object, now));
    // All at once, so that they share a commit.
    futures::future::join_all(writes)
        .await
        .into_iter()
        .collect()
}

async fn settle(
    store: &Store,
    resource: &str,
    namespace: &str,
    mut wanted: Value,
    now: Timestamp,
) -> Result<(), StoreError> {
    let name = wanted["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let outcome = match store.get(resource, namespace, &name) {
        None => {
            wanted["metadata"]["uid"] = uuid::Uuid::new_v4().to_string().into();
            wanted["metadata"]["creationTimestamp"] =
                now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
            store.create(resource, namespace, &name, wanted).await
        }
        Some(stored) => match mended(&stored.value, &wanted) {
            None => return Ok(()),
            Some(mended) => {
                store
                    .update(resource, namespace, &name, stored.revision, mended)
                    .await
            }
        },
    };
    match outcome {
        Ok(_) | Err(StoreError::Exists) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The stored object with what it lacks; `None` if it lacks nothing, or is not to be touched.
fn mended(stored: &Value, wanted: &Value) -> Option<Value> {
    if stored["metadata"]["annotations"][AUTO_UPDATE] == "false" {
        return None;
    }
    let mut out = stored.clone();
    for field in ["labels", "annotations"] {
        let pairs = wanted["metadata"][field].as_object();
        for (key, value) in pairs.into_iter().flatten() {
            if stored["metadata"][field].get(key).is_none() {
                out["metadata"][field][key] = value.clone();
            }
        }
    }
    if wanted.get("aggregationRule").is_some() {
        // The rules of such a role come from others.
        out["aggregationRule"] = wanted["aggregationRule"].clone();
    } else if wanted.get("rules").is_some() {
        let held = rules::of(stored);
        let missing: Vec<Rule> = rules::of(wanted)
            .iter()
            .flat_map(Rule::broken_down)
            .filter(|rule| !held.iter().any(|own| own.covers(rule)))
            .collect();
        append(&mut out, "rules", compacted(missing));
    }
    if wanted.get("roleRef").is_some() {
        let there = stored["subjects"].as_array();
        let is_there = |one: &Value| there.is_some_and(|all| all.contains(one));
        let missing = wanted["subjects"].as_array().into_iter().flatten();
        let missing = missing.filter(|one| !is_there(one)).cloned().collect();
        append(&mut out, "subjects", missing);
    }
    (out != *stored).then_some(out)
}

fn append(object: &mut Value, field: &str, more: Vec<Value>) {
    if more.is_empty() {
        return;
    }
    match object[field].as_array_mut() {
        Some(list) => list.extend(more),
        None => object[field] = more.into(),
    }
}

/// Rules of one verb each, put together by what they are about.
fn compacted(rules: Vec<Rule>) -> Vec<Value> {
    type About = (Vec<String>, Vec<String>, Vec<String>, Vec<String>);
    let mut by: BTreeMap<About, Rule> = BTreeMap::new();
    for rule in rules {
        let about = (
            rule.groups.clone(),
            rule.resources.clone(),
            rule.names.clone(),
            rule.paths.clone(),
        );
        match by.get_mut(&about) {
            Some(one) => one.verbs.extend(rule.verbs),
            None => {
                by.insert(about, rule);
            }
        }
    }
    by.values().map(Rule::to_value).collect()
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name, "namespace": "kube-system",
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {AUTO_UPDATE: "true"},
    })
}

fn reader() -> Value {
    let mut rule = bootstrap::rule("get list watch", "", "configmaps");
    rule.names = vec!["extension-apiserver-authentication".to_owned()];
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "Role", "metadata": metadata(READER), "rules": [rule.to_value()],
    })
}

fn reader_binding() -> Value {
    let user = |name: &str| json!({"apiGroup": GROUP, "kind": "User", "name": name});
    json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "RoleBinding",
        "metadata": metadata(&format!("system::{READER}")),
        "roleRef": {"apiGroup": GROUP, "kind": "Role", "name": READER},
        "subjects": [user("system:kube-controller-manager"), user("system:kube-scheduler")],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_added_and_what_was_added_stays() {
        let wanted = json!({"metadata": {"labels": {"a": "b"}}, "rules": [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]});
        let mut stored = json!({"metadata": {"labels": {"mine": "x"}}, "rules": [
            {"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods"]},
        ]});
        let expected = json!({"metadata": {"labels": {"mine": "x", "a": "b"}}, "rules": [
            {"verbs": ["get", "delete"], "apiGroups": [""], "resources": ["pods"]},
            {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]},
        ]});
        assert_eq!(mended(&stored, &wanted), Some(expected.clone()));
        assert_eq!(mended(&expected, &wanted), None);
        stored["metadata"]["annotations"] = json!({AUTO_UPDATE: "false"});
        assert_eq!(mended(&stored, &wanted), None);
    }
}
