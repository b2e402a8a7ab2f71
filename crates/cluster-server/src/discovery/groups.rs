//! `/api`, `/apis` and below, one document per path.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::subresources;
use crate::aggregation::{self, Aggregation};
use crate::kinds::{Kinds, Resource};

/// `/api`.
pub(super) fn legacy(headers: &HeaderMap) -> Value {
    let host = headers
        .get(http::header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let addresses = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]);
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses})
}

/// Groups with their versions, those of other servers among them: by the priorities of their APIServices, the preferred
/// version first.
pub(super) fn versions(kinds: &Kinds, aggregation: &Aggregation) -> Vec<(String, Vec<String>)> {
    let mut known: BTreeMap<(String, String), (i64, i64)> = BTreeMap::new();
    for resource in kinds.all() {
        let key = (resource.group.clone(), resource.version.clone());
        known
            .entry(key)
            .or_insert_with(|| aggregation::priority(&resource.group));
    }
    for remote in aggregation.remotes() {
        known.insert(
            (remote.group.clone(), remote.version.clone()),
            remote.priority,
        );
    }
    let mut all: Vec<_> = known.into_iter().collect();
    // As `ByGroupPriorityMinimum` does: the APIService's name is `VERSION.GROUP`.
    all.sort_by_cached_key(|((group, version), (priority, _))| {
        (std::cmp::Reverse(*priority), format!("{version}.{group}"))
    });
    let mut out: Vec<(String, Vec<(i64, String)>)> = Vec::new();
    for ((group, version), (_, priority)) in all {
        match out.iter_mut().find(|(name, _)| *name == group) {
            Some((_, versions)) => versions.push((priority, version)),
            None => out.push((group, vec![(priority, version)])),
        }
    }
    out.into_iter()
        .map(|(group, mut versions)| {
            versions
                .sort_by_key(|(priority, version)| std::cmp::Reverse((*priority, rank(version))));
            (
                group,
                versions.into_iter().map(|(_, version)| version).collect(),
            )
        })
        .collect()
}

/// `version.CompareKubeAwareVersionStrings`.
fn rank(version: &str) -> (u8, u64, u64) {
    let number = |text: &str| text.parse().unwrap_or(0);
    let rest = version.strip_prefix('v').unwrap_or_default();
    match (rest.split_once("beta"), rest.split_once("alpha")) {
        (Some((major, minor)), _) => (1, number(major), number(minor)),
        (_, Some((major, minor))) => (0, number(major), number(minor)),
        _ => (2, number(rest), 0),
    }
}

fn group(name: &str, versions: &[String]) -> Value {
    let listed: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "versions": listed, "preferredVersion": listed.first()})
}

/// `/apis`.
pub(super) fn all(kinds: &Kinds, aggregation: &Aggregation) -> Value {
    let groups: Vec<Value> = versions(kinds, aggregation)
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, versions)| group(name, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/{group}`.
pub(super) fn one(kinds: &Kinds, aggregation: &Aggregation, name: &str) -> Option<Value> {
    let all = versions(kinds, aggregation);
    let (name, versions) = all
        .iter()
        .find(|(group, _)| group == name && !name.is_empty())?;
    let mut out = json!({"kind": "APIGroup", "apiVersion": "v1"});
    if let (Some(out), Value::Object(fields)) = (out.as_object_mut(), group(name, versions)) {
        out.extend(fields);
    }
    Some(out)
}

/// `/api/v1`, `/apis/{group}/{version}`.
pub(super) fn resources(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let all = kinds.all();
    let mut listed = Vec::new();
    for resource in all
        .iter()
        .filter(|r| r.group == group && r.version == version)
    {
        listed.push(entry(resource));
        for sub in subresources::of(resource) {
            let mut value = json!({
                "name": format!("{}/{}", resource.plural, sub.name), "singularName": "", "namespaced": resource.namespaced,
            });
            if sub.group != resource.group || sub.version != resource.version {
                value["group"] = sub.group.into();
                value["version"] = sub.version.into();
            }
            value["kind"] = sub.kind.into();
            value["verbs"] = sub.verbs.into();
            listed.push(value);
        }
    }
    if listed.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": listed}),
    )
}

fn entry(resource: &Resource) -> Value {
    let mut value = json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced, "kind": resource.kind,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        value["shortNames"] = resource.short_names.clone().into();
    }
    if !resource.categories.is_empty() {
        value["categories"] = resource.categories.clone().into();
    }
    // What is not stored (reviews) has none.
    if resource.allows("get") {
        value["storageVersionHash"] = storage_version_hash(resource).into();
    }
    value
}

/// `discovery.StorageVersionHash`.
fn storage_version_hash(resource: &Resource) -> String {
    let kind = format!("{}/{}/{}", resource.group, resource.version, resource.kind);
    BASE64.encode(&Sha256::digest(kind)[..8])
}
