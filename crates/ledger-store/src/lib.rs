//! The log on a folder: one writer, durable before it answers, repaired when it is opened.
//!
//! In scope: the order of writes and what a crash between two of them leaves (`writer`, `recover`),
//! the journal that makes one sync enough, the lock and the epoch that keep it to one writer, the key's
//! files. Out of scope: Merkle trees, notes, proofs and verification, which are `ledger`'s and need none of this.
//!
//! A folder has the public files of C2SP *tlog-tiles* (`checkpoint`, `tile/…`), to be copied and served as
//! they are, and three of the writer's own: `journal`, `epoch`, `lock`.

mod store;
pub use store::{AppendError, PublishedError, Receipt, Store, published};

mod recover;
pub use recover::OpenError;

mod writer;
pub use writer::CommitError;

mod journal;
pub use journal::JournalDamaged;

mod lock;

pub mod disk;
pub use disk::{Disk, Folder};

pub mod keys;

pub mod sessions;
pub use sessions::{Clock, Journal, RecordError, Recorded, ReplayError};
