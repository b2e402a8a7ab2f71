//! The whole of a log, checked from its public bytes.
//!
//! In scope: that the checkpoint is signed by the given key, that every entry hashes into every tile
//! and every tile into the signed root, that entries are canonical, and that the log still begins
//! with what it was when it was last seen. Out of scope: what the entries mean (the report), and
//! whether others were shown the same log (witnesses).

use std::io;

use thiserror::Error;

use crate::{
    Checkpoint, CheckpointError, Frontier, Hash, NotCanonical, ReadError, SignedCheckpoint,
    Verifier, check_canonical,
    reader::{Tiles, read_tile},
    tile::{self, Kind, TileId},
};

/// What was found to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The checkpoint that everything hashes into. Remember it, and give it to the next verification.
    pub checkpoint: SignedCheckpoint,
    /// How many tiles of hashes and bundles of entries were read.
    pub tiles: u64,
}

/// The first thing found wrong. Only `Read` with a failing disk or network is worth another try.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The checkpoint could not be had.
    #[error("cannot read the checkpoint")]
    ReadCheckpoint(#[source] io::Error),
    /// The checkpoint is not text.
    #[error("the checkpoint is not UTF-8 text")]
    NotText,
    /// The checkpoint cannot be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A tile is missing, damaged or of the wrong length.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was remembered is about another log.
    #[error("the remembered checkpoint is of {remembered}, this log is {origin}")]
    OtherLog {
        /// The origin of the remembered checkpoint.
        remembered: String,
        /// The origin of this log.
        origin: String,
    },
    /// The log was longer before.
    #[error(
        "the log has been cut: it had {remembered} entries when it was last seen, now it has {size}"
    )]
    Shrunk {
        /// The size that was seen before.
        remembered: u64,
        /// The size now.
        size: u64,
    },
    /// The log had other entries before.
    #[error(
        "the log has been rewritten: its first {size} entries had the root {remembered}, now {computed}"
    )]
    Rewritten {
        /// The size that was seen before.
        size: u64,
        /// The root that was seen before.
        remembered: Hash,
        /// The root of as many entries now.
        computed: Hash,
    },
    /// An entry is not canonical JSON.
    #[error("entry {index} is not one that this log can have")]
    Entry {
        /// The entry.
        index: u64,
        /// Why not.
        source: NotCanonical,
    },
    /// An entry does not hash to its place in the tile of level 0.
    #[error("entry {index} has been changed: {tile} has another hash for it")]
    Leaf {
        /// The entry.
        index: u64,
        /// The tile that disagrees.
        tile: TileId,
    },
    /// A hash of an upper tile is not that of the tiles below it.
    #[error("hash {position} of {tile} is not the root of the entries {first} to {last} below it")]
    Node {
        /// The tile.
        tile: TileId,
        /// Which of its hashes, from zero.
        position: usize,
        /// The first entry beneath.
        first: u64,
        /// The last entry beneath.
        last: u64,
    },
    /// Everything fits together, but is not what was signed.
    #[error("the {size} entries have the root {computed}, the checkpoint says {signed}")]
    Root {
        /// The size of the checkpoint.
        size: u64,
        /// The root of what is there.
        computed: Hash,
        /// The root that was signed.
        signed: Hash,
    },
}

/// Verifies a log from its public bytes alone.
///
/// `each` is shown every entry, in order, after its bytes were found in their tile; believe
/// what it was shown only when the whole call has returned `Ok`.
///
/// *Flow*: one pass over the bundles, each file read once. *Guarantees*: memory for one tile per
/// level. *Caveats*: a log that grows meanwhile is verified at the size of the checkpoint read first.
pub fn verify<T: Tiles + ?Sized>(
    tiles: &T,
    verifier: &Verifier,
    remembered: Option<&Checkpoint>,
    mut each: impl FnMut(u64, &[u8]),
) -> Result<Verified, VerifyError> {
    let checkpoint = tiles
        .read(tile::CHECKPOINT)
        .map_err(VerifyError::ReadCheckpoint)?;
    let checkpoint = String::from_utf8(checkpoint).map_err(|_| VerifyError::NotText)?;
    let checkpoint = SignedCheckpoint::open(&checkpoint, verifier)?;
    if let Some(remembered) = remembered {
        same_and_no_shorter(remembered, checkpoint.checkpoint())?;
    }
    let mut pass = Pass::new(tiles, checkpoint.size(), remembered);
    pass.remember()?;
    for index in 0..checkpoint.size().div_ceil(tile::WIDTH) {
        pass.bundle(index, &mut each)?;
    }
    pass.open_tiles()?;
    let computed = pass.frontier.root();
    if computed != checkpoint.root() {
        let (size, signed) = (checkpoint.size(), checkpoint.root());
        return Err(VerifyError::Root {
            size,
            computed,
            signed,
        });
    }
    Ok(Verified {
        checkpoint,
        tiles: pass.read,
    })
}

