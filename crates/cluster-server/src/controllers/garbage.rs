//! Cleans up after owners: an object whose owners are all gone goes too (`pkg/controller/garbagecollector`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::Follow;
use super::follow::Seen;
use crate::api::{Api, Context, DeleteOptions, Preconditions, Target, meta};
use crate::kinds::Resource;

const USER: &str = "system:serviceaccount:kube-system:generic-garbage-collector";

/// An owner that is not there may be about to be: a dependent is judged again after this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where an object is: store key, namespace, name.
type Place = (String, String, String);

/// What the loop hears.
enum Heard {
    Change(String, Seen),
    Again(Place),
}

struct Collector {
    api: Arc<Api>,
    ctx: Context,
    /// Who depends on the owner with this uid.
    dependents: HashMap<String, HashSet<Place>>,
    followed: HashSet<String>,
    sender: mpsc::Sender<Heard>,
    tasks: tokio::task::JoinSet<()>,
}

/// Follows everything that is served.
pub(super) async fn run(api: Arc<Api>) {
    let (sender, mut receiver) = mpsc::channel(256);
    let mut collector = Collector {
        ctx: Context::system(USER),
        dependents: HashMap::new(),
        followed: HashSet::new(),
        sender,
        tasks: tokio::task::JoinSet::new(),
        api,
    };
    collector.follow_all();
    while let Some(heard) = receiver.recv().await {
        match heard {
            Heard::Change(key, seen) => {
                if key.starts_with("customresourcedefinitions.") {
                    collector.follow_all();
                }
                collector.change(key, &seen).await;
            }
            Heard::Again(place) => collector.judge(&place, true).await,
        }
    }
}

fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
}

fn has_finalizer(object: &Value, name: &str) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|list| list.iter().any(|finalizer| finalizer == name))
}

