//! Names and contents of the files of a log: C2SP *tlog-tiles*.

use std::{fmt, str::FromStr};

use thiserror::Error;

use crate::Hash;

/// Hashes in a full tile, entries in a full bundle.
pub const WIDTH: u64 = 256;

/// The largest entry: the bundle gives the length two bytes.
pub const MAX_ENTRY: usize = 65_535;

/// The path of the checkpoint, relative to the log's folder or URL prefix.
pub const CHECKPOINT: &str = "checkpoint";

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The entries themselves: an *entry bundle*.
    Entries,
    /// Hashes at a level: 0 has the hashes of entries, each level above one hash for a full tile below.
    Hashes(u8),
}

/// One tile or bundle of one width. Its text form is its path: `tile/0/x001/234.p/17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// What it holds.
    pub kind: Kind,
    /// Its place at its level, from zero.
    pub index: u64,
    /// How many hashes or entries it has: 1 to 256.
    pub width: u16,
}

impl TileId {
    /// The tile as it is in a tree of `size`, or nothing when that tree has no such tile.
    pub fn at_size(kind: Kind, index: u64, size: u64) -> Option<Self> {
        let items = match kind {
            Kind::Entries => size,
            Kind::Hashes(level) => size.checked_shr(u32::from(level) * 8).unwrap_or(0),
        };
        let width = items.checked_sub(index.checked_mul(WIDTH)?)?.min(WIDTH);
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self { kind, index, width })
    }

    /// The partial tiles at the right edge of a tree of `size`: the bundle first, then level by level.
    pub fn edge(size: u64) -> Vec<Self> {
        let open = |kind, items: u64| {
            let width = u16::try_from(items % WIDTH)
                .ok()
                .filter(|width| *width > 0)?;
            Some(Self {
                kind,
                index: items / WIDTH,
                width,
            })
        };
        let levels = (0..8).map(|level| open(Kind::Hashes(level), size >> (u32::from(level) * 8)));
        std::iter::once(open(Kind::Entries, size))
            .chain(levels)
            .flatten()
            .collect()
    }

    /// Whether it has all its 256.
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == WIDTH
    }

    /// The same tile when it is full.
    #[must_use]
    pub fn full(&self) -> Self {
        Self {
            width: 256,
            ..*self
        }
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Entries => f.write_str("tile/entries/")?,
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for group in groups.iter().skip(1).rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if self.is_full() {
            Ok(())
        } else {
            write!(f, ".p/{}", self.width)
        }
    }
}

/// A path that names no tile, or not in the one form that *tlog-tiles* has for it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{path}` is not the path of a tile")]
pub struct NotATile {
    /// What was read.
    pub path: String,
}

impl FromStr for TileId {
    type Err = NotATile;

    fn from_str(path: &str) -> Result<Self, NotATile> {
        parse(path)
            .filter(|tile| tile.to_string() == path)
            .ok_or_else(|| NotATile {
                path: path.to_owned(),
            })
    }
}

/// Reads leniently; the caller compares with the canonical form.
fn parse(path: &str) -> Option<TileId> {
    let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => Kind::Entries,
        level => Kind::Hashes(level.parse().ok().filter(|level| *level < 64)?),
    };
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok().filter(|w| (1..256).contains(w))?),
        None => (rest, 256),
    };
    let mut index: u64 = 0;
    for group in number.split('/') {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let value: u64 = digits.parse().ok().filter(|value| *value < 1000)?;
        index = index.checked_mul(1000)?.checked_add(value)?;
    }
    Some(TileId { kind, index, width })
}

/// Why the bytes of a tile or a bundle are not one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ContentError {
    /// A tile of hashes that is too short or too long.
    #[error("it has {found} bytes where {wanted} were due")]
    Length {
        /// The bytes it has.
        found: usize,
        /// The bytes its width calls for.
        wanted: usize,
    },
    /// A bundle that ends inside an entry or its length.
    #[error("it ends inside its entry number {entry} (from zero)")]
    Truncated {
        /// The entry that is cut off, counted from zero in this bundle.
        entry: usize,
    },
    /// A bundle with fewer or more entries than its width.
    #[error("it has {found} entries where {wanted} were due")]
    Count {
        /// The entries it has.
        found: usize,
        /// The entries its width calls for.
        wanted: usize,
    },
}

/// The hashes of a tile of this width. Bytes past the width are an error.
pub fn decode_hashes(bytes: &[u8], width: u16) -> Result<Vec<Hash>, ContentError> {
    let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
    if hashes.len() != usize::from(width) || !rest.is_empty() {
        let wanted = usize::from(width) * Hash::LEN;
        return Err(ContentError::Length {
            found: bytes.len(),
            wanted,
        });
    }
    Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
}

/// The bytes of a tile.
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(Hash::as_bytes).copied().collect()
}

/// The entries of a bundle, in order, up to the first that is cut off.
pub fn entries(mut bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], ContentError>> {
    let mut number = 0;
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let whole = split_entry(bytes);
        bytes = whole.map_or(&[], |(_, rest)| rest);
        number += 1;
        Some(
            whole
                .map(|(entry, _)| entry)
                .ok_or(ContentError::Truncated { entry: number - 1 }),
        )
    })
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The entries of a bundle of this width. Bytes past the width are an error.
pub fn decode_entries(bytes: &[u8], width: u16) -> Result<Vec<&[u8]>, ContentError> {
    let wanted = usize::from(width);
    let mut found = Vec::with_capacity(wanted);
    for entry in entries(bytes) {
        found.push(entry?);
    }
    if found.len() == wanted {
        Ok(found)
    } else {
        Err(ContentError::Count {
            found: found.len(),
            wanted,
        })
    }
}

/// An entry that no bundle can hold.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "an entry of {len} bytes is larger than {MAX_ENTRY}: store large things as blobs and log their digest"
)]
pub struct EntryTooLarge {
    /// Its length in bytes.
    pub len: usize,
}

/// Adds an entry with its big-endian length to the bytes of a bundle.
pub fn encode_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLarge> {
    let length = u16::try_from(entry.len()).map_err(|_| EntryTooLarge { len: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}
