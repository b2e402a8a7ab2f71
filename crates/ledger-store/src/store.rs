//! An open log.

use std::{
    io,
    ops::Range,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use ledger::{
    Export, Hash, InclusionProof, NotCanonical, ReadError, Reader, SignedCheckpoint, Signer,
    Verified, Verifier, VerifyError, check_canonical, reader::TileCache, tile::MAX_ENTRY,
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    OpenError,
    disk::{Disk, Folder, Public},
    lock::Lock,
    recover::recover,
    writer::{CommitError, Writer},
};

/// Appends that may wait before `append` itself waits.
const QUEUE: usize = 16_384;
/// Entries and bytes in one group commit.
const BATCH: usize = 8_192;
const BATCH_BYTES: usize = 4 << 20;

/// What an append is answered with: proof that the entry is in the log for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The place of the entry, from zero.
    pub index: u64,
    /// The signed checkpoint that covers it.
    pub checkpoint: Arc<SignedCheckpoint>,
}

impl Receipt {
    /// The size of the log that the checkpoint covers: above `index`.
    pub fn size(&self) -> u64 {
        self.checkpoint.size()
    }

    /// The root of the log at that size.
    pub fn root(&self) -> Hash {
        self.checkpoint.root()
    }
}

/// Why an entry is not known to be in the log. **Whatever waits for it must not happen.**
///
/// `TooLarge` and `NotCanonical` are the caller's mistakes, and nothing was written. After `Failed`,
/// `Poisoned` and `Closed` the entry may or may not be in the log; only opening the store again tells.
#[derive(Debug, Error)]
pub enum AppendError {
    /// An entry that no bundle can hold.
    #[error(
        "an entry of {len} bytes is larger than {MAX_ENTRY}: store large things as blobs and log their digest"
    )]
    TooLarge {
        /// Its length in bytes.
        len: usize,
    },
    /// Not canonical JSON.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// The write of this entry failed or is in doubt.
    #[error("the entry could not be made durable")]
    Failed(#[source] Arc<CommitError>),
    /// An earlier write failed or is in doubt.
    #[error("the log takes no entries since an earlier write failed: open it again")]
    Poisoned(#[source] Arc<CommitError>),
    /// The store is being closed.
    #[error("the log is closed")]
    Closed,
}

struct Request {
    entry: Vec<u8>,
    answer: oneshot::Sender<Result<Receipt, AppendError>>,
}

/// An open log: the one that appends to it, and the public files for reading.
///
/// Dropping it takes what was queued, syncs, and lets go of the folder; that can take some milliseconds.
#[derive(Debug)]
pub struct Store {
    queue: Option<mpsc::Sender<Request>>,
    writer: Option<JoinHandle<()>>,
    checkpoint: watch::Receiver<Arc<SignedCheckpoint>>,
    verifier: Verifier,
    disk: Arc<dyn Disk>,
    cache: Mutex<TileCache>,
    /// Held, not read: while it is there, nobody else opens the folder.
    lock: Option<Lock>,
}

impl Store {
    /// Opens the log in a folder, or begins a new one there, and repairs what a crash left.
    ///
    /// The name of the signer's key is the log's origin. This blocks for as long as it takes to read and
    /// sync some megabytes.
    pub fn open(folder: &Path, signer: Signer) -> Result<Self, OpenError> {
        let lock = Lock::take(folder)?;
        let mut store = Self::on_disk(Arc::new(Folder::new(folder)), signer)?;
        store.lock = Some(lock);
        Ok(store)
    }

    /// The same on any [`Disk`]; that nobody else writes to it is then the caller's to see to.
    pub fn on_disk(disk: Arc<dyn Disk>, signer: Signer) -> Result<Self, OpenError> {
        let verifier = signer.verifier().clone();
        let (writer, checkpoint) = recover(Arc::clone(&disk), signer)?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let (shown, seen) = watch::channel(Arc::new(checkpoint));
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || run(writer, requests, &shown))
            .map_err(|source| OpenError::Io {
                path: "the writer's thread".to_owned(),
                source,
            })?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(thread),
            checkpoint: seen,
            verifier,
            disk,
            cache: Mutex::default(),
            lock: None,
        })
    }

    /// Puts an entry (canonical JSON, at most 65,535 bytes) into the log.
    ///
    /// *Flow*: queued; one thread takes all that wait, and makes them durable with one sync (group commit).
    /// *Guarantees*: on `Ok` the entry, its tiles and the signed checkpoint are durable, and the public
    /// files have them. *Caveats*: dropping the future does not take the entry back.
    pub async fn append(&self, entry: Vec<u8>) -> Result<Receipt, AppendError> {
        self.submit(entry).await?.await
    }

    /// Puts an entry into the queue; the future that it returns is what [`append`](Self::append) waits for.
    ///
    /// *Guarantees*: entries get their indexes in the order in which `submit` returned.
    pub async fn submit(
        &self,
        entry: Vec<u8>,
    ) -> Result<impl Future<Output = Result<Receipt, AppendError>> + use<>, AppendError> {
        if entry.len() > MAX_ENTRY {
            return Err(AppendError::TooLarge { len: entry.len() });
        }
        check_canonical(&entry)?;
        let (answer, answered) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(AppendError::Closed)?;
        queue
            .send(Request { entry, answer })
            .await
            .map_err(|_| AppendError::Closed)?;
        Ok(async move { answered.await.map_err(|_| AppendError::Closed)? })
    }

    /// The latest checkpoint.
    pub fn checkpoint(&self) -> Arc<SignedCheckpoint> {
        Arc::clone(&self.checkpoint.borrow())
    }

    /// Told of every later checkpoint: what an index or a witness follows.
    pub fn watch(&self) -> watch::Receiver<Arc<SignedCheckpoint>> {
        self.checkpoint.clone()
    }

    /// The public key that checkpoints are checked with.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The public bytes, for the readers and the verifier of `ledger`.
    pub fn public(&self) -> Public<'_> {
        Public(&*self.disk)
    }

    /// One entry. Blocks for a read of one file.
    pub fn read(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        Reader::new(&self.public(), self.checkpoint().size()).entry(index)
    }

    /// The entries of a range, in order.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, ReadError> {
        Reader::new(&self.public(), self.checkpoint().size()).entries(range)
    }

    /// The proof that an entry is in the log at the size of the latest checkpoint.
    pub fn inclusion(&self, index: u64) -> Result<InclusionProof, ReadError> {
        // A panic in another thread left at worst an emptier cache.
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let (public, size) = (self.public(), self.checkpoint().size());
        let mut reader = Reader::with_cache(&public, size, std::mem::take(&mut *cache));
        let proof = reader.inclusion(index);
        *cache = reader.into_cache();
        proof
    }

    /// Entries with their proofs, to be checked where the log is not.
    pub fn export(&self, indexes: impl IntoIterator<Item = u64>) -> Result<Export, ReadError> {
        Export::make(&self.public(), &self.checkpoint(), indexes)
    }

    /// Reads everything and checks it, against the checkpoint that this writer signed last.
    pub fn fsck(&self) -> Result<Verified, VerifyError> {
        let signed = self.checkpoint();
        ledger::verify(
            &self.public(),
            &self.verifier,
            Some(signed.checkpoint()),
            |_, _| (),
        )
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has answered nobody, which callers see as `Closed`.
            let _ = writer.join();
        }
    }
}