fn same_and_no_shorter(remembered: &Checkpoint, now: &Checkpoint) -> Result<(), VerifyError> {
    if remembered.origin != now.origin {
        let (remembered, origin) = (remembered.origin.clone(), now.origin.clone());
        return Err(VerifyError::OtherLog { remembered, origin });
    }
    if remembered.size > now.size {
        return Err(VerifyError::Shrunk {
            remembered: remembered.size,
            size: now.size,
        });
    }
    Ok(())
}

/// One pass from the first entry to the last.
struct Pass<'a, T: ?Sized> {
    tiles: &'a T,
    remembered: Option<&'a Checkpoint>,
    size: u64,
    frontier: Frontier,
    /// The hashes that the tile now being filled at levels 1, 2, … must have.
    upper: Vec<Vec<Hash>>,
    read: u64,
}

impl<'a, T: Tiles + ?Sized> Pass<'a, T> {
    fn new(tiles: &'a T, size: u64, remembered: Option<&'a Checkpoint>) -> Self {
        let frontier = Frontier::default();
        Self {
            tiles,
            remembered,
            size,
            frontier,
            upper: Vec::new(),
            read: 0,
        }
    }

    /// Compares with what was seen before, when the pass comes by that size.
    fn remember(&self) -> Result<(), VerifyError> {
        let Some(seen) = self
            .remembered
            .filter(|seen| seen.size == self.frontier.size())
        else {
            return Ok(());
        };
        let computed = self.frontier.root();
        if computed == seen.root {
            return Ok(());
        }
        Err(VerifyError::Rewritten {
            size: seen.size,
            remembered: seen.root,
            computed,
        })
    }

    fn bundle(&mut self, index: u64, each: &mut impl FnMut(u64, &[u8])) -> Result<(), VerifyError> {
        let id = self.tile(Kind::Entries, index)?;
        let bytes = read_tile(self.tiles, id)?;
        let entries = tile::decode_entries(&bytes, id.width)
            .map_err(|source| ReadError::Content { tile: id, source })?;
        let leaves = self.tile(Kind::Hashes(0), index)?;
        let hashes = self.hashes(leaves)?;
        self.read += 2;
        for (entry, hash) in entries.into_iter().zip(hashes) {
            let index = self.frontier.size();
            if Hash::leaf(entry) != hash {
                return Err(VerifyError::Leaf {
                    index,
                    tile: leaves,
                });
            }
            check_canonical(entry).map_err(|source| VerifyError::Entry { index, source })?;
            each(index, entry);
            self.push(hash)?;
        }
        Ok(())
    }

    fn push(&mut self, leaf: Hash) -> Result<(), VerifyError> {
        let upper = &mut self.upper;
        let mut full = Vec::new();
        self.frontier.push(leaf, |level, index, hash| {
            let Some(above) = (level / 8).checked_sub(1).filter(|_| level % 8 == 0) else {
                return;
            };
            let above = usize::from(above);
            upper.resize_with(upper.len().max(above + 1), Vec::new);
            upper[above].push(hash);
            if (index + 1).is_multiple_of(tile::WIDTH) {
                full.push((
                    level / 8,
                    index / tile::WIDTH,
                    std::mem::take(&mut upper[above]),
                ));
            }
        });
        for (level, index, hashes) in full {
            self.upper_tile(level, index, &hashes)?;
        }
        self.remember()
    }

    /// The tiles above level 0 that the last entry left partial.
    fn open_tiles(&mut self) -> Result<(), VerifyError> {
        for (level, hashes) in (1..).zip(std::mem::take(&mut self.upper)) {
            if !hashes.is_empty() {
                let items = self.size >> (u32::from(level) * 8);
                self.upper_tile(level, items / tile::WIDTH, &hashes)?;
            }
        }
        Ok(())
    }

    fn upper_tile(&mut self, level: u8, index: u64, wanted: &[Hash]) -> Result<(), VerifyError> {
        let id = self.tile(Kind::Hashes(level), index)?;
        let found = self.hashes(id)?;
        self.read += 1;
        match found
            .iter()
            .zip(wanted)
            .position(|(found, wanted)| found != wanted)
        {
            None => Ok(()),
            Some(position) => {
                let span = 1_u64 << (u32::from(level) * 8);
                let first = (index * tile::WIDTH + position as u64) * span;
                Err(VerifyError::Node {
                    tile: id,
                    position,
                    first,
                    last: first + span - 1,
                })
            }
        }
    }

    fn tile(&self, kind: Kind, index: u64) -> Result<TileId, ReadError> {
        let asked = index.saturating_mul(tile::WIDTH);
        TileId::at_size(kind, index, self.size).ok_or(ReadError::OutOfRange {
            asked,
            size: self.size,
        })
    }

    fn hashes(&self, id: TileId) -> Result<Vec<Hash>, ReadError> {
        let bytes = read_tile(self.tiles, id)?;
        tile::decode_hashes(&bytes, id.width)
            .map_err(|source| ReadError::Content { tile: id, source })
    }
}
