//! The one thread that writes: it checks, commits and only then makes visible.

use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use rusqlite::{Connection, ErrorCode, params};
use serde_json::Value;
use tokio::sync::oneshot;

use super::shard::Key;
use super::{Change, EventType, Object, Store, StoreError};

/// How many waiting writes share one commit.
const BATCH: usize = 256;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA busy_timeout = 5000;
    PRAGMA journal_size_limit = 8388608;
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS objects (
        resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS head (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL);
    INSERT OR IGNORE INTO head (id, revision) VALUES (1, 1);
    COMMIT;
";

/// What is to be done to one object.
pub(super) enum Write {
    Create(Value),
    Update(u64, Value),
    Delete(Option<u64>),
}

/// A write with who waits for it.
pub(super) struct Command {
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) write: Write,
    pub(super) reply: oneshot::Sender<Result<Arc<Object>, StoreError>>,
}

type Loaded = (String, Key, Object);

/// Opens the database, and reads every object and the last revision given.
///
/// # Errors
/// The file cannot be used, or any part of it is damaged: a cluster that has lost objects does not start.
pub(super) fn open(path: &Path) -> Result<(Connection, Vec<Loaded>, u64), StoreError> {
    private(path)?;
    read(path).map_err(|error| match error {
        StoreError::Database(source) if is_damage(&source) => StoreError::Corrupt {
            path: path.to_owned(),
            source,
        },
        other => other,
    })
}

fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) || matches!(error, rusqlite::Error::InvalidColumnType(..))
}

fn read(path: &Path) -> Result<(Connection, Vec<Loaded>, u64), StoreError> {
    let connection = Connection::open(path)?;
    connection.execute_batch(SCHEMA)?;
    let head: i64 = connection.query_row("SELECT revision FROM head", [], |row| row.get(0))?;
    let mut objects = Vec::new();
    {
        let mut query =
            connection.prepare("SELECT resource, namespace, name, revision, value FROM objects")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let (resource, namespace, name): (String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let text: String = row.get(4)?;
            let value = serde_json::from_str(&text).map_err(|source| StoreError::Damaged {
                path: path.to_owned(),
                key: format!("{resource} {namespace}/{name}"),
                source,
            })?;
            let revision: i64 = row.get(3)?;
            objects.push((
                resource,
                (namespace, name),
                Object::new(value, revision.unsigned_abs()),
            ));
        }
    }
    Ok((connection, objects, head.unsigned_abs()))
}

/// Secrets are in it: only its owner may read the database, and the files that SQLite makes beside it with its mode.
fn private(path: &Path) -> Result<(), StoreError> {
    let make = || {
        let owner_only = Permissions::from_mode(0o600);
        File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?
            .set_permissions(owner_only)
    };
    make().map_err(|source| StoreError::File {
        path: path.to_owned(),
        source,
    })
}

/// A checked write that waits for its commit.
struct Pending {
    resource: String,
    key: Key,
    change: Change,
    reply: oneshot::Sender<Result<Arc<Object>, StoreError>>,
}

/// Serves writes until the store is closed.
pub(super) fn run(
    mut connection: Connection,
    commands: &Receiver<Command>,
    store: &Weak<Store>,
    mut revision: u64,
) {
    while let Ok(first) = commands.recv() {
        let Some(store) = store.upgrade() else { return };
        let batch: Vec<Command> = std::iter::once(first)
            .chain(commands.try_iter().take(BATCH - 1))
            .collect();
        let before = revision;
        let (pending, refused) = check(&store, batch, &mut revision);
        // A crash before the commit leaves the former state and nobody was told otherwise; a crash after it
        // leaves writes whose clients got no answer, as with any server that dies: they read and see.
        match commit(&mut connection, &pending, revision) {
            Ok(()) => publish(&store, pending, revision),
            Err(error) => {
                revision = before;
                let text = error.to_string();
                for write in pending {
                    drop(write.reply.send(Err(StoreError::NotDurable(text.clone()))));
                }
            }
        }
        // Refusals last: they may rest on a write of the same batch, which is visible only now.
        for (reply, error) in refused {
            drop(reply.send(Err(error)));
        }
    }
}

type Refused = Vec<(oneshot::Sender<Result<Arc<Object>, StoreError>>, StoreError)>;

/// Judges each write by what is stored and what goes before it in the same batch.
fn check(store: &Store, batch: Vec<Command>, revision: &mut u64) -> (Vec<Pending>, Refused) {
    let mut overlay: HashMap<(String, Key), Option<Arc<Object>>> = HashMap::new();
    let (mut pending, mut refused) = (Vec::new(), Vec::new());
    for command in batch {
        let Command {
            resource,
            namespace,
            name,
            write,
            reply,
        } = command;
        let stored = || store.get(&resource, &namespace, &name);
        let key = (resource.clone(), (namespace.clone(), name.clone()));
        let current = overlay.get(&key).cloned().unwrap_or_else(stored);
        match judge(write, current, *revision + 1) {
            Ok(change) => {
                *revision += 1;
                let after = (change.kind != EventType::Deleted).then(|| Arc::clone(&change.object));
                overlay.insert(key.clone(), after);
                pending.push(Pending {
                    resource,
                    key: key.1,
                    change,
                    reply,
                });
            }
            Err(error) => refused.push((reply, error)),
        }
    }
    (pending, refused)
}

fn judge(write: Write, current: Option<Arc<Object>>, revision: u64) -> Result<Change, StoreError> {
    match (write, current) {
        (Write::Create(_), Some(_)) => Err(StoreError::Exists),
        (Write::Create(value), None) => Ok(Change::created(value, revision)),
        (_, None) => Err(StoreError::NotFound),
        (Write::Update(expected, _) | Write::Delete(Some(expected)), Some(now))
            if now.revision != expected =>
        {
            Err(StoreError::Conflict)
        }
        (Write::Update(_, value), Some(now)) => Ok(Change::updated(now, value, revision)),
        (Write::Delete(_), Some(now)) => Ok(Change::deleted(&now, revision)),
    }
}

fn commit(
    connection: &mut Connection,
    pending: &[Pending],
    revision: u64,
) -> Result<(), rusqlite::Error> {
    if pending.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    {
        let mut put = transaction
            .prepare_cached("INSERT OR REPLACE INTO objects VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut remove = transaction.prepare_cached(
            "DELETE FROM objects WHERE resource = ?1 AND namespace = ?2 AND name = ?3",
        )?;
        for Pending {
            resource,
            key,
            change,
            ..
        } in pending
        {
            if change.kind == EventType::Deleted {
                remove.execute(params![resource, key.0, key.1])?;
            } else {
                let json = change.object.json();
                let text = String::from_utf8_lossy(&json);
                put.execute(params![
                    resource,
                    key.0,
                    key.1,
                    signed(change.object.revision),
                    text
                ])?;
            }
        }
        transaction
            .prepare_cached("UPDATE head SET revision = ?1")?
            .execute([signed(revision)])?;
    }
    transaction.commit()
}

/// SQLite's integers are signed; no cluster lives to see 2^63 writes.
fn signed(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

fn publish(store: &Store, pending: Vec<Pending>, revision: u64) {
    for Pending {
        resource,
        key,
        change,
        reply,
    } in pending
    {
        let object = Arc::clone(&change.object);
        store.shard(&resource).apply(&key, change);
        store.set_revision(object.revision);
        drop(reply.send(Ok(object)));
    }
    store.set_revision(revision);
}
