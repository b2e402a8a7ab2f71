//! `watch`: the changes of a collection as its selectors see them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Api, ListOptions, Target, meta, versioned};
use crate::error::ApiError;
use crate::kinds::Resource;
use crate::store::{Change, EventType, Object, Store, StoreError, Watch};

/// How a watch begins and what it tells besides changes.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    /// Which objects.
    pub select: ListOptions,
    /// After which revision; `None` (and 0): begin with what is there.
    pub revision: Option<u64>,
    /// `sendInitialEvents`: begin with what is there and mark where that ends.
    pub initial_events: Option<bool>,
    /// Whether the client understands bookmarks.
    pub bookmarks: bool,
}

/// One line of a watch.
#[derive(Debug, Clone)]
pub struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: &'static str,
    /// The object; of a bookmark its metadata, of an error the Status.
    pub object: Arc<Object>,
}

/// How long a quiet watch waits before it tells its position.
const BOOKMARK_EVERY: Duration = Duration::from_secs(30);

/// The changes of a collection, one event after the other.
pub struct WatchStream {
    store: Arc<Store>,
    watch: Watch,
    resource: Arc<Resource>,
    namespace: String,
    options: WatchOptions,
    first: VecDeque<Event>,
    ended: bool,
}

impl Api {
    /// Watches a collection.
    ///
    /// # Errors
    /// 410 where the revision is older than what is remembered.
    pub fn watch(&self, target: &Target, options: WatchOptions) -> Result<WatchStream, ApiError> {
        let from = options.revision.filter(|&r| r > 0);
        let initial = options.initial_events.unwrap_or(from.is_none());
        let mut first = VecDeque::new();
        let mut position = from.unwrap_or(0);
        if initial {
            let list = self.list(
                target,
                &ListOptions {
                    limit: 0,
                    continue_token: String::new(),
                    ..options.select.clone()
                },
            )?;
            position = list.revision;
            first.extend(list.items.into_iter().map(|object| Event {
                kind: "ADDED",
                object,
            }));
            if options.initial_events == Some(true) && options.bookmarks {
                first.push_back(bookmark(&target.resource, position, true));
            }
        } else if from.is_none() {
            position = self.store.revision();
        }
        // Revisions of the future cannot be waited for: begin now, as a list at that revision would.
        let position = position.min(self.store.revision());
        let watch = self
            .store
            .watch(&target.resource.key(), position)
            .map_err(|e| Self::store_error(target, e))?;
        Ok(WatchStream {
            store: Arc::clone(&self.store),
            watch,
            resource: Arc::clone(&target.resource),
            namespace: target.namespace.clone(),
            options,
            first,
            ended: false,
        })
    }
}

impl WatchStream {
    /// The next event; waits for it. After an `ERROR` there is none. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            if self.ended {
                return None;
            }
            let change = if self.options.bookmarks {
                match tokio::time::timeout(BOOKMARK_EVERY, self.watch.next()).await {
                    Ok(change) => change,
                    Err(_) => match self.quiet() {
                        Some(event) => return Some(event),
                        None => continue,
                    },
                }
            } else {
                self.watch.next().await
            };
            match change {
                Ok(change) => {
                    if let Some(event) = self.event(&change) {
                        return Some(event);
                    }
                }
                Err(StoreError::Expired { .. }) => {
                    self.ended = true;
                    let error = ApiError::expired(format!(
                        "too old resource version: {}",
                        self.watch.position()
                    ));
                    return Some(Event {
                        kind: "ERROR",
                        object: Arc::new(Object::new(error.to_status(), 0)),
                    });
                }
                Err(_) => return None,
            }
        }
    }

    /// The next event, if it is there already: for writing many at once.
    pub fn ready(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            let change = self.watch.try_next().ok()??;
            if let Some(event) = self.event(&change) {
                return Some(event);
            }
        }
    }

    /// A bookmark, unless changes came in after all.
    fn quiet(&mut self) -> Option<Event> {
        // The revision first: every change up to it is in the history by now, and if none is left, all were told.
        let revision = self.store.revision();
        match self.watch.try_next() {
            Ok(None) => Some(bookmark(&self.resource, revision, false)),
            Ok(Some(change)) => self.event(&change),
            Err(_) => None,
        }
    }

    /// What a change is to somebody who sees only what the selectors leave.
    fn event(&self, change: &Change) -> Option<Event> {
        let object = &change.object.value;
        if !self.namespace.is_empty() && meta(object, "namespace") != self.namespace {
            return None;
        }
        let selects = |object: &Arc<Object>| self.options.select.selects(&object.value);
        let before = change.previous.as_ref().is_some_and(selects);
        let now = change.kind != EventType::Deleted && selects(&change.object);
        let (kind, object) = match (before, now) {
            (false, false) => return None,
            (false, true) => ("ADDED", Arc::clone(&change.object)),
            (true, true) => ("MODIFIED", Arc::clone(&change.object)),
            (true, false) if change.kind == EventType::Deleted => {
                ("DELETED", Arc::clone(&change.object))
            }
            (true, false) => {
                // It left the selection: its last selected state, at the revision of leaving.
                let mut value = change
                    .previous
                    .as_ref()
                    .map_or(Value::Null, |previous| previous.value.clone());
                value["metadata"]["resourceVersion"] = change.object.revision.to_string().into();
                (
                    "DELETED",
                    Arc::new(Object::new(value, change.object.revision)),
                )
            }
        };
        Some(Event {
            kind,
            object: versioned(&self.resource, object),
        })
    }
}

fn bookmark(resource: &Resource, revision: u64, end_of_initial: bool) -> Event {
    let mut value = json!({
        "kind": resource.kind, "apiVersion": resource.api_version(), "metadata": {"resourceVersion": revision.to_string()},
    });
    if end_of_initial {
        value["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    if resource.key() == "pods" {
        value["spec"] = json!({"containers": null});
        value["status"] = json!({});
    }
    Event {
        kind: "BOOKMARK",
        object: Arc::new(Object::new(value, revision)),
    }
}
