//! `/api`, `/apis` and below, one document per path.

use http::HeaderMap;
use serde_json::{Value, json};

use super::subresources;
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

/// Groups with their versions, the preferred one first: stable before beta before alpha, higher before lower.
pub(super) fn versions(kinds: &Kinds) -> Vec<(String, Vec<String>)> {
    let mut out: Vec<(String, Vec<String>)> = Vec::new();
    for resource in kinds.all() {
        match out.iter_mut().find(|(group, _)| *group == resource.group) {
            Some((_, versions)) if versions.contains(&resource.version) => {}
            Some((_, versions)) => versions.push(resource.version.clone()),
            None => out.push((resource.group.clone(), vec![resource.version.clone()])),
        }
    }
    for (_, versions) in &mut out {
        versions.sort_by_key(|version| std::cmp::Reverse(rank(version)));
    }
    out
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
pub(super) fn all(kinds: &Kinds) -> Value {
    let groups: Vec<Value> = versions(kinds)
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, versions)| group(name, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/{group}`.
pub(super) fn one(kinds: &Kinds, name: &str) -> Option<Value> {
    let all = versions(kinds);
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
    value
}
