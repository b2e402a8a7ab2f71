//! Definitions as they come and go: their versions are served, their status says so, their objects go with them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::task::JoinSet;

use super::DEFINITIONS;
use super::custom::Custom;
use super::definition::{holds, text, versions};
use super::scale::Scale;
use super::status::{self, FINALIZER, Taken, strings};
use crate::api::{Api, Context, DeleteOptions, ListOptions, Target};
use crate::kinds::{Column, Kinds, Resource};
use crate::managed::Topology;
use crate::store::{EventType, Object, Store, StoreError};

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

/// The definitions whose objects are being deleted. Each is emptied by one task only.
#[derive(Default)]
struct Ending {
    names: Arc<Mutex<HashSet<String>>>,
    tasks: JoinSet<()>,
}

/// Follows the definitions until the store closes.
pub async fn run(api: Arc<Api>) -> Result<(), StoreError> {
    let mut ending = Ending::default();
    loop {
        let (all, from) = api.store.list(DEFINITIONS, None);
        for definition in all {
            settle(&api, &definition, &mut ending).await;
        }
        let mut watch = api.store.watch(DEFINITIONS, from)?;
        loop {
            match watch.next().await {
                Ok(change) => {
                    let object = &change.object;
                    if change.kind == EventType::Deleted {
                        withdraw(&api.kinds, &object.value);
                    } else {
                        settle(&api, object, &mut ending).await;
                    }
                    settle_refused(&api, object, &mut ending).await;
                }
                Err(StoreError::Expired { .. }) => break,
                Err(error) => return Err(error),
            }
            while ending.tasks.try_join_next().is_some() {}
        }
    }
}

/// A name that has become free may be what another definition of the group waits for.
async fn settle_refused(api: &Arc<Api>, changed: &Object, ending: &mut Ending) {
    for other in api.store.list(DEFINITIONS, None).0 {
        let same_group = other.value["spec"]["group"] == changed.value["spec"]["group"];
        let itself = other.value["metadata"]["uid"] == changed.value["metadata"]["uid"];
        if same_group && !itself && !holds(&other.value, "NamesAccepted") {
            settle(api, &other, ending).await;
        }
    }
}

