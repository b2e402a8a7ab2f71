//! `apidiscovery.k8s.io/v2`: everything in two documents.

use http::HeaderMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::groups::versions;
use super::subresources;
use crate::aggregation::{Aggregation, Remote};
use crate::http::{Answer, Document};
use crate::kinds::{Kinds, Resource};

const MEDIA_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The core group (`/api`), or all others (`/apis`).
pub(super) fn answer(
    kinds: &Kinds,
    aggregation: &Aggregation,
    core: bool,
    headers: &HeaderMap,
) -> Answer {
    let all = kinds.all();
    let items: Vec<Value> = versions(kinds, aggregation)
        .iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    if let Some(remote) = aggregation.remote(group, version) {
                        return elsewhere(&remote);
                    }
                    let of = all.iter().filter(|r| r.group == *group && r.version == *version);
                    json!({"version": version, "resources": of.map(|r| entry(r)).collect::<Vec<_>>(), "freshness": "Current"})
                })
                .collect();
            let metadata = if core { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let value = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    let bytes = bytes::Bytes::from(format!("{value}\n"));
    let document = Document {
        kind: MEDIA_TYPE,
        etag: format!("\"{}\"", hex::encode_upper(Sha512::digest(&bytes))),
        bytes,
        cache: "public",
    };
    document.answer(headers)
}

/// A version that another server answers, from the list of resources that it told last.
fn elsewhere(remote: &Remote) -> Value {
    let list = remote.resources();
    let listed = list.as_ref().and_then(|list| list["resources"].as_array());
    let (mut resources, mut below) = (Vec::new(), Vec::new());
    for one in listed.into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or_default();
        let told = |field: &str, own: &str| {
            one[field]
                .as_str()
                .filter(|text| !text.is_empty())
                .unwrap_or(own)
                .to_owned()
        };
        let response = kind(
            &told("group", &remote.group),
            &told("version", &remote.version),
            &told("kind", ""),
        );
        if let Some((parent, sub)) = name.split_once('/') {
            below.push((
                parent.to_owned(),
                json!({"subresource": sub, "responseKind": response, "verbs": one["verbs"]}),
            ));
            continue;
        }
        let mut value = json!({
            "resource": name, "responseKind": response,
            "scope": if one["namespaced"] == true { "Namespaced" } else { "Cluster" },
            "singularResource": one["singularName"], "verbs": one["verbs"],
        });
        for field in ["shortNames", "categories"] {
            if one[field].is_array() {
                value[field] = one[field].clone();
            }
        }
        resources.push(value);
    }
    for value in &mut resources {
        let name = value["resource"].as_str().unwrap_or_default();
        let of: Vec<Value> = below
            .iter()
            .filter(|(parent, _)| parent == name)
            .map(|(_, sub)| sub.clone())
            .collect();
        if !of.is_empty() {
            value["subresources"] = of.into();
        }
    }
    let is_fresh = remote.is_available() && list.is_some();
    json!({"version": remote.version, "resources": resources, "freshness": if is_fresh { "Current" } else { "Stale" }})
}

fn kind(group: &str, version: &str, kind: &str) -> Value {
    json!({"group": group, "version": version, "kind": kind})
}

fn entry(resource: &Resource) -> Value {
    let mut value = json!({
        "resource": resource.plural,
        "responseKind": kind(&resource.group, &resource.version, &resource.kind),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    if !resource.short_names.is_empty() {
        value["shortNames"] = resource.short_names.clone().into();
    }
    if !resource.categories.is_empty() {
        value["categories"] = resource.categories.clone().into();
    }
    let subresources: Vec<Value> = subresources::of(resource)
        .into_iter()
        .map(|sub| json!({"subresource": sub.name, "responseKind": kind(&sub.group, &sub.version, &sub.kind), "verbs": sub.verbs}))
        .collect();
    if !subresources.is_empty() {
        value["subresources"] = subresources.into();
    }
    value
}
