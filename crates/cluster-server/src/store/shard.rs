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

/// `namespace/name`, or the name alone: objects are told in the order of these, as etcd orders its keys.
fn path(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}

/// What a path of this namespace begins with.
fn prefix(namespace: Option<&str>) -> String {
    namespace.map_or_else(String::new, |namespace| format!("{namespace}/"))
}

#[derive(Default)]
struct Inner {
    objects: BTreeMap<String, Arc<Object>>,
    history: VecDeque<Arc<Change>>,
    /// How long the objects of `history` are as text.
    bytes: usize,
    /// The newest revision that is no longer in `history`.
    forgotten: u64,
}

impl Inner {
    /// The objects as they are, of one namespace or of all.
    fn present(&self, prefix: &str) -> impl Iterator<Item = (&String, &Arc<Object>)> {
        let from = Bound::Included(prefix);
        self.objects
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(move |(path, _)| path.starts_with(prefix))
    }

    /// The revision of the newest change that is remembered.
    fn newest(&self) -> u64 {
        let newest = self.history.back();
        newest.map_or(0, |change| change.object.revision)
    }

    /// The objects as they were at `revision`: the history is walked back from the newest change.
    fn past(&self, prefix: &str, revision: u64) -> Vec<Arc<Object>> {
        let mut undone: BTreeMap<String, &Arc<Change>> = BTreeMap::new();
        let later = |change: &&Arc<Change>| change.object.revision > revision;
        for change in self.history.iter().rev().take_while(later) {
            let metadata = &change.object.value["metadata"];
            let text = |field: &str| metadata[field].as_str().unwrap_or_default();
            let path = path(text("namespace"), text("name"));
            if path.starts_with(prefix) {
                undone.insert(path, change);
            }
        }
        if undone.is_empty() {
            return self.present(prefix).map(|(_, o)| Arc::clone(o)).collect();
        }
        let present = self.present(prefix);
        let mut all: BTreeMap<&str, Arc<Object>> = present
            .map(|(path, object)| (&**path, Arc::clone(object)))
            .collect();
        for (path, change) in &undone {
            match change.previous() {
                Some(object) => all.insert(path, object),
                None => all.remove(&**path),
            };
        }
        all.into_values().collect()
    }

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

    pub(super) fn load(&self, key: &Key, object: Object) {
        self.inner
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .objects
            .insert(path(&key.0, &key.1), Arc::new(object));
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.objects.get(&path(namespace, name)).cloned()
    }

    /// `revision` is asked under the lock; a change of this resource that is newer than it counts, so that the list is
    /// of exactly the revision that it tells.
    pub(super) fn list(
        &self,
        namespace: Option<&str>,
        revision: impl FnOnce() -> u64,
    ) -> (Vec<Arc<Object>>, u64) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let prefix = prefix(namespace);
        let objects = inner.present(&prefix);
        let objects = objects.map(|(_, object)| Arc::clone(object)).collect();
        (objects, revision().max(inner.newest()))
    }

    /// As [`list`](Self::list), of one object.
    pub(super) fn get_at(
        &self,
        namespace: &str,
        name: &str,
        revision: impl FnOnce() -> u64,
    ) -> (Option<Arc<Object>>, u64) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let object = inner.objects.get(&path(namespace, name)).cloned();
        (object, revision().max(inner.newest()))
    }

    /// The objects as they were at `revision`.
    pub(super) fn list_at(
        &self,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Vec<Arc<Object>>, StoreError> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        if revision < inner.forgotten {
            return Err(StoreError::Expired {
                from: revision,
                oldest: inner.forgotten,
            });
        }
        Ok(inner.past(&prefix(namespace), revision))
    }

    /// How many objects there are.
    pub(super) fn count(&self) -> usize {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.objects.len()
    }

    /// Makes a durable change visible and wakes the watches.
    pub(super) fn apply(&self, key: &Key, change: Change) {
        let revision = change.object.revision;
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if change.kind == EventType::Deleted {
            inner.objects.remove(&path(&key.0, &key.1));
        } else {
            inner
                .objects
                .insert(path(&key.0, &key.1), Arc::clone(&change.object));
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
