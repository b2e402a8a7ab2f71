//! Opening: takes the lock, raises the epoch, and repairs what the last crash left.

use std::{io, sync::Arc};

use ledger::{
    Edge, SignedCheckpoint, Signer,
    edge::EdgeError,
    tile::{self, CHECKPOINT, Kind, TileId},
};
use thiserror::Error;

use crate::{
    disk::{Disk, Public},
    journal::{self, Frame, JournalDamaged},
    writer::{CommitError, EPOCH, JOURNAL, Writer, epoch_text},
};

/// Why a log is not open. Nothing was appended.
///
/// `Locked` passes when the other process ends, `Io` and `Repair` perhaps when the disk has room and works
/// again; everything else is damage or a wrong key, and no retry will help.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has the log open.
    #[error(
        "the log in {folder} is open in another process ({holder}): stop that one, or use another folder"
    )]
    Locked {
        /// The folder.
        folder: String,
        /// What the other process wrote about itself.
        holder: String,
    },
    /// The file system said no.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The epoch file has something else in it.
    #[error("the file `epoch` has no number in it: restore the folder from a copy")]
    Epoch,
    /// A log without its journal: a copy of the public files, or a folder of something else.
    #[error(
        "there is a log but no journal: this is a copy for reading. Restore the whole folder, or begin a new log with a new key in an empty folder"
    )]
    NoJournal,
    /// The journal has changed since it was written.
    #[error(transparent)]
    Journal(#[from] JournalDamaged),
    /// A frame of the journal does not follow from what is before it.
    #[error(
        "the journal's frame {frame} (from zero) does not continue the log at size {size}: {why}"
    )]
    Frame {
        /// Which frame.
        frame: usize,
        /// The size of the log before it.
        size: u64,
        /// What does not fit.
        why: &'static str,
    },
    /// A checkpoint of the journal is not by this key.
    #[error("the log was written with another key")]
    Key(#[source] ledger::CheckpointError),
    /// The public files do not fit the checkpoint that says they are durable.
    #[error("the log's tiles are damaged")]
    Tiles(#[from] EdgeError),
    /// Readers have been shown more than is there.
    #[error(
        "the published checkpoint has {published} entries and the log only {found}: answered entries are missing. Restore the folder from a copy with the longer log"
    )]
    Behind {
        /// What readers have been shown.
        published: u64,
        /// What is there.
        found: u64,
    },
    /// Readers have been shown something else.
    #[error("the published checkpoint of size {size} has another root than the log")]
    Forked {
        /// The size of both.
        size: u64,
    },
    /// What the crash left could not be repaired now.
    #[error("cannot repair what the last run left")]
    Repair(#[from] CommitError),
}

/// Opens the log on a disk that nobody else writes to: the lock is the caller's.
///
/// *Flow*: epoch up → journal read → every frame done over → public files synced → new journal.
/// *Guarantees*: every entry whose append was answered is in it. A whole frame is kept even if it was never
/// answered: its checkpoint was signed, and a witness may hold it. A cut-off frame is dropped.
pub(crate) fn recover(
    disk: Arc<dyn Disk>,
    signer: Signer,
) -> Result<(Writer, SignedCheckpoint), OpenError> {
    let Some(found) = read(&*disk, &signer)? else {
        return create(disk, signer);
    };
    let epoch = raise_epoch(&*disk, found.epoch)?;
    let edge = Edge::load(&Public(&*disk), found.settled.checkpoint())?;
    let mut writer = Writer::new(Arc::clone(&disk), signer, epoch, edge);
    let mut last = found.settled;
    for (number, (frame, signed)) in (1..).zip(found.frames) {
        let size = writer.size();
        let wrong = |why| OpenError::Frame {
            frame: number,
            size,
            why,
        };
        if frame.first != size {
            return Err(wrong("it begins at another size"));
        }
        last = writer.replay(&frame.entries)?;
        if last != signed {
            return Err(wrong("its entries have another root than its checkpoint"));
        }
    }
    repair_partial(&*disk, last.size())?;
    writer.settle(&last)?;
    Ok((writer, last))
}

/// A log with no entries yet. A crash in here leaves an epoch and perhaps a checkpoint of size 0
/// without a journal; the next opening begins again.
fn create(disk: Arc<dyn Disk>, signer: Signer) -> Result<(Writer, SignedCheckpoint), OpenError> {
    let epoch = raise_epoch(&*disk, 0)?;
    let mut writer = Writer::new(disk, signer, epoch, Edge::default());
    let empty = writer.sign();
    writer.settle(&empty)?;
    Ok((writer, empty))
}

/// What an earlier run left, read and compared, nothing changed yet.
struct Found {
    settled: SignedCheckpoint,
    frames: Vec<(Frame, SignedCheckpoint)>,
    epoch: u64,
}

