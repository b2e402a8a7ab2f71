//! All objects in memory, each write durable in SQLite before anybody sees it.
//!
//! **Guarantees.** A revision is given once and never again, also after a restart. What a reader or a
//! watcher has seen is on disk (WAL, `synchronous=FULL`). **Caveats.** Watch history lives in memory: after a restart a
//! watch resumes from the last revision of the former run, and from nothing older ([`StoreError::Expired`]).

mod shard;
mod watch;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::oneshot;

use shard::Shard;
pub use watch::{Change, EventType, Watch};
use writer::{Command, Write};

/// An object as it was at one revision.
#[derive(Debug)]
pub struct Object {
    /// The object; `metadata.resourceVersion` is [`revision`](Self::revision).
    pub value: Value,
    /// The revision of the write that made it so.
    pub revision: u64,
    json: OnceLock<Bytes>,
}

impl Object {
    /// An object at `revision`; `metadata.resourceVersion` is left as `value` has it.
    pub fn new(value: Value, revision: u64) -> Self {
        Self {
            value,
            revision,
            json: OnceLock::new(),
        }
    }

    /// The object as JSON text, made once and shared by all readers.
    pub fn json(&self) -> Bytes {
        self.json
            .get_or_init(|| Bytes::from(self.value.to_string()))
            .clone()
    }
}

/// The object with its revision written into its metadata.
fn stamped(mut value: Value, revision: u64) -> Arc<Object> {
    if !value["metadata"].is_object() {
        value["metadata"] = Value::Object(serde_json::Map::new());
    }
    value["metadata"]["resourceVersion"] = revision.to_string().into();
    Arc::new(Object::new(value, revision))
}

