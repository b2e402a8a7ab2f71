//! `apidiscovery.k8s.io/v2`: everything in two documents.

use serde_json::{Value, json};

use super::groups::versions;
use super::subresources;
use crate::http::Answer;
use crate::kinds::{Kinds, Resource};

const MEDIA_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The core group (`/api`), or all others (`/apis`).
pub(super) fn answer(kinds: &Kinds, core: bool) -> Answer {
    let all = kinds.all();
    let items: Vec<Value> = versions(kinds)
        .iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let of = all.iter().filter(|r| r.group == *group && r.version == *version);
                    json!({"version": version, "resources": of.map(|r| entry(r)).collect::<Vec<_>>(), "freshness": "Current"})
                })
                .collect();
            let metadata = if core { json!({"creationTimestamp": null}) } else { json!({"name": group, "creationTimestamp": null}) };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let value = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    Answer::Typed(200, MEDIA_TYPE, bytes::Bytes::from(value.to_string()))
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
