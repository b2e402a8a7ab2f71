//! The one place where something that happened to a session is recorded.
//!
//! Flow: the session as the log knows it → [`session::step`] → the entry → **durable** → the session
//! moves. Guarantees: whoever gets [`Recorded`] back holds an entry that survives a crash; two events of
//! one session never pass each other; after an error nothing moved. Assumption: this process is the
//! log's only writer, which [`Store`] enforces. Caveat: an append that failed in doubt may still be in
//! the log after a restart; the session then is where the log says, and the caller was told no.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use ledger::entry::{Body, DecodeError, EncodeError, Entry, Refused};
use session::{Event, Person, Refusal, Session};
use tokio::sync::broadcast;

use crate::store::{AppendError, Receipt, Store};

/// Tells the time. The journal never goes back behind its last entry, whatever this says.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Sessions that moved and were not read yet by a slow listener; it must then look at all of them.
const CHANGES: usize = 1024;

/// How many refused attempts may wait to be written at once; more are dropped, so that a flood of
/// refused requests cannot keep an allowed one waiting.
const REFUSALS: usize = 64;

/// Resolves once an entry survives a crash.
type Durable = Pin<Box<dyn Future<Output = Result<Receipt, AppendError>> + Send>>;

/// What happened to all sessions, and the only way to add to it. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    /// Time of the last entry in the queue. Held while an entry gets its time and its place, so that
    /// times in the log never go back.
    last: tokio::sync::Mutex<Timestamp>,
    books: Mutex<Books>,
    changes: broadcast::Sender<String>,
    refusals: tokio::sync::Semaphore,
}

struct Books {
    last: Timestamp,
    by_uid: HashMap<String, Book>,
    /// UIDs of the sessions whose container has this name, by namespace: one, but for chance.
    by_handle: HashMap<(String, String), Vec<String>>,
}

#[derive(Default)]
struct Book {
    session: Option<Session>,
    entries: Vec<u64>,
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// An event that is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its index in the log.
    pub index: u64,
    /// Its time.
    pub at: Timestamp,
    /// The session after it.
    pub session: Session,
}