/// Why the store did not do what it was asked.
///
/// `Exists`, `NotFound`, `Conflict` and `Expired` are answers for the client; after the others
/// nothing was written and the request may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is already an object of that name.
    #[error("the object already exists")]
    Exists,
    /// There is no object of that name.
    #[error("the object does not exist")]
    NotFound,
    /// The object is not at the expected revision any more.
    #[error("the object has been modified")]
    Conflict,
    /// The revision is older than the history that is kept.
    #[error("too old resource version: {from} ({oldest})")]
    Expired {
        /// The revision asked for.
        from: u64,
        /// The oldest revision from which a watch can start.
        oldest: u64,
    },
    /// The database's file cannot be made, or not be kept to its owner.
    #[error("cannot use {path}")]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("the database refused")]
    Database(#[from] rusqlite::Error),
    /// The database could not commit; the text is the database's.
    #[error("the write could not be made durable: {0}")]
    NotDurable(String),
    /// The file is no database, or not what SQLite wrote.
    #[error(
        "{path} is damaged: put a copy of it back, or move it away to begin with an empty cluster"
    )]
    Corrupt {
        /// Which file.
        path: std::path::PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// What is on disk is not JSON.
    #[error(
        "the object {key} in {path} is damaged: put a copy of the file back, or move it away to begin with an empty cluster"
    )]
    Damaged {
        /// Which file.
        path: std::path::PathBuf,
        /// Which object.
        key: String,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// The objects of the cluster. `resource` is everywhere the plural with its group: `pods`, `widgets.example.com`.
pub struct Store {
    shards: RwLock<HashMap<String, Arc<Shard>>>,
    revision: AtomicU64,
    /// The revision at the start: no history reaches further back.
    start: u64,
    commands: std::sync::Mutex<Option<std::sync::mpsc::Sender<Command>>>,
    thread: std::sync::Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Store {
    /// Opens or makes the database at `path` and reads all objects into memory.
    pub fn open(path: &Path) -> Result<Arc<Self>, StoreError> {
        let (connection, objects, start) = writer::open(path)?;
        let (sender, receiver) = std::sync::mpsc::channel();
        let store = Arc::new(Self {
            shards: RwLock::default(),
            revision: AtomicU64::new(start),
            start,
            commands: std::sync::Mutex::new(Some(sender)),
            thread: std::sync::Mutex::default(),
        });
        for (resource, key, object) in objects {
            store.shard(&resource).load(&key, object);
        }
        let weak = Arc::downgrade(&store);
        let name = std::thread::Builder::new().name("store".to_owned());
        let handle = name
            .spawn(move || writer::run(connection, &receiver, &weak, start))
            .map_err(|_| StoreError::Closed)?;
        *store.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Ok(store)
    }

    /// The revision of the last visible write.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The object, if there is one. `namespace` is empty for cluster-scoped ones.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.shard(resource).get(namespace, name)
    }

    /// All objects of a namespace, or of all, and the revision of the list. They are ordered by `namespace/name` as bytes,
    /// as the keys of etcd are.
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> (Vec<Arc<Object>>, u64) {
        let shard = self.shard(resource);
        shard.list(namespace, || self.revision())
    }

    /// As [`list`](Self::list), of the one object that has this name.
    pub fn list_one(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
    ) -> (Option<Arc<Object>>, u64) {
        let shard = self.shard(resource);
        shard.get_at(namespace, name, || self.revision())
    }

    /// As [`list`](Self::list), of the past: the history that watches read is walked back, so that no snapshot is kept.
    ///
    /// # Errors
    /// [`StoreError::Expired`] where the history does not reach back so far.
    pub fn list_at(
        &self,
        resource: &str,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Vec<Arc<Object>>, StoreError> {
        self.shard(resource).list_at(namespace, revision)
    }

    /// How many objects there are of each resource.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        let counts = shards.iter().map(|(name, s)| (name.clone(), s.count()));
        counts.collect()
    }

    /// Stores a new object.
    pub async fn create(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        value: Value,
    ) -> Result<Arc<Object>, StoreError> {
        self.write(resource, namespace, name, Write::Create(value))
            .await
    }

    /// Replaces an object that is still at revision `expected`.
    pub async fn update(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        expected: u64,
        value: Value,
    ) -> Result<Arc<Object>, StoreError> {
        self.write(resource, namespace, name, Write::Update(expected, value))
            .await
    }

    /// Removes an object, if it is still at revision `expected` where that is given. The answer is its last state,
    /// at the revision of the removal.
    pub async fn delete(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        expected: Option<u64>,
    ) -> Result<Arc<Object>, StoreError> {
        self.write(resource, namespace, name, Write::Delete(expected))
            .await
    }

    /// All changes of a resource after revision `from`.
    pub fn watch(&self, resource: &str, from: u64) -> Result<Watch, StoreError> {
        self.shard(resource).watch(from)
    }

    /// Whether writes are taken.
    pub fn is_open(&self) -> bool {
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        commands.is_some()
    }

    /// Ends the writer after what it has been given is durable. Later writes are refused.
    pub fn close(&self) {
        drop(
            self.commands
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let handle = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(handle) = handle.filter(|h| h.thread().id() != std::thread::current().id()) {
            drop(handle.join());
        }
    }

    async fn write(
        &self,
        resource: &str,
        namespace: &str,
        name: &str,
        write: Write,
    ) -> Result<Arc<Object>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let command = Command {
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            write,
            reply,
        };
        {
            let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            commands
                .as_ref()
                .ok_or(StoreError::Closed)?
                .send(command)
                .map_err(|_| StoreError::Closed)?;
        }
        answer.await.map_err(|_| StoreError::Closed)?
    }

    fn shard(&self, resource: &str) -> Arc<Shard> {
        if let Some(shard) = self
            .shards
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(resource)
        {
            return Arc::clone(shard);
        }
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(
            shards
                .entry(resource.to_owned())
                .or_insert_with(|| Arc::new(Shard::new(self.start))),
        )
    }

    fn set_revision(&self, revision: u64) {
        self.revision.store(revision, Ordering::Release);
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}