impl Collector {
    /// Follows what is served and not followed yet.
    fn follow_all(&mut self) {
        for resource in self
            .api
            .kinds
            .all()
            .into_iter()
            .filter(|resource| resource.allows("delete"))
        {
            let key = resource.key();
            if !self.followed.insert(key.clone()) {
                continue;
            }
            let (mut follow, sender) = (Follow::new(&self.api.store, &key), self.sender.clone());
            self.tasks.spawn(async move {
                while let Some(seen) = follow.next().await {
                    if sender.send(Heard::Change(key.clone(), seen)).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    async fn change(&mut self, key: String, seen: &Seen) {
        let object = &seen.object.value;
        let place = (
            key,
            meta(object, "namespace").to_owned(),
            meta(object, "name").to_owned(),
        );
        for owner in owners(object).filter_map(|owner| owner["uid"].as_str()) {
            let dependents = self.dependents.entry(owner.to_owned()).or_default();
            if seen.gone {
                dependents.remove(&place);
            } else {
                dependents.insert(place.clone());
            }
        }
        if seen.gone {
            for dependent in self
                .dependents
                .remove(meta(object, "uid"))
                .unwrap_or_default()
            {
                self.judge(&dependent, true).await;
            }
            // An owner that waits for its dependents may have waited for this one.
            for owner in owners(object) {
                self.waiting_owner(owner, meta(object, "namespace")).await;
            }
            return;
        }
        if owners(object).next().is_some() {
            self.judge(&place, false).await;
        }
        if !meta(object, "deletionTimestamp").is_empty() {
            self.end_owner(&place).await;
        }
    }

    fn owner_of(&self, owner: &Value, namespace: &str) -> Option<(Arc<Resource>, Place)> {
        let version = owner["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource =
            self.api
                .kinds
                .by_kind(group, version, owner["kind"].as_str().unwrap_or_default())?;
        let namespace = if resource.namespaced { namespace } else { "" };
        let place = (
            resource.key(),
            namespace.to_owned(),
            owner["name"].as_str().unwrap_or_default().to_owned(),
        );
        Some((resource, place))
    }

    /// Whether an owner is there. Of a kind that is not served nothing can be said: it counts as there.
    fn is_there(&self, owner: &Value, namespace: &str) -> bool {
        let Some((_, (key, namespace, name))) = self.owner_of(owner, namespace) else {
            return true;
        };
        self.api
            .store
            .get(&key, &namespace, &name)
            .is_some_and(|found| found.value["metadata"]["uid"] == owner["uid"])
    }

    /// Deletes an object if all its owners are gone. Unless it is `sure`, it gets a second look first.
    async fn judge(&mut self, place: &Place, sure: bool) {
        let (key, namespace, name) = place;
        let Some(object) = self.api.store.get(key, namespace, name) else {
            return;
        };
        let value = &object.value;
        let orphan = owners(value).next().is_some()
            && owners(value).all(|owner| !self.is_there(owner, namespace));
        if !orphan || !meta(value, "deletionTimestamp").is_empty() {
            return;
        }
        if !sure {
            let (sender, place) = (self.sender.clone(), place.clone());
            self.tasks.spawn(async move {
                tokio::time::sleep(PATIENCE).await;
                // The loop has ended: nothing to judge any more.
                drop(sender.send(Heard::Again(place)).await);
            });
            return;
        }
        let uid = Some(meta(value, "uid").to_owned());
        self.delete(
            place,
            DeleteOptions {
                preconditions: Preconditions {
                    uid,
                    ..Preconditions::default()
                },
                ..DeleteOptions::default()
            },
        )
        .await;
    }

    async fn delete(&self, (key, namespace, name): &Place, options: DeleteOptions) {
        let Some(resource) = self.api.kinds.by_key(key) else {
            return;
        };
        let outcome = self
            .api
            .delete(
                &self.ctx,
                &Target::object(&resource, namespace, name),
                &options,
            )
            .await;
        if let Err(error) = outcome
            && error.code != 404
        {
            tracing::warn!(%error, resource = key, namespace, name, "cannot collect");
        }
    }

    async fn waiting_owner(&self, owner: &Value, namespace: &str) {
        if let Some((_, place)) = self.owner_of(owner, namespace) {
            self.end_owner(&place).await;
        }
    }

    /// Does an ending owner's part: its dependents go before it (`foregroundDeletion`) or are let go (`orphan`).
    async fn end_owner(&self, place: &Place) {
        let (key, namespace, name) = place;
        let Some(object) = self.api.store.get(key, namespace, name) else {
            return;
        };
        let value = &object.value;
        if meta(value, "deletionTimestamp").is_empty() {
            return;
        }
        let uid = meta(value, "uid");
        let dependents: Vec<Place> = self
            .dependents
            .get(uid)
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if has_finalizer(value, "orphan") {
            for dependent in &dependents {
                self.change_metadata(dependent, |metadata| {
                    if let Some(list) = metadata["ownerReferences"].as_array_mut() {
                        list.retain(|owner| owner["uid"] != uid);
                    }
                })
                .await;
            }
            self.drop_finalizer(place, "orphan").await;
        } else if has_finalizer(value, "foregroundDeletion") {
            let mut blocked = false;
            for dependent in &dependents {
                let (key, namespace, name) = dependent;
                let Some(held) = self.api.store.get(key, namespace, name) else {
                    continue;
                };
                blocked |= owners(&held.value)
                    .any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true);
                if meta(&held.value, "deletionTimestamp").is_empty() {
                    let propagation_policy = Some("Foreground".to_owned());
                    Box::pin(self.delete(
                        dependent,
                        DeleteOptions {
                            propagation_policy,
                            ..DeleteOptions::default()
                        },
                    ))
                    .await;
                }
            }
            let left = dependents
                .iter()
                .any(|(key, namespace, name)| self.api.store.get(key, namespace, name).is_some());
            if !blocked || !left {
                self.drop_finalizer(place, "foregroundDeletion").await;
            }
        }
    }

    async fn drop_finalizer(&self, place: &Place, finalizer: &str) {
        self.change_metadata(place, |metadata| {
            if let Some(list) = metadata["finalizers"].as_array_mut() {
                list.retain(|name| name != finalizer);
            }
        })
        .await;
    }

    async fn change_metadata(&self, (key, namespace, name): &Place, change: impl Fn(&mut Value)) {
        let (Some(object), Some(resource)) = (
            self.api.store.get(key, namespace, name),
            self.api.kinds.by_key(key),
        ) else {
            return;
        };
        let mut value = object.value.clone();
        change(&mut value["metadata"]);
        let target = Target::object(&resource, namespace, name);
        if let Err(error) = self.api.update(&self.ctx, &target, value).await
            && error.code != 404
        {
            tracing::warn!(%error, resource = key, namespace, name, "cannot change the object");
        }
    }
}
