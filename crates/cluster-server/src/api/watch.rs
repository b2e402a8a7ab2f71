//! `watch`: the changes of a collection as its selectors see them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, Sleep};

use super::{Api, At, ListOptions, Target, meta, versioned};
use crate::error::ApiError;
use crate::kinds::Resource;
use crate::store::{Change, EventType, Object, Store, StoreError, Watch};

/// How a watch begins and what it tells besides changes.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    /// Which objects.
    pub select: ListOptions,
    /// After which revision; `None` (and 0): from what is there now.
    pub revision: Option<u64>,
    /// `sendInitialEvents`: whether to begin with what is there; by default where no revision is given.
    pub initial_events: Option<bool>,
    /// Whether the client understands bookmarks.
    pub bookmarks: bool,
    /// How long the watch is going to last: shortly before its end comes a bookmark.
    pub lasts: Option<Duration>,
}

/// One line of a watch.
#[derive(Debug, Clone)]
pub struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: &'static str,
    /// The object; of a bookmark its metadata, of an error the Status.
    pub object: Arc<Object>,
}

impl Event {
    fn error(error: &ApiError) -> Self {
        Self {
            kind: "ERROR",
            object: Arc::new(Object::new(error.to_status(), 0)),
        }
    }
}

/// How often a watch tells its position (`defaultBookmarkFrequency`), and how long before its end.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);

/// The changes of a collection, one event after the other.
pub struct WatchStream {
    store: Arc<Store>,
    /// `None` where there is nothing to come: the watch could not begin.
    watch: Option<Watch>,
    resource: Arc<Resource>,
    namespace: String,
    options: WatchOptions,
    first: VecDeque<Event>,
    bookmark_due: Pin<Box<Sleep>>,
    ends: Option<Instant>,
}

impl Api {
    /// Watches a collection. A watch that cannot begin where it should (its revision is forgotten, or is yet to come and
    /// the state at it is wanted) says so in an `ERROR` event, and ends.
    ///
    /// # Errors
    /// What [`Api::list`] says of the selectors.
    pub fn watch(&self, target: &Target, options: WatchOptions) -> Result<WatchStream, ApiError> {
        let mut first = VecDeque::new();
        let position = match self.begin(target, &options, &mut first) {
            Ok(position) => Some(position),
            Err(error) if matches!(error.code, 410 | 504) => {
                first.push_back(Event::error(&error));
                None
            }
            Err(error) => return Err(error),
        };
        let watch = position.map(|position| self.store.watch(&target.resource.key(), position));
        let watch = match watch {
            Some(Err(error)) => {
                first.push_back(Event::error(&Self::store_error(target, error)));
                None
            }
            Some(Ok(watch)) => Some(watch),
            None => None,
        };
        let ends = options.lasts.map(|lasts| Instant::now() + lasts);
        Ok(WatchStream {
            store: Arc::clone(&self.store),
            watch,
            resource: Arc::clone(&target.resource),
            namespace: target.namespace.clone(),
            options,
            first,
            bookmark_due: Box::pin(tokio::time::sleep_until(next_bookmark(ends))),
            ends,
        })
    }

    /// Puts what is told first into `first`; the revision after which the changes follow.
    fn begin(
        &self,
        target: &Target,
        options: &WatchOptions,
        first: &mut VecDeque<Event>,
    ) -> Result<u64, ApiError> {
        let from = options.revision.filter(|&r| r > 0);
        if !options.initial_events.unwrap_or(from.is_none()) {
            // A revision that is yet to come is waited for: nothing is told until it is passed.
            return Ok(from.unwrap_or_else(|| self.store.revision()));
        }
        let select = ListOptions {
            limit: 0,
            continue_token: String::new(),
            at: from.map_or(At::Newest, At::NotOlderThan),
            ..options.select.clone()
        };
        let list = self.list(target, &select)?;
        first.extend(list.items.into_iter().map(|object| Event {
            kind: "ADDED",
            object,
        }));
        if options.bookmarks {
            first.push_back(bookmark(&target.resource, list.revision, true));
        }
        Ok(list.revision)
    }
}

fn next_bookmark(ends: Option<Instant>) -> Instant {
    let now = Instant::now();
    let regular = now + BOOKMARK_EVERY;
    match ends.and_then(|ends| ends.checked_sub(BOOKMARK_BEFORE_END)) {
        Some(last) if last > now => regular.min(last),
        _ => regular,
    }
}

impl WatchStream {
    /// The next event; waits for it. After an `ERROR` there is none. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.first.pop_front() {
                return Some(event);
            }
            let watch = self.watch.as_mut()?;
            let change = tokio::select! {
                change = watch.next() => change,
                () = self.bookmark_due.as_mut(), if self.options.bookmarks => {
                    self.bookmark();
                    continue;
                }
            };
            match change {
                Ok(change) => {
                    if let Some(event) = self.event(&change) {
                        return Some(event);
                    }
                }
                Err(error @ StoreError::Expired { .. }) => {
                    self.watch = None;
                    return Some(Event::error(&ApiError::expired(error.to_string())));
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
            let change = self.watch.as_mut()?.try_next().ok()??;
            if let Some(event) = self.event(&change) {
                return Some(event);
            }
        }
    }

    /// Tells the position: that of the store, if everything up to it was told.
    fn bookmark(&mut self) {
        self.bookmark_due.as_mut().reset(next_bookmark(self.ends));
        // The revision first: every change up to it is in the history by now, and if none is left, all were told.
        let revision = self.store.revision();
        match self.watch.as_mut().map(Watch::try_next) {
            Some(Ok(None)) => {
                let event = bookmark(&self.resource, revision, false);
                self.first.push_back(event);
            }
            Some(Ok(Some(change))) => {
                let revision = change.object.revision;
                self.first.extend(self.event(&change));
                let event = bookmark(&self.resource, revision, false);
                self.first.push_back(event);
            }
            // The next look at the changes finds it again, and tells it.
            Some(Err(_)) | None => {}
        }
    }

    /// What a change is to somebody who sees only what the selectors leave.
    fn event(&self, change: &Change) -> Option<Event> {
        let object = &change.object.value;
        if !self.namespace.is_empty() && meta(object, "namespace") != self.namespace {
            return None;
        }
        let select = &self.options.select;
        let before = change.value_before().is_some_and(|v| select.selects(v));
        let now = change.kind != EventType::Deleted && select.selects(object);
        let kind = match (before, now) {
            (false, false) => return None,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        // Of what left the selection its last selected state is told, at the revision of leaving.
        let object = if kind == "DELETED" && change.kind != EventType::Deleted {
            versioned(&self.resource, change.left())
        } else {
            change.converted(&self.resource.api_version(), |object| {
                versioned(&self.resource, object)
            })
        };
        Some(Event { kind, object })
    }
}

/// An object of the kind with nothing in it but its revision.
fn bookmark(resource: &Resource, revision: u64, end_of_initial: bool) -> Event {
    let head = json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": {}});
    let mut value = match (resource.decode)(head.clone()) {
        Ok(decoded) if !resource.custom => decoded.object,
        _ => head,
    };
    value["metadata"]["resourceVersion"] = revision.to_string().into();
    if end_of_initial {
        value["metadata"]["annotations"] = json!({"k8s.io/initial-events-end": "true"});
    }
    Event {
        kind: "BOOKMARK",
        object: Arc::new(Object::new(value, revision)),
    }
}
