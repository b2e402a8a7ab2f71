//! A resource's objects as they are, and then every change.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::store::{EventType, Object, Store, StoreError, Watch};

/// An object that is there, or has just gone.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The object, or its last state.
    pub object: Arc<Object>,
    /// Whether it is gone.
    pub gone: bool,
}

/// One resource, followed.
pub(crate) struct Follow {
    store: Arc<Store>,
    resource: String,
    first: VecDeque<Arc<Object>>,
    watch: Option<Watch>,
}

impl Follow {
    /// Follows `resource` (`pods`, `widgets.example.com`) from its present state on.
    pub(crate) fn new(store: &Arc<Store>, resource: &str) -> Self {
        Self {
            store: Arc::clone(store),
            resource: resource.to_owned(),
            first: VecDeque::new(),
            watch: None,
        }
    }

    /// The next object or change; `None` when the store is closed. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(object) = self.first.pop_front() {
                return Some(Seen {
                    object,
                    gone: false,
                });
            }
            let Some(watch) = &mut self.watch else {
                let (objects, revision) = self.store.list(&self.resource, None);
                self.first.extend(objects);
                self.watch = Some(self.store.watch(&self.resource, revision).ok()?);
                continue;
            };
            match watch.next().await {
                Ok(change) => {
                    let gone = change.kind == EventType::Deleted;
                    return Some(Seen {
                        object: Arc::clone(&change.object),
                        gone,
                    });
                }
                // Too far behind: look at everything again.
                Err(StoreError::Expired { .. }) => self.watch = None,
                Err(_) => return None,
            }
        }
    }
}