/// Registers the served versions of an established definition and withdraws the others.
fn serve(kinds: &Kinds, definition: &Value) {
    let spec = &definition["spec"];
    let established = holds(definition, "Established");
    for version in versions(definition) {
        if established && version["served"] == true {
            kinds.register(resource(definition, version));
        } else {
            kinds.unregister(
                text(spec, "group"),
                text(version, "name"),
                text(&spec["names"], "plural"),
            );
        }
    }
    // A version that is no longer in the definition is no longer served either.
    for served in kinds.all() {
        let ours = served.custom
            && served.group == text(spec, "group")
            && served.plural == text(&spec["names"], "plural");
        if ours && !versions(definition).any(|version| version["name"] == served.version) {
            kinds.unregister(&served.group, &served.version, &served.plural);
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
    let (spec, names) = (&definition["spec"], &definition["status"]["acceptedNames"]);
    let custom = Custom::new(version);
    let decoder = Arc::clone(&custom);
    let scale = Scale::of(&version["subresources"]);
    let mut subresources = Vec::new();
    if version["subresources"]["status"].is_object() {
        subresources.push("status".to_owned());
    }
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
        subresources,
        custom: true,
        selectable_fields: selectable_fields(version),
        scale,
        terminating: !text(&definition["metadata"], "deletionTimestamp").is_empty(),
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
async fn settle(api: &Arc<Api>, definition: &Object, ending: &mut Ending) {
    let value = &definition.value;
    let held = strings(&value["metadata"]["finalizers"])
        .iter()
        .any(|finalizer| finalizer == FINALIZER);
    if !text(&value["metadata"], "deletionTimestamp").is_empty() {
        serve(&api.kinds, value);
        if held {
            end(api, text(&value["metadata"], "name"), ending);
        }
        return;
    }
    let group = text(&value["spec"], "group");
    let all = api.store.list(DEFINITIONS, None).0;
    let others = all
        .iter()
        .map(|object| &object.value)
        .filter(|other| other["metadata"]["uid"] != value["metadata"]["uid"]);
    let taken = Taken::in_group(group, others);
    let settled = status::settled(value, &taken, &api.clock.now_text());
    serve(&api.kinds, &settled);
    if settled != *value {
        report(value, write(api, definition, settled).await);
    }
}

fn report(definition: &Value, outcome: Result<(), StoreError>) {
    match outcome {
        // Somebody else wrote meanwhile: their change comes along the watch.
        Ok(()) | Err(StoreError::Conflict | StoreError::NotFound) => {}
        Err(error) => {
            tracing::warn!(name = text(&definition["metadata"], "name"), %error, "definition not settled");
        }
    }
}

async fn write(api: &Api, definition: &Object, value: Value) -> Result<(), StoreError> {
    let name = text(&value["metadata"], "name").to_owned();
    api.store
        .update(DEFINITIONS, "", &name, definition.revision, value)
        .await
        .map(drop)
}

/// Starts the task that deletes the objects of a definition, unless there is one.
fn end(api: &Arc<Api>, name: &str, ending: &mut Ending) {
    let names = Arc::clone(&ending.names);
    let lock = |names: &Mutex<HashSet<String>>, add: bool, name: &str| {
        let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
        if add {
            names.insert(name.to_owned())
        } else {
            names.remove(name)
        }
    };
    if !lock(&names, true, name) {
        return;
    }
    let (api, name) = (Arc::clone(api), name.to_owned());
    ending.tasks.spawn(async move {
        if let Err(error) = clean_up(&api, &name).await {
            tracing::warn!(name, %error, "objects of a definition that is being deleted");
        }
        lock(&names, false, &name);
    });
}

/// Deletes the objects of a definition that is going; when none is left the definition may go.
///
/// A crash in between leaves the definition with its deletion mark; the next start goes on here.
async fn clean_up(api: &Api, name: &str) -> Result<(), StoreError> {
    let change = |make: fn(&Value, &str) -> Value| async move {
        loop {
            let Some(there) = api.store.get(DEFINITIONS, "", name) else {
                return Ok(None);
            };
            let value = make(&there.value, &api.clock.now_text());
            if text(&value["metadata"], "deletionTimestamp").is_empty() {
                return Ok(None);
            }
            match write(api, &there, value).await {
                Err(StoreError::Conflict) => {}
                Err(StoreError::NotFound) => return Ok(None),
                Err(error) => return Err(error),
                Ok(()) => return Ok(api.store.get(DEFINITIONS, "", name)),
            }
        }
    };
    let Some(definition) = change(status::deleting).await? else {
        return Ok(());
    };
    delete_objects(api, &definition.value).await?;
    if let Some(last) = change(status::deleted).await?
        && strings(&last.value["metadata"]["finalizers"]).is_empty()
    {
        let gone = api
            .store
            .delete(DEFINITIONS, "", name, Some(last.revision))
            .await;
        return match gone {
            Ok(_) | Err(StoreError::Conflict | StoreError::NotFound) => Ok(()),
            Err(error) => Err(error),
        };
    }
    Ok(())
}

async fn delete_objects(api: &Api, definition: &Value) -> Result<(), StoreError> {
    let spec = &definition["spec"];
    let key = format!("{}.{}", text(&spec["names"], "plural"), text(spec, "group"));
    let Some(resource) = api
        .kinds
        .by_key(&key)
        .filter(|_| holds(definition, "Established"))
    else {
        return Ok(());
    };
    let target = Target::collection(&resource, "");
    let ctx = Context::system("system:apiserver");
    let outcome = api
        .delete_collection(
            &ctx,
            &target,
            &ListOptions::default(),
            &DeleteOptions::default(),
        )
        .await;
    if let Err(error) = outcome {
        tracing::warn!(%key, %error, "objects of a definition that is being deleted");
    }
    await_empty(api, &key).await
}

/// Waits until the last object is gone, finalizers of their own included.
async fn await_empty(api: &Api, key: &str) -> Result<(), StoreError> {
    loop {
        let mut watch = api.store.watch(key, api.store.revision())?;
        while !api.store.list(key, None).0.is_empty() {
            match watch.next().await {
                Ok(_) => {}
                Err(StoreError::Expired { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        if api.store.list(key, None).0.is_empty() {
            return Ok(());
        }
    }
}
