//! A place in a resource's history, moved forward as changes come.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::shard::Shard;
use super::{Object, StoreError, stamped};

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// It was created.
    Added,
    /// It was changed.
    Modified,
    /// It was removed.
    Deleted,
}

/// One change of one object.
#[derive(Debug)]
pub struct Change {
    /// What happened.
    pub kind: EventType,
    /// The object afterwards; of a deletion its last state, at the revision of the deletion.
    pub object: Arc<Object>,
    /// What was before.
    before: Before,
    /// The state before, at the revision of the change, once somebody is told of it.
    left: OnceLock<Arc<Object>>,
    /// The object in the other version that was asked for first.
    converted: OnceLock<(String, Arc<Object>)>,
}

/// What an object was before a change. Of a deletion only the revision is kept: all else is in the object that the
/// deletion leaves, and a Pod's tree is large.
#[derive(Debug)]
enum Before {
    Nothing,
    Other(Arc<Object>),
    Same(u64),
}

impl Change {
    fn new(kind: EventType, object: Arc<Object>, before: Before) -> Self {
        Self {
            kind,
            object,
            before,
            left: OnceLock::new(),
            converted: OnceLock::new(),
        }
    }

    pub(super) fn created(value: Value, revision: u64) -> Self {
        let object = stamped(value, revision);
        Self::new(EventType::Added, object, Before::Nothing)
    }

    pub(super) fn updated(previous: Arc<Object>, value: Value, revision: u64) -> Self {
        let object = stamped(value, revision);
        Self::new(EventType::Modified, object, Before::Other(previous))
    }

    pub(super) fn deleted(previous: &Object, revision: u64) -> Self {
        let object = stamped(previous.value.clone(), revision);
        Self::new(EventType::Deleted, object, Before::Same(previous.revision))
    }

    /// The object before, if there was one; of a deletion it is made anew.
    pub fn previous(&self) -> Option<Arc<Object>> {
        match &self.before {
            Before::Nothing => None,
            Before::Other(previous) => Some(Arc::clone(previous)),
            Before::Same(revision) => Some(stamped(self.object.value.clone(), *revision)),
        }
    }

    /// What selectors look at to know whether the object was selected before. Its revision may be that of the change.
    pub fn value_before(&self) -> Option<&Value> {
        match &self.before {
            Before::Nothing => None,
            Before::Other(previous) => Some(&previous.value),
            Before::Same(_) => Some(&self.object.value),
        }
    }

    /// The state before, at the revision of this change: what is told where the object has left a selection. It is made
    /// once for all who are told.
    pub fn left(&self) -> Arc<Object> {
        let Before::Other(previous) = &self.before else {
            return Arc::clone(&self.object);
        };
        let make = || stamped(previous.value.clone(), self.object.revision);
        Arc::clone(self.left.get_or_init(make))
    }

    /// The object as `convert` makes it for the version `api_version`, shared by all who ask for that one. Only the
    /// version that is asked for first is kept.
    pub fn converted(
        &self,
        api_version: &str,
        convert: impl Fn(Arc<Object>) -> Arc<Object>,
    ) -> Arc<Object> {
        let make = || {
            let converted = convert(Arc::clone(&self.object));
            (api_version.to_owned(), converted)
        };
        match self.converted.get_or_init(make) {
            (version, converted) if version == api_version => Arc::clone(converted),
            _ => convert(Arc::clone(&self.object)),
        }
    }
}

/// How many changes are taken from the history at once.
const BATCH: usize = 256;

/// The changes of one resource, one after the other. It keeps no queue of its own: a watch that lags
/// too far gets [`StoreError::Expired`], costs no memory, and lists again.
pub struct Watch {
    shard: Arc<Shard>,
    position: u64,
    batch: VecDeque<Arc<Change>>,
    notify: tokio::sync::watch::Receiver<u64>,
}

impl Watch {
    pub(super) fn new(
        shard: Arc<Shard>,
        position: u64,
        notify: tokio::sync::watch::Receiver<u64>,
    ) -> Self {
        Self {
            shard,
            position,
            batch: VecDeque::new(),
            notify,
        }
    }

    /// The next change; waits for it. Cancel safe.
    pub async fn next(&mut self) -> Result<Arc<Change>, StoreError> {
        loop {
            if let Some(change) = self.try_next()? {
                return Ok(change);
            }
            self.notify
                .changed()
                .await
                .map_err(|_| StoreError::Closed)?;
        }
    }

    /// The next change, if it has happened already.
    pub fn try_next(&mut self) -> Result<Option<Arc<Change>>, StoreError> {
        if self.batch.is_empty() {
            self.notify.mark_unchanged();
            self.batch.extend(self.shard.after(self.position, BATCH)?);
        }
        let next = self.batch.pop_front();
        if let Some(change) = &next {
            self.position = change.object.revision;
        }
        Ok(next)
    }

    /// The revision of the last change that was handed out.
    pub fn position(&self) -> u64 {
        self.position
    }
}
