//! Entries and proofs out of the public files of a log.
//!
//! A reader finds things; it does not believe them. Check what it gives against a checkpoint
//! with [`InclusionProof::check`], or the whole log with [`verify`](crate::verify()).

use std::{
    collections::{HashMap, VecDeque},
    io,
    ops::Range,
};

use thiserror::Error;

use crate::{
    ConsistencyProof, Hash, InclusionProof, Nodes,
    tile::{self, ContentError, Kind, TileId},
};

/// Where the public bytes of a log come from: a folder, a web server, a map in a test.
pub trait Tiles {
    /// The bytes at a path such as `checkpoint` or `tile/0/000.p/7`.
    ///
    /// [`io::ErrorKind::NotFound`] says that there are none; every other error says that one cannot know.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// Why something could not be read. `Tile` may pass (a disk, a network); `Content` will not.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The tile or bundle could not be had.
    #[error("cannot read {tile}")]
    Tile {
        /// Which one.
        tile: TileId,
        /// What came back.
        source: io::Error,
    },
    /// Its bytes are not a tile or bundle of its width.
    #[error("{tile} is damaged")]
    Content {
        /// Which one.
        tile: TileId,
        /// What is wrong with it.
        source: ContentError,
    },
    /// Asked for something that a log of this size does not have.
    #[error("there is no {asked} in a log of size {size}")]
    OutOfRange {
        /// The index or size asked for.
        asked: u64,
        /// The size of the log.
        size: u64,
    },
}

/// The bytes of a tile. A partial tile that is no longer there is cut out of the full one, since
/// a log may delete partial tiles when they are full.
pub(crate) fn read_tile<T: Tiles + ?Sized>(tiles: &T, id: TileId) -> Result<Vec<u8>, ReadError> {
    let gone = match tiles.read(&id.to_string()) {
        Ok(bytes) => return Ok(bytes),
        Err(source) if source.kind() == io::ErrorKind::NotFound && !id.is_full() => source,
        Err(source) => return Err(ReadError::Tile { tile: id, source }),
    };
    let Ok(mut bytes) = tiles.read(&id.full().to_string()) else {
        return Err(ReadError::Tile {
            tile: id,
            source: gone,
        });
    };
    let damaged = |source| ReadError::Content {
        tile: id.full(),
        source,
    };
    let kept = match id.kind {
        Kind::Hashes(_) => usize::from(id.width) * Hash::LEN,
        Kind::Entries => {
            let entries = tile::decode_entries(&bytes, 256).map_err(damaged)?;
            entries
                .iter()
                .take(usize::from(id.width))
                .map(|entry| 2 + entry.len())
                .sum()
        }
    };
    bytes.truncate(kept);
    Ok(bytes)
}

/// Tiles with the nodes inside them, kept for the next proof.
///
/// Tiles never change, so what is in here stays right while the log grows.
#[derive(Debug, Default)]
pub struct TileCache {
    tiles: HashMap<TileId, Vec<Vec<Hash>>>,
    /// In the order in which they came.
    order: VecDeque<TileId>,
}

impl TileCache {
    /// About four megabytes: all of a log of 65,000 entries.
    const TILES: usize = 256;

    fn node<T: Tiles + ?Sized>(
        &mut self,
        tiles: &T,
        id: TileId,
        height: u8,
        place: u64,
    ) -> Result<Option<Hash>, ReadError> {
        if !self.tiles.contains_key(&id) {
            let bytes = read_tile(tiles, id)?;
            let hashes = tile::decode_hashes(&bytes, id.width)
                .map_err(|source| ReadError::Content { tile: id, source })?;
            self.keep(id, rows(hashes));
        }
        let row = self
            .tiles
            .get(&id)
            .and_then(|rows| rows.get(usize::from(height)));
        Ok(row.and_then(|row| row.get(to_usize(place))).copied())
    }

    fn keep(&mut self, id: TileId, rows: Vec<Vec<Hash>>) {
        self.tiles.insert(id, rows);
        self.order.push_back(id);
        if self.order.len() > Self::TILES
            && let Some(oldest) = self.order.pop_front()
        {
            self.tiles.remove(&oldest);
        }
    }
}