/// Reads the journal; nothing when this is a new log.
fn read(disk: &dyn Disk, signer: &Signer) -> Result<Option<Found>, OpenError> {
    // A loss of power may have torn the published checkpoint: only one that opens says anything.
    let published = optional(disk, CHECKPOINT)?
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| SignedCheckpoint::open(&text, signer.verifier()).ok());
    let Some(bytes) = optional(disk, JOURNAL)? else {
        let tiles = disk
            .list("tile")
            .map_err(|source| io_error("tile", source))?;
        let begun = !tiles.is_empty() || published.is_some_and(|published| published.size() > 0);
        return if begun {
            Err(OpenError::NoJournal)
        } else {
            Ok(None)
        };
    };
    let mut frames = journal::scan(&bytes)?.into_iter().map(|frame| {
        let signed = SignedCheckpoint::open(&frame.checkpoint, signer.verifier());
        signed.map(|signed| (frame, signed)).map_err(OpenError::Key)
    });
    let (base, settled) = frames.next().ok_or(JournalDamaged { at: 0 })??;
    if base.first != settled.size() || !base.entries.is_empty() {
        let size = settled.size();
        return Err(OpenError::Frame {
            frame: 0,
            size,
            why: "it is not the beginning of a journal",
        });
    }
    let frames = frames.collect::<Result<Vec<_>, _>>()?;
    let epoch = frames
        .iter()
        .map(|(frame, _)| frame.epoch)
        .fold(base.epoch, u64::max);
    let found = Found {
        settled,
        frames,
        epoch,
    };
    published.map_or(Ok(()), |published| found.agrees_with(&published))?;
    Ok(Some(found))
}

impl Found {
    /// A log that is behind what readers saw, or beside it, is left as it is.
    fn agrees_with(&self, published: &SignedCheckpoint) -> Result<(), OpenError> {
        let known = || {
            self.frames
                .iter()
                .map(|(_, signed)| signed)
                .chain([&self.settled])
        };
        let found = known().map(SignedCheckpoint::size).max().unwrap_or(0);
        if published.size() > found {
            return Err(OpenError::Behind {
                published: published.size(),
                found,
            });
        }
        match known().find(|known| known.size() == published.size()) {
            Some(known) if known.root() != published.root() => Err(OpenError::Forked {
                size: published.size(),
            }),
            _ => Ok(()),
        }
    }
}

/// Puts a new number where every writer looks before it writes. A crash after it costs a number.
fn raise_epoch(disk: &dyn Disk, journal: u64) -> Result<u64, OpenError> {
    let known = match optional(disk, EPOCH)? {
        None => 0,
        Some(bytes) => {
            let text = String::from_utf8(bytes).map_err(|_| OpenError::Epoch)?;
            text.trim().parse::<u64>().map_err(|_| OpenError::Epoch)?
        }
    };
    let epoch = known.max(journal) + 1;
    disk.replace(EPOCH, epoch_text(epoch).as_bytes())
        .map_err(|source| io_error(EPOCH, source))?;
    Ok(epoch)
}

/// Writes the partial tiles of earlier sizes again, which a settlement does not sync: each of them
/// is the beginning of the tile that is open now.
fn repair_partial(disk: &dyn Disk, size: u64) -> Result<(), OpenError> {
    for id in TileId::edge(size) {
        let whole = disk
            .read(&id.to_string())
            .map_err(|source| io_error(&id.to_string(), source))?;
        let folder = format!("{}.p", id.full());
        let names = disk
            .list(&folder)
            .map_err(|source| io_error(&folder, source))?;
        for width in names.iter().filter_map(|name| name.parse::<u16>().ok()) {
            let path = TileId { width, ..id }.to_string();
            if width >= id.width {
                continue;
            }
            let wanted = beginning(&whole, id.kind, width);
            let found = disk.read(&path).map_err(|source| io_error(&path, source))?;
            if found != wanted {
                disk.publish(&path, wanted)
                    .map_err(|source| io_error(&path, source))?;
            }
        }
    }
    Ok(())
}

fn beginning(whole: &[u8], kind: Kind, width: u16) -> &[u8] {
    let width = usize::from(width);
    let length = match kind {
        Kind::Hashes(_) => width * ledger::Hash::LEN,
        Kind::Entries => tile::entries(whole)
            .take(width)
            .flatten()
            .map(|entry| 2 + entry.len())
            .sum(),
    };
    whole.get(..length).unwrap_or(whole)
}

fn optional(disk: &dyn Disk, path: &str) -> Result<Option<Vec<u8>>, OpenError> {
    match disk.read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(io_error(path, source)),
    }
}

fn io_error(path: &str, source: io::Error) -> OpenError {
    OpenError::Io {
        path: path.to_owned(),
        source,
    }
}