/// Why an event was not recorded. Either way the answer to whoever asked is no.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot follow on what happened before. Asking again does not help.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It has no entry.
    #[error("it cannot be written down: {0}")]
    Entry(#[from] EncodeError),
    /// The log did not take it. It may be tried again after the log was mended.
    #[error("the ledger cannot write, so the answer is no: {0}")]
    Unwritable(#[from] AppendError),
}

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error("the ledger cannot be read")]
    Read(#[source] ledger::ReadError),
    /// It holds something that is no entry.
    #[error("entry {index} of the ledger is not understood")]
    Decode {
        /// Which.
        index: u64,
        /// Why.
        source: DecodeError,
    },
    /// It holds an event that cannot follow.
    #[error("entry {index} of the ledger cannot follow on those before it: run `ephemera verify`")]
    Step {
        /// Which.
        index: u64,
        /// Why.
        source: Refusal,
    },
    /// The first entry of a new log could not be written.
    #[error("the ledger cannot write its first entry")]
    Begin(#[source] RecordError),
}

impl Journal {
    /// Replays the log of `store`; begins it if it is empty. `writer` names program and version.
    pub async fn open(store: Store, writer: &str, clock: Clock) -> Result<Self, ReplayError> {
        let mut books = Books {
            last: Timestamp::UNIX_EPOCH,
            by_uid: HashMap::new(),
            by_handle: HashMap::new(),
        };
        let size = store.checkpoint().size();
        let entries = store.entries(0..size).map_err(ReplayError::Read)?;
        for (index, bytes) in (0..).zip(entries) {
            let entry =
                Entry::decode(&bytes).map_err(|source| ReplayError::Decode { index, source })?;
            books.replay(index, &entry)?;
        }
        let inner = Inner {
            store,
            clock,
            last: tokio::sync::Mutex::new(books.last),
            books: Mutex::new(books),
            changes: broadcast::channel(CHANGES).0,
            refusals: tokio::sync::Semaphore::new(REFUSALS),
        };
        let journal = Self {
            inner: Arc::new(inner),
        };
        if size == 0 {
            let opened = Body::Opened {
                writer: writer.to_owned(),
            };
            journal
                .append_of_log(opened)
                .await
                .map_err(ReplayError::Begin)?;
        }
        Ok(journal)
    }

    /// Records what happened to a session, if it can follow; returns once it is durable.
    ///
    /// *Caveats*: dropping the future does not take the event back. It is carried to its end all the
    /// same, or the books would lag behind the log.
    pub async fn record(&self, session_uid: &str, event: Event) -> Result<Recorded, RecordError> {
        let (journal, uid) = (self.clone(), session_uid.to_owned());
        let recording = tokio::spawn(async move { journal.carry_out(&uid, event).await });
        recording.await.map_err(|_| AppendError::Closed)?
    }

    async fn carry_out(&self, session_uid: &str, event: Event) -> Result<Recorded, RecordError> {
        let gate = {
            let mut books = self.books();
            Arc::clone(&books.by_uid.entry(session_uid.to_owned()).or_default().gate)
        };
        let _one_at_a_time = gate.lock().await;
        let before = self.session(session_uid);
        let queued = self.queue(|at| {
            // Judged at the very time that the entry carries, so that a replay judges alike.
            let after = session::step(before, &event, at)?;
            Ok((after, Entry::of_session(session_uid, at, &event).encode()?))
        });
        let (at, session, durable) = match queued.await {
            Ok(queued) => queued,
            Err(error) => {
                self.books().forget_unasked(session_uid, &gate);
                return Err(error);
            }
        };
        let index = durable.await?.index;
        {
            let mut books = self.books();
            books.last = books.last.max(at);
            books.keep(session_uid, session.clone(), index);
        }
        // Nobody listening is no failure.
        let _ = self.inner.changes.send(session_uid.to_owned());
        Ok(Recorded { index, at, session })
    }

    /// Notes an attempt that admission refused. Best effort: the answer was no in any case.
    pub async fn note_refusal(&self, refused: Refused) {
        let Ok(_permit) = self.inner.refusals.try_acquire() else {
            tracing::warn!("too many refused attempts at once: one is not in the ledger");
            return;
        };
        if let Err(error) = self.append_of_log(Body::Refused(refused)).await {
            tracing::warn!(%error, "a refused attempt is not in the ledger");
        }
    }

    /// A session as of its last durable entry.
    pub fn session(&self, session_uid: &str) -> Option<Session> {
        self.books().by_uid.get(session_uid)?.session.clone()
    }

    /// The sessions of a namespace whose container has this name: one, but for chance.
    pub fn by_handle(&self, namespace: &str, handle: &str) -> Vec<Session> {
        let books = self.books();
        let named = books
            .by_handle
            .get(&(namespace.to_owned(), handle.to_owned()));
        named
            .into_iter()
            .flatten()
            .filter_map(|uid| books.by_uid.get(uid)?.session.clone())
            .collect()
    }

    /// How many sessions of this person are not over.
    pub fn open_sessions_of(&self, person: &Person) -> usize {
        let books = self.books();
        let sessions = books
            .by_uid
            .values()
            .filter_map(|book| book.session.as_ref());
        sessions
            .filter(|s| !s.phase.name().is_final() && s.request.requester.is_same_person_as(person))
            .count()
    }

    /// All sessions, in no order.
    pub fn sessions(&self) -> Vec<Session> {
        self.books()
            .by_uid
            .values()
            .filter_map(|book| book.session.clone())
            .collect()
    }

    /// The indexes of a session's entries.
    pub fn entries_of(&self, session_uid: &str) -> Vec<u64> {
        self.books()
            .by_uid
            .get(session_uid)
            .map(|book| book.entries.clone())
            .unwrap_or_default()
    }

    /// Tells the uid of each session that moved from now on.
    pub fn changes(&self) -> broadcast::Receiver<String> {
        self.inner.changes.subscribe()
    }

    /// The latest signed checkpoint (C2SP tlog-checkpoint).
    pub fn checkpoint(&self) -> String {
        self.inner.store.checkpoint().text().to_owned()
    }

    /// Its root hash, as the checkpoint writes it.
    pub fn root(&self) -> String {
        self.inner.store.checkpoint().root().to_string()
    }

    /// The time, never before the last entry's.
    pub fn now(&self) -> Timestamp {
        (self.inner.clock)().max(self.books().last)
    }

    async fn append_of_log(&self, body: Body) -> Result<(), RecordError> {
        let queued = self.queue(|at| Ok(((), Entry::of_log(at, body).encode()?)));
        let (_, (), durable) = queued.await?;
        durable.await?;
        Ok(())
    }

    /// Gives an entry its time and its place in the log, both at once.
    async fn queue<T, F>(&self, entry: F) -> Result<(Timestamp, T, Durable), RecordError>
    where
        F: FnOnce(Timestamp) -> Result<(T, Vec<u8>), RecordError>,
    {
        let mut last = self.inner.last.lock().await;
        let at = (self.inner.clock)().max(*last);
        let (with, bytes) = entry(at)?;
        let durable: Durable = Box::pin(self.inner.store.submit(bytes).await?);
        *last = at;
        Ok((at, with, durable))
    }

    /// A panic while the books were held cannot have left them half-written: every change is one insert.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.inner
            .books
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    fn replay(&mut self, index: u64, entry: &Entry) -> Result<(), ReplayError> {
        self.last = self.last.max(entry.at);
        let event = entry
            .event()
            .map_err(|source| ReplayError::Decode { index, source })?;
        let (Some(uid), Some(event)) = (&entry.session, event) else {
            return Ok(());
        };
        let book = self.by_uid.entry(uid.clone()).or_default();
        let before = book.session.take();
        let moved = session::step(before, &event, entry.at)
            .map_err(|source| ReplayError::Step { index, source })?;
        self.keep(uid, moved, index);
        Ok(())
    }

    /// The session as of its latest entry.
    fn keep(&mut self, uid: &str, session: Session, index: u64) {
        let book = self.by_uid.entry(uid.to_owned()).or_default();
        if book.entries.is_empty() {
            let namespace = session.request.session.namespace.clone();
            let handle = session.request.handle().to_string();
            let named = self.by_handle.entry((namespace, handle)).or_default();
            named.push(uid.to_owned());
        }
        book.session = Some(session);
        book.entries.push(index);
    }

    /// What never was a session needs no book: asks that are refused must not fill the memory.
    fn forget_unasked(&mut self, uid: &str, gate: &Arc<tokio::sync::Mutex<()>>) {
        let unasked = self
            .by_uid
            .get(uid)
            .is_some_and(|book| book.entries.is_empty() && book.session.is_none());
        // The book's and ours: nobody else waits for its gate.
        if unasked && Arc::strong_count(gate) == 2 {
            self.by_uid.remove(uid);
        }
    }
}
