//! The one writer: takes batches, makes them durable, publishes them.
//!
//! The order is always: journal (entries and checkpoint, one sync) → entries → tiles → checkpoint →
//! answer. The public files are not synced one by one: until a *settlement* has synced them, the journal
//! can make all of them again, byte for byte, since the same entries make the same tiles.

use std::{collections::BTreeSet, io, sync::Arc};

use ledger::{
    Edge, SignedCheckpoint, Signer,
    edge::TileBytes,
    tile::{CHECKPOINT, EntryTooLarge, Kind, TileId},
};
use thiserror::Error;

use crate::{disk::Disk, journal};

pub(crate) const JOURNAL: &str = "journal";
pub(crate) const EPOCH: &str = "epoch";

/// How long the journal may become before the public files are synced and it begins anew.
///
/// It bounds how long opening after a crash takes (well under a second), and how long the
/// appends that meet a settlement wait.
const SETTLE_AT: u64 = 16 << 20;

/// Why a batch is not known to be in the log. The store refuses everything from then on, until it is
/// opened again: only then is it known what the disk kept.
#[derive(Debug, Error)]
pub enum CommitError {
    /// The epoch on disk is not ours, or could not be read.
    #[error("cannot see whether this is still the only writer")]
    Epoch(#[source] io::Error),
    /// Somebody else opened the store after us.
    #[error("another writer has opened the log (epoch {found}, ours is {ours})")]
    Superseded {
        /// What is on disk.
        found: String,
        /// What this writer put there when it opened.
        ours: u64,
    },
    /// An entry that no bundle can hold.
    #[error(transparent)]
    TooLarge(#[from] EntryTooLarge),
    /// The journal did not take it. Parts of it may be on disk.
    #[error("cannot make the entries durable")]
    Journal(#[source] io::Error),
    /// It is durable, but not published where readers look.
    #[error("cannot publish {path}")]
    Publish {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The public files could not be made durable.
    #[error("cannot make the published files durable")]
    Settle(#[source] io::Error),
}

/// The state of the writer between two batches.
pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    signer: Signer,
    epoch: u64,
    edge: Edge,
    journal_len: u64,
    /// Full tiles that are published and not yet synced.
    unsynced: BTreeSet<String>,
    /// The partial tiles of the size that was published last.
    shown: Vec<TileId>,
}

impl Writer {
    /// A writer on a log that `recover` has taken up; the journal is not begun before `settle`.
    pub(crate) fn new(disk: Arc<dyn Disk>, signer: Signer, epoch: u64, edge: Edge) -> Self {
        let shown = TileId::edge(edge.size());
        Self {
            disk,
            signer,
            epoch,
            edge,
            journal_len: 0,
            unsynced: BTreeSet::new(),
            shown,
        }
    }

    /// How many entries the log has.
    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Puts a batch into the log.
    ///
    /// *Guarantees*: on `Ok` entries, tiles and checkpoint survive `kill -9` and a loss of power, and
    /// readers of the public files see them. *Assumptions*: a sync that returns `Ok` means it.
    /// *Caveats*: after an error nobody knows; this value must not be used again.
    pub(crate) fn commit(&mut self, entries: &[Vec<u8>]) -> Result<SignedCheckpoint, CommitError> {
        self.fence()?;
        let first = self.edge.size();
        let mut full = Vec::new();
        for entry in entries {
            self.edge.push(entry, &mut full)?;
        }
        let checkpoint = self.sign();
        let entries = entries.iter().map(Vec::as_slice);
        let frame = journal::encode((self.epoch, first), checkpoint.text(), entries)?;
        // A crash in here leaves a frame that is cut off, which opening drops (nobody was answered), or a
        // whole one, which opening integrates (its checkpoint is signed, so it must never be un-said).
        self.disk
            .append(JOURNAL, self.journal_len, &frame)
            .map_err(CommitError::Journal)?;
        self.journal_len += frame.len() as u64;
        self.publish(full, &checkpoint)?;
        if self.journal_len >= SETTLE_AT {
            self.settle(&checkpoint)?;
        }
        Ok(checkpoint)
    }

    /// Does over what a frame of an earlier run did: adds its entries and publishes what they make.
    /// Gives back the checkpoint that comes out, for comparison with the one in the frame.
    pub(crate) fn replay(&mut self, entries: &[Vec<u8>]) -> Result<SignedCheckpoint, CommitError> {
        let mut full = Vec::new();
        for entry in entries {
            self.edge.push(entry, &mut full)?;
        }
        let checkpoint = self.sign();
        self.publish(full, &checkpoint)?;
        Ok(checkpoint)
    }

    pub(crate) fn sign(&self) -> SignedCheckpoint {
        SignedCheckpoint::sign(&self.signer, self.edge.size(), self.edge.root())
    }

    /// The journal can be appended to only at the length that this writer left, and only while the epoch
    /// on disk is this writer's own: a second writer, let in by a broken lock, stops this one.
    fn fence(&self) -> Result<(), CommitError> {
        let found = self.disk.read(EPOCH).map_err(CommitError::Epoch)?;
        if found == epoch_text(self.epoch).as_bytes() {
            return Ok(());
        }
        let found = String::from_utf8_lossy(&found).trim().to_owned();
        Err(CommitError::Superseded {
            found,
            ours: self.epoch,
        })
    }

    /// Shows readers what the journal has made durable: entries, then tiles, then the checkpoint.
    ///
    /// A crash between two of these leaves files that the old checkpoint does not speak of, or a loss of
    /// power files that are torn; opening publishes all of them again from the journal.
    fn publish(
        &mut self,
        full: Vec<TileBytes>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<(), CommitError> {
        // A partial tile that has not grown is not written again: it may be one that the last settlement made
        // durable and that opening needs, and an unsynced copy over it would undo that.
        let mut partial = self.edge.partial();
        let edge = partial.iter().map(|(id, _)| *id).collect();
        partial.retain(|(id, _)| !self.shown.contains(id));
        self.shown = edge;
        let (bundles, hashes): (Vec<_>, Vec<_>) = full
            .into_iter()
            .chain(partial)
            .partition(|(id, _)| id.kind == Kind::Entries);
        for (id, bytes) in bundles.into_iter().chain(hashes) {
            let path = id.to_string();
            self.show(&path, &bytes)?;
            if id.is_full() {
                self.unsynced.insert(path);
            }
        }
        self.show(CHECKPOINT, checkpoint.text().as_bytes())
    }

    fn show(&self, path: &str, bytes: &[u8]) -> Result<(), CommitError> {
        self.disk
            .publish(path, bytes)
            .map_err(|source| CommitError::Publish {
                path: path.to_owned(),
                source,
            })
    }

    /// Makes the public files durable up to this checkpoint and begins a new journal from there.
    ///
    /// A crash before the last step leaves the old journal, and opening does all of it over. Partial
    /// tiles of sizes in between are not synced: opening writes those of the open tiles again (`recover`).
    pub(crate) fn settle(&mut self, checkpoint: &SignedCheckpoint) -> Result<(), CommitError> {
        self.fence()?;
        let mut paths = std::mem::take(&mut self.unsynced);
        let filled: BTreeSet<String> = paths.clone();
        paths.extend(TileId::edge(self.edge.size()).iter().map(TileId::to_string));
        // A crash here: tiles durable, checkpoint perhaps older. The old journal is whole.
        self.disk.sync(&paths).map_err(CommitError::Settle)?;
        let note = checkpoint.text();
        // A crash here: all public files durable at this size. The old journal says the same again.
        self.disk
            .replace(CHECKPOINT, note.as_bytes())
            .map_err(CommitError::Settle)?;
        let base = journal::encode((self.epoch, checkpoint.size()), note, std::iter::empty())?;
        // A crash here: the old journal or the new one, never part of one; both lead to this size.
        self.disk
            .replace(JOURNAL, &base)
            .map_err(CommitError::Settle)?;
        self.journal_len = base.len() as u64;
        for path in filled {
            // The full tile is durable now, so nobody needs the partial ones (tlog-tiles allows it).
            // Left behind, by a crash or an error, they take room and mean nothing else.
            let _ = self.disk.remove_folder(&format!("{path}.p"));
        }
        Ok(())
    }
}

/// The content of the epoch file.
pub(crate) fn epoch_text(epoch: u64) -> String {
    format!("{epoch}\n")
}