/// All complete nodes inside a tile: its own hashes, the pairs of them, and so on.
fn rows(hashes: Vec<Hash>) -> Vec<Vec<Hash>> {
    let mut rows = vec![hashes];
    while let Some(row) = rows.last().filter(|row| row.len() > 1) {
        let (pairs, _) = row.as_chunks::<2>();
        let above = pairs
            .iter()
            .map(|[left, right]| Hash::node(left, right))
            .collect();
        rows.push(above);
    }
    rows
}

/// A log at one size.
#[derive(Debug)]
pub struct Reader<'t, T: ?Sized> {
    tiles: &'t T,
    size: u64,
    cache: TileCache,
}

impl<'t, T: Tiles + ?Sized> Reader<'t, T> {
    /// Reads a log at the size of a checkpoint that the caller has opened.
    pub fn new(tiles: &'t T, size: u64) -> Self {
        Self::with_cache(tiles, size, TileCache::default())
    }

    /// The same, with the tiles of an earlier reader of the same log.
    pub fn with_cache(tiles: &'t T, size: u64, cache: TileCache) -> Self {
        Self { tiles, size, cache }
    }

    /// Gives back the tiles read so far.
    pub fn into_cache(self) -> TileCache {
        self.cache
    }

    /// One entry.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, ReadError> {
        let end = index.saturating_add(1);
        let entry = self.entries(index..end)?.pop();
        entry.ok_or(ReadError::OutOfRange {
            asked: index,
            size: self.size,
        })
    }

    /// The entries of a range, in order.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, ReadError> {
        if range.end > self.size {
            let asked = range.end.saturating_sub(1).max(range.start);
            return Err(ReadError::OutOfRange {
                asked,
                size: self.size,
            });
        }
        let mut entries = Vec::new();
        let mut at = range.start;
        while at < range.end {
            let id = self.tile(Kind::Entries, at / tile::WIDTH)?;
            let bytes = read_tile(self.tiles, id)?;
            let bundle = tile::decode_entries(&bytes, id.width)
                .map_err(|source| ReadError::Content { tile: id, source })?;
            let end = range.end.min((id.index + 1) * tile::WIDTH);
            let within = (at % tile::WIDTH, end - at);
            let (skip, take) = (to_usize(within.0), to_usize(within.1));
            entries.extend(bundle.into_iter().skip(skip).take(take).map(<[u8]>::to_vec));
            at = end;
        }
        Ok(entries)
    }

    /// The proof that an entry is in the log at this size.
    pub fn inclusion(&mut self, index: u64) -> Result<InclusionProof, ReadError> {
        let size = self.size;
        InclusionProof::make(self, index, size)?.ok_or(ReadError::OutOfRange { asked: index, size })
    }

    /// The proof that the log at this size begins with the log at size `from`.
    pub fn consistency(&mut self, from: u64) -> Result<ConsistencyProof, ReadError> {
        let size = self.size;
        ConsistencyProof::make(self, from, size)?.ok_or(ReadError::OutOfRange { asked: from, size })
    }

    fn tile(&self, kind: Kind, index: u64) -> Result<TileId, ReadError> {
        let none = ReadError::OutOfRange {
            asked: index.saturating_mul(tile::WIDTH),
            size: self.size,
        };
        TileId::at_size(kind, index, self.size).ok_or(none)
    }
}

/// Within a tile: never above 256.
fn to_usize(within: u64) -> usize {
    usize::try_from(within).unwrap_or(usize::MAX)
}

impl<T: Tiles + ?Sized> Nodes for Reader<'_, T> {
    type Error = ReadError;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, ReadError> {
        let (of_tile, height) = (level / 8, level % 8);
        let first = index << height;
        let id = self.tile(Kind::Hashes(of_tile), first / tile::WIDTH)?;
        let place = (first % tile::WIDTH) >> height;
        let out_of_range = ReadError::OutOfRange {
            asked: first,
            size: self.size,
        };
        self.cache
            .node(self.tiles, id, height, place)?
            .ok_or(out_of_range)
    }
}
