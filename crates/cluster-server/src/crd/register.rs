//! Definitions as they come and go: their versions are served, their status says so, their objects go with them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::DEFINITIONS;
use super::custom::Custom;
use crate::api::{Api, Context, DeleteOptions, ListOptions, Target};
use crate::clock::Clock;
use crate::kinds::{Column, Kinds, Resource};
use crate::managed::Topology;
use crate::store::{EventType, Object, Store, StoreError};

/// Keeps a definition until its objects are gone.
pub(super) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
const VERBS: [&str; 8] = [
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];

/// Serves everything that is defined in `store`. Called once before the first request.
pub fn register_stored(store: &Store, kinds: &Kinds) {
    for definition in store.list(DEFINITIONS, None).0 {
        serve(kinds, &definition.value);
    }
}

/// Follows the definitions until the store closes.
pub async fn run(api: Arc<Api>) -> Result<(), StoreError> {
    loop {
        let (all, from) = api.store.list(DEFINITIONS, None);
        for definition in all {
            settle(&api, &definition).await;
        }
        let mut watch = api.store.watch(DEFINITIONS, from)?;
        loop {
            match watch.next().await {
                Ok(change) if change.kind == EventType::Deleted => {
                    withdraw(&api.kinds, &change.object.value);
                }
                Ok(change) => settle(&api, &change.object).await,
                Err(StoreError::Expired { .. }) => break,
                Err(error) => return Err(error),
            }
        }
    }
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"]
        .as_array()
        .into_iter()
        .flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Registers the served versions and withdraws the others.
fn serve(kinds: &Kinds, definition: &Value) {
    let spec = &definition["spec"];
    for version in versions(definition) {
        if version["served"] == true {
            kinds.register(resource(definition, version));
        } else {
            kinds.unregister(
                text(spec, "group"),
                text(version, "name"),
                text(&spec["names"], "plural"),
            );
        }
    }
}

fn withdraw(kinds: &Kinds, definition: &Value) {
    let spec = &definition["spec"];
    for version in versions(definition) {
        kinds.unregister(
            text(spec, "group"),
            text(version, "name"),
            text(&spec["names"], "plural"),
        );
    }
}

fn resource(definition: &Value, version: &Value) -> Resource {
    let (spec, names) = (&definition["spec"], &definition["spec"]["names"]);
    let custom = Custom::new(definition, version);
    let decoder = Arc::clone(&custom);
    let status = version["subresources"]["status"]
        .is_object()
        .then(|| "status".to_owned());
    Resource {
        group: text(spec, "group").to_owned(),
        version: text(version, "name").to_owned(),
        kind: text(names, "kind").to_owned(),
        list_kind: text(names, "listKind").to_owned(),
        plural: text(names, "plural").to_owned(),
        singular: text(names, "singular").to_owned(),
        short_names: strings(&names["shortNames"]),
        categories: strings(&names["categories"]),
        namespaced: text(spec, "scope") == "Namespaced",
        verbs: VERBS.map(str::to_owned).to_vec(),
        subresources: status.into_iter().collect(),
        custom: true,
        selectable_fields: selectable_fields(version),
        columns: columns(version),
        schema: Some(version["schema"]["openAPIV3Schema"].clone()),
        topology: Topology::default(),
        decode: Arc::new(move |body| decoder.decode(body)),
        strategy: custom,
    }
}

fn selectable_fields(version: &Value) -> Vec<String> {
    let given = version["selectableFields"].as_array().into_iter().flatten();
    let paths = given.filter_map(|field| field["jsonPath"].as_str());
    paths
        .map(|path| path.trim_start_matches('.').to_owned())
        .collect()
}

fn columns(version: &Value) -> Vec<Column> {
    let given = version["additionalPrinterColumns"]
        .as_array()
        .into_iter()
        .flatten();
    let mut columns: Vec<Column> = given
        .map(|column| Column {
            name: text(column, "name").to_owned(),
            kind: text(column, "type").to_owned(),
            format: text(column, "format").to_owned(),
            description: text(column, "description").to_owned(),
            priority: column["priority"].as_i64().unwrap_or(0),
            json_path: text(column, "jsonPath").to_owned(),
        })
        .collect();
    if columns.is_empty() {
        columns.push(Column {
            name: "Age".to_owned(),
            kind: "date".to_owned(),
            json_path: ".metadata.creationTimestamp".to_owned(),
            ..Column::default()
        });
    }
    columns
}

/// Brings what is served, and the definition's status, to what the definition says.
async fn settle(api: &Api, definition: &Object) {
    let value = &definition.value;
    let outcome = if text(&value["metadata"], "deletionTimestamp").is_empty() {
        serve(&api.kinds, value);
        establish(api, definition).await
    } else {
        clean_up(api, definition).await
    };
    match outcome {
        // Somebody else wrote meanwhile: their change comes along the watch.
        Ok(()) | Err(StoreError::Conflict | StoreError::NotFound) => {}
        Err(error) => {
            tracing::warn!(name = text(&value["metadata"], "name"), %error, "definition not settled");
        }
    }
}

async fn establish(api: &Api, definition: &Object) -> Result<(), StoreError> {
    let status = status(&definition.value, &api.clock);
    if definition.value["status"] == status {
        return Ok(());
    }
    let mut value = definition.value.clone();
    value["status"] = status;
    write(api, definition, value).await
}

async fn write(api: &Api, definition: &Object, value: Value) -> Result<(), StoreError> {
    let name = text(&value["metadata"], "name").to_owned();
    api.store
        .update(DEFINITIONS, "", &name, definition.revision, value)
        .await
        .map(drop)
}

/// The status of a definition that is served; times of conditions that hold already are kept.
fn status(definition: &Value, clock: &Clock) -> Value {
    let known = definition["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let condition = |kind: &str, reason: &str, message: &str| {
        let kept = known
            .iter()
            .find(|one| one["type"] == kind && one["status"] == "True");
        kept.cloned().unwrap_or_else(|| {
            json!({"type": kind, "status": "True", "lastTransitionTime": clock.now_text(), "reason": reason, "message": message})
        })
    };
    let stored: Vec<&Value> = versions(definition)
        .filter(|one| one["storage"] == true)
        .map(|one| &one["name"])
        .collect();
    let recorded = &definition["status"]["storedVersions"];
    let stored = if recorded.as_array().is_some_and(|list| !list.is_empty()) {
        recorded.clone()
    } else {
        json!(stored)
    };
    json!({
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "acceptedNames": definition["spec"]["names"],
        "storedVersions": stored,
    })
}

/// Deletes the objects of a definition that is going; when none is left the definition may go.
///
/// A crash in between leaves the definition with its deletion mark; the next start goes on here.
async fn clean_up(api: &Api, definition: &Object) -> Result<(), StoreError> {
    let value = &definition.value;
    let spec = &value["spec"];
    let key = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
    if let Some(resource) = api.kinds.by_key(&key) {
        let target = Target::collection(&resource, "");
        let ctx = Context::system("system:apiserver");
        if let Err(error) = api
            .delete_collection(
                &ctx,
                &target,
                &ListOptions::default(),
                &DeleteOptions::default(),
            )
            .await
        {
            tracing::warn!(%key, %error, "objects of a definition that is being deleted");
        }
        await_empty(api, &key).await?;
    }
    let mut value = value.clone();
    if let Some(finalizers) = value["metadata"]
        .get_mut("finalizers")
        .and_then(Value::as_array_mut)
    {
        finalizers.retain(|one| one != FINALIZER);
    }
    let name = text(&value["metadata"], "name").to_owned();
    if value["metadata"]["finalizers"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        return api
            .store
            .delete(DEFINITIONS, "", &name, Some(definition.revision))
            .await
            .map(drop);
    }
    write(api, definition, value).await
}

/// Waits until the last object is gone, finalizers of their own included.
async fn await_empty(api: &Api, key: &str) -> Result<(), StoreError> {
    let from = api.store.revision();
    let mut watch = api.store.watch(key, from)?;
    while !api.store.list(key, None).0.is_empty() {
        watch.next().await?;
    }
    Ok(())
}
