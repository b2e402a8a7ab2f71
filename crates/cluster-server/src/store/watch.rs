//! A place in a resource's history, moved forward as changes come.

use std::collections::VecDeque;
use std::sync::Arc;

use super::shard::Shard;
use super::{Object, StoreError};

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
    /// The object before, if there was one.
    pub previous: Option<Arc<Object>>,
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