/// The writer's thread: one batch after the other, until every sender is gone.
fn run(
    mut writer: Writer,
    mut requests: mpsc::Receiver<Request>,
    shown: &watch::Sender<Arc<SignedCheckpoint>>,
) {
    while let Some(first) = requests.blocking_recv() {
        let (entries, answers) = batch(first, &mut requests);
        let size = writer.size();
        match writer.commit(&entries) {
            Ok(checkpoint) => {
                let checkpoint = Arc::new(checkpoint);
                shown.send_replace(Arc::clone(&checkpoint));
                for (index, answer) in (size..).zip(answers) {
                    // Nobody waits any more: the entry stays, its receipt is lost.
                    let checkpoint = Arc::clone(&checkpoint);
                    let _ = answer.send(Ok(Receipt { index, checkpoint }));
                }
            }
            Err(error) => return poisoned(&Arc::new(error), answers, requests),
        }
    }
    let last = Arc::clone(&shown.borrow());
    if let Err(error) = writer.settle(&last) {
        // Nothing is lost: the journal has it, and the next opening does this again.
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the log was closed without syncing its public files"
        );
    }
}

type Answers = Vec<oneshot::Sender<Result<Receipt, AppendError>>>;

fn batch(first: Request, requests: &mut mpsc::Receiver<Request>) -> (Vec<Vec<u8>>, Answers) {
    let mut bytes = first.entry.len();
    let (mut entries, mut answers) = (vec![first.entry], vec![first.answer]);
    while entries.len() < BATCH && bytes < BATCH_BYTES {
        let Ok(next) = requests.try_recv() else { break };
        bytes += next.entry.len();
        entries.push(next.entry);
        answers.push(next.answer);
    }
    (entries, answers)
}

/// From the first doubt on, every answer is a refusal. The writer is gone, and with it every
/// way to write; only opening the store again finds out what the disk kept.
fn poisoned(error: &Arc<CommitError>, answers: Answers, mut requests: mpsc::Receiver<Request>) {
    for answer in answers {
        let _ = answer.send(Err(AppendError::Failed(Arc::clone(error))));
    }
    while let Some(Request { answer, .. }) = requests.blocking_recv() {
        let _ = answer.send(Err(AppendError::Poisoned(Arc::clone(error))));
    }
}

/// Reading a folder whose store is not open here: for `verify` and readers in other processes.
pub fn published(folder: &Path, verifier: &Verifier) -> Result<SignedCheckpoint, PublishedError> {
    let bytes = Disk::read(&Folder::new(folder), ledger::tile::CHECKPOINT)?;
    let text = String::from_utf8(bytes).map_err(|_| PublishedError::NotText)?;
    Ok(SignedCheckpoint::open(&text, verifier)?)
}

/// Why there is no checkpoint to believe in a folder.
#[derive(Debug, Error)]
pub enum PublishedError {
    /// It cannot be read.
    #[error("cannot read the checkpoint")]
    Io(#[from] io::Error),
    /// It is not text.
    #[error("the checkpoint is not UTF-8 text")]
    NotText,
    /// It is not signed by this key, or about another log.
    #[error(transparent)]
    Checkpoint(#[from] ledger::CheckpointError),
}
