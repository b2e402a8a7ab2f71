//! `meta.k8s.io/v1 Table` and `PartialObjectMetadata`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::collection::metadata;
use super::negotiate::Include;
use crate::api::{Event, List};
use crate::kinds::{Resource, table};
use crate::store::Object;

/// The type of Kubernetes' own that an object or a list of a resource is, as its messages print it.
pub(super) fn go_type(resource: &Resource, list: bool) -> String {
    let package = match &*resource.group {
        _ if resource.custom => {
            let list = if list { "List" } else { "" };
            return format!("*unstructured.Unstructured{list}");
        }
        "" | "events.k8s.io" => "core",
        group => group.split('.').next().unwrap_or_default(),
    };
    let kind = if list {
        &resource.list_kind
    } else {
        &resource.kind
    };
    format!("*{package}.{kind}")
}

/// `PartialObjectMetadata` of an object.
pub(super) fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

pub(super) fn of_one(
    resource: &Resource,
    object: &Object,
    include: Include,
    now: Timestamp,
) -> Value {
    let meta = json!({"resourceVersion": object.value["metadata"]["resourceVersion"]});
    build(resource, [&object.value].into_iter(), &meta, include, now)
}

pub(super) fn of_list(resource: &Resource, list: &List, include: Include, now: Timestamp) -> Value {
    build(
        resource,
        list.items.iter().map(|item| &item.value),
        &metadata(list),
        include,
        now,
    )
}

pub(super) fn of_event(
    resource: &Resource,
    event: &Event,
    include: Include,
    now: Timestamp,
) -> Value {
    let object = &event.object.value;
    let meta = json!({"resourceVersion": object["metadata"]["resourceVersion"]});
    let rows: &[&Value] = &[object];
    build(resource, rows.iter().copied(), &meta, include, now)
}

fn build<'a>(
    resource: &Resource,
    objects: impl Iterator<Item = &'a Value>,
    meta: &Value,
    include: Include,
    now: Timestamp,
) -> Value {
    let rows: Vec<Value> = objects
        .map(|object| {
            let shown = match include {
                Include::None => Value::Null,
                Include::Metadata => partial(object),
                Include::Object => object.clone(),
            };
            let mut row = json!({"cells": table::cells(resource, object, now), "object": shown});
            if let Some(conditions) = table::conditions(resource, object) {
                row["conditions"] = conditions;
            }
            row
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": table::columns(resource), "rows": rows,
    })
}
