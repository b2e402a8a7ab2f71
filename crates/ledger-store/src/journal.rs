//! The journal: what has been answered but may not be durable in the public files yet.
//!
//! A file of frames. The first frame has no entries: its checkpoint is the size up to which the public
//! files are durable. Each later frame is one group commit: its entries and the checkpoint over them,
//! so that one sync makes both durable together. Pure: bytes in, frames out.
//!
//! ```text
//! frame = ff "eph" | length of body (u32) | SHA-256 of body | body
//! body  = epoch (u64) | first index (u64) | entries (u32) | length of checkpoint (u32)
//!         | checkpoint | { length (u16) | entry }
//! ```
//! Numbers are big-endian. The mark begins with a byte that no JSON text and no checkpoint has, so
//! no entry can hold something that looks like a frame.

use ledger::tile::{self, EntryTooLarge};
use sha2::{Digest, Sha256};
use thiserror::Error;

const MARK: &[u8; 4] = b"\xffeph";
const HEAD: usize = 4 + 4 + 32;

/// One group commit, or the beginning of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Which opening of the store wrote it.
    pub(crate) epoch: u64,
    /// The index of its first entry: the size of the log before it.
    pub(crate) first: u64,
    /// The signed checkpoint after it.
    pub(crate) checkpoint: String,
    /// The entries.
    pub(crate) entries: Vec<Vec<u8>>,
}

/// The bytes of a frame.
pub(crate) fn encode<'e>(
    (epoch, first): (u64, u64),
    checkpoint: &str,
    entries: impl ExactSizeIterator<Item = &'e [u8]>,
) -> Result<Vec<u8>, EntryTooLarge> {
    let mut bytes = vec![0; HEAD];
    bytes.extend_from_slice(&epoch.to_be_bytes());
    bytes.extend_from_slice(&first.to_be_bytes());
    bytes.extend_from_slice(&length(entries.len())?);
    bytes.extend_from_slice(&length(checkpoint.len())?);
    bytes.extend_from_slice(checkpoint.as_bytes());
    for entry in entries {
        tile::encode_entry(&mut bytes, entry)?;
    }
    let size = length(bytes.len() - HEAD)?;
    let digest = Sha256::digest(&bytes[HEAD..]);
    bytes[..4].copy_from_slice(MARK);
    bytes[4..8].copy_from_slice(&size);
    bytes[8..HEAD].copy_from_slice(&digest);
    Ok(bytes)
}

fn length(len: usize) -> Result<[u8; 4], EntryTooLarge> {
    u32::try_from(len)
        .map(u32::to_be_bytes)
        .map_err(|_| EntryTooLarge { len })
}

/// A journal that a crash cannot have left: something that was durable has changed since.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "the journal is damaged at byte {at}, and what follows is whole: answered entries would be lost. Restore the folder from a copy that has a longer or equal log; do not edit it"
)]
pub struct JournalDamaged {
    /// Where the first damaged frame begins.
    pub at: usize,
}

/// The whole frames of a journal.
///
/// A last frame that is not whole is left out: the write of it never returned, so nobody was told
/// that its entries are in the log. One that is whole counts, told or not: nobody can know any more.
pub(crate) fn scan(bytes: &[u8]) -> Result<Vec<Frame>, JournalDamaged> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match decode(&bytes[at..]) {
            Some((frame, len)) => {
                frames.push(frame);
                at += len;
            }
            None if followed_by_a_frame(&bytes[at + 1..]) => return Err(JournalDamaged { at }),
            None => break,
        }
    }
    Ok(frames)
}

fn followed_by_a_frame(bytes: &[u8]) -> bool {
    let marks = bytes
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| window == MARK);
    marks
        .into_iter()
        .any(|(at, _)| decode(&bytes[at..]).is_some())
}

fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
    let rest = bytes.strip_prefix(MARK)?;
    let (size, rest) = number::<4>(rest)?;
    let (digest, rest) = rest.split_first_chunk::<32>()?;
    let size = usize::try_from(size).ok()?;
    let body = rest.get(..size)?;
    if Sha256::digest(body).as_slice() != digest {
        return None;
    }
    let (epoch, body) = number::<8>(body)?;
    let (first, body) = number::<8>(body)?;
    let (count, body) = number::<4>(body)?;
    let (text, body) = number::<4>(body)?;
    let (checkpoint, mut body) = body.split_at_checked(usize::try_from(text).ok()?)?;
    let checkpoint = String::from_utf8(checkpoint.to_vec()).ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        let (len, rest) = number::<2>(body)?;
        let (entry, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        entries.push(entry.to_vec());
        body = rest;
    }
    body.is_empty().then_some((
        Frame {
            epoch,
            first,
            checkpoint,
            entries,
        },
        HEAD + size,
    ))
}

fn number<const N: usize>(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<N>()?;
    Some((
        number
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use super::{Frame, encode, scan};

    /// Three frames, with their ends.
    fn journal() -> (Vec<Frame>, Vec<u8>, Vec<usize>) {
        let frame = |first, entries: &[&str]| Frame {
            epoch: 3,
            first,
            checkpoint: format!("log\n{first}\n"),
            entries: entries
                .iter()
                .map(|entry| entry.as_bytes().to_vec())
                .collect(),
        };
        let frames = vec![frame(7, &[]), frame(7, &["{}", ""]), frame(9, &["[1]"])];
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for Frame {
            epoch,
            first,
            checkpoint,
            entries,
        } in &frames
        {
            let entries = entries.iter().map(Vec::as_slice);
            bytes.extend(encode((*epoch, *first), checkpoint, entries).unwrap());
            ends.push(bytes.len());
        }
        (frames, bytes, ends)
    }

    #[test]
    fn cut_off_anywhere_a_journal_is_its_whole_frames() {
        let (frames, bytes, ends) = journal();
        for cut in 0..=bytes.len() {
            let whole = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(
                scan(&bytes[..cut]).unwrap(),
                frames[..whole],
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_changed_byte_is_damage_unless_it_is_in_the_last_frame() {
        let (frames, bytes, ends) = journal();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x80;
            let frame = ends.iter().filter(|end| **end <= at).count();
            match scan(&changed) {
                Err(damaged) => {
                    let begins = frame.checked_sub(1).map_or(0, |before| ends[before]);
                    assert_eq!(damaged.at, begins, "byte {at}");
                }
                Ok(found) => {
                    assert_eq!(frame, 2, "byte {at} of an earlier frame");
                    assert_eq!(found, frames[..2]);
                }
            }
        }
    }

    #[test]
    fn zeros_after_the_last_frame_are_a_cut_off_frame() {
        let (frames, mut bytes, _) = journal();
        bytes.extend([0; 4096]);
        assert_eq!(scan(&bytes).unwrap(), frames);
    }
}
