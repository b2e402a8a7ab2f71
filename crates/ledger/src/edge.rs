//! What a writer keeps in memory: the right edge of the tree and the tiles that are still open.

use thiserror::Error;

use crate::{
    Checkpoint, Frontier, Hash,
    reader::{ReadError, Tiles, read_tile},
    tile::{self, ContentError, EntryTooLarge, Kind, TileId},
};

/// A finished or partial tile, with the bytes that belong at its path.
pub type TileBytes = (TileId, Vec<u8>);

/// The open end of a log: adds entries, hands out tiles.
///
/// The same entries always make the same tiles, so a writer may do over what it is not sure it has done.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    frontier: Frontier,
    bundle: Vec<u8>,
    open: Vec<Vec<Hash>>,
}

/// Why the end of a log could not be taken up again.
#[derive(Debug, Error)]
pub enum EdgeError {
    /// A tile could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The open bundle has another entry than the tile of level 0.
    #[error("entry {index} has been changed: the tile of hashes has another one for it")]
    Leaf {
        /// The entry.
        index: u64,
    },
    /// The tiles are of another tree than the checkpoint.
    #[error("the tiles at size {size} have the root {computed}, the checkpoint says {signed}")]
    Root {
        /// The size of the checkpoint.
        size: u64,
        /// The root of the tiles that are there.
        computed: Hash,
        /// The root that was signed.
        signed: Hash,
    },
}

impl Edge {
    /// Takes up a log where a checkpoint left it, and checks that its tiles have the checkpoint's root.
    ///
    /// Reads the partial tiles of that size only; [`verify`](crate::verify()) looks at everything.
    pub fn load<T: Tiles + ?Sized>(tiles: &T, at: &Checkpoint) -> Result<Self, EdgeError> {
        let mut edge = Self::default();
        let mut peaks: Vec<Vec<Hash>> = Vec::new();
        for id in TileId::edge(at.size) {
            let bytes = read_tile(tiles, id)?;
            match id.kind {
                Kind::Entries => edge.bundle = bytes,
                Kind::Hashes(level) => {
                    let hashes = content(id, tile::decode_hashes(&bytes, id.width))?;
                    let mut within = Frontier::default();
                    for hash in &hashes {
                        within.push(*hash, |_, _, _| ());
                    }
                    peaks.push(within.into_peaks());
                    edge.open.resize(usize::from(level) + 1, Vec::new());
                    edge.open[usize::from(level)] = hashes;
                }
            }
        }
        let peaks = peaks.into_iter().rev().flatten().collect();
        edge.frontier = Frontier::new(at.size, peaks).unwrap_or_default();
        let computed = edge.root();
        if edge.size() != at.size || computed != at.root {
            return Err(EdgeError::Root {
                size: at.size,
                computed,
                signed: at.root,
            });
        }
        Ok(edge)
    }

    /// How many entries the log has.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree over them.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Adds an entry; tiles that it fills go to `full`, bundles before hashes, lower levels first.
    pub fn push(&mut self, entry: &[u8], full: &mut Vec<TileBytes>) -> Result<(), EntryTooLarge> {
        tile::encode_entry(&mut self.bundle, entry)?;
        let Self {
            frontier,
            bundle,
            open,
        } = self;
        let leaf = Hash::leaf(entry);
        let index = frontier.size();
        keep(open, 0, leaf);
        frontier.push(leaf, |level, _, hash| {
            if level % 8 == 0 {
                keep(open, level / 8, hash);
            }
        });
        if (index + 1).is_multiple_of(tile::WIDTH) {
            let id = TileId {
                kind: Kind::Entries,
                index: index / tile::WIDTH,
                width: 256,
            };
            full.push((id, std::mem::take(bundle)));
        }
        let mut items = index + 1;
        for (level, hashes) in (0_u8..).zip(open.iter_mut()) {
            if !items.is_multiple_of(tile::WIDTH) {
                break;
            }
            items /= tile::WIDTH;
            let id = TileId {
                kind: Kind::Hashes(level),
                index: items - 1,
                width: 256,
            };
            full.push((id, tile::encode_hashes(hashes)));
            hashes.clear();
        }
        Ok(())
    }

    /// The partial tiles of the log as it is now: what a checkpoint of this size needs to be served.
    pub fn partial(&self) -> Vec<TileBytes> {
        TileId::edge(self.size())
            .into_iter()
            .map(|id| match id.kind {
                Kind::Entries => (id, self.bundle.clone()),
                Kind::Hashes(level) => (id, tile::encode_hashes(&self.open[usize::from(level)])),
            })
            .collect()
    }
}

fn keep(open: &mut Vec<Vec<Hash>>, level: u8, hash: Hash) {
    let level = usize::from(level);
    if open.len() <= level {
        open.resize_with(level + 1, || Vec::with_capacity(256));
    }
    open[level].push(hash);
}

fn content<C>(id: TileId, content: Result<C, ContentError>) -> Result<C, ReadError> {
    content.map_err(|source| ReadError::Content { tile: id, source })
}
