//! The objects of one resource in memory, with the recent history that watches read.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Change, EventType, Object, StoreError, Watch};

/// How many changes of one resource a watch may lag behind before it has to list again.
const HISTORY: usize = 1024;
/// How long those may be together, as JSON text. In memory a Pod takes some fifteen times its text, and its every
/// change is a whole Pod.
const HISTORY_BYTES: usize = 768 << 10;

/// Namespace and name.
pub(super) type Key = (String, String);

#[derive(Default)]
struct Inner {
    objects: BTreeMap<Key, Arc<Object>>,
    history: VecDeque<Arc<Change>>,
    /// How long the objects of `history` are as text.
    bytes: usize,
    /// The newest revision that is no longer in `history`.
    forgotten: u64,
}

impl Inner {
    /// Adds a change to the history; as many of the oldest go as are too many. The newest always stays.
    fn remember(&mut self, change: Change) {
        self.bytes += change.object.json().len();
        self.history.push_back(Arc::new(change));
        while self.history.len() > HISTORY || (self.bytes > HISTORY_BYTES && self.history.len() > 1)
        {
            let Some(old) = self.history.pop_front() else {
                return;
            };
            self.bytes -= old.object.json().len();
            self.forgotten = old.object.revision;
        }
    }
}

/// One resource's objects.
pub(super) struct Shard {
    inner: RwLock<Inner>,
    notify: tokio::sync::watch::Sender<u64>,
}

impl Shard {
    pub(super) fn new(start: u64) -> Self {
        let inner = Inner {
            forgotten: start,
            ..Inner::default()
        };
        Self {
            inner: RwLock::new(inner),
            notify: tokio::sync::watch::channel(start).0,
        }
    }

    pub(super) fn load(&self, key: Key, object: Object) {
        self.inner
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .objects
            .insert(key, Arc::new(object));
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner
            .objects
            .get(&(namespace.to_owned(), name.to_owned()))
            .cloned()
    }

    /// `revision` is asked under the lock, so that the list is of exactly that moment for this resource.
    pub(super) fn list(
        &self,
        namespace: Option<&str>,
        revision: impl FnOnce() -> u64,
    ) -> (Vec<Arc<Object>>, u64) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let objects = match namespace {
            None => inner.objects.values().cloned().collect(),
            Some(namespace) => {
                let from = (namespace.to_owned(), String::new());
                let range = inner
                    .objects
                    .range((Bound::Included(from), Bound::Unbounded));
                range
                    .take_while(|(key, _)| key.0 == namespace)
                    .map(|(_, object)| Arc::clone(object))
                    .collect()
            }
        };
        (objects, revision())
    }

    /// Makes a durable change visible and wakes the watches.
    pub(super) fn apply(&self, key: &Key, change: Change) {
        let revision = change.object.revision;
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if change.kind == EventType::Deleted {
            inner.objects.remove(key);
        } else {
            inner
                .objects
                .insert(key.clone(), Arc::clone(&change.object));
        }
        inner.remember(change);
        drop(inner);
        self.notify.send_replace(revision);
    }

    pub(super) fn watch(self: &Arc<Self>, from: u64) -> Result<Watch, StoreError> {
        self.after(from, 0)?;
        Ok(Watch::new(Arc::clone(self), from, self.notify.subscribe()))
    }

    /// Up to `limit` changes after revision `from`, oldest first.
    pub(super) fn after(&self, from: u64, limit: usize) -> Result<Vec<Arc<Change>>, StoreError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if from < inner.forgotten {
            return Err(StoreError::Expired {
                from,
                oldest: inner.forgotten,
            });
        }
        let first = inner
            .history
            .partition_point(|change| change.object.revision <= from);
        Ok(inner.history.range(first..).take(limit).cloned().collect())
    }
}
