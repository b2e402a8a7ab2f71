//! The right edge of a growing Merkle tree.

use crate::Hash;

/// The right edge of a Merkle tree: the roots of its complete subtrees, largest first.
///
/// This is all that is needed to add entries and to know the root. A tree of `n` entries
/// has one peak for every bit that is set in `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The edge of a tree of `size` entries, or nothing when the number of peaks does not fit it.
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many entries the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    pub fn into_peaks(self) -> Vec<Hash> {
        self.peaks
    }

    /// Adds the hash of one entry.
    ///
    /// `complete` is told every inner node that became complete by it, from below: its level
    /// (1 has two entries beneath), its index at that level, its hash.
    pub fn push(&mut self, leaf: Hash, mut complete: impl FnMut(u8, u64, Hash)) {
        let (mut node, mut index, mut level) = (leaf, self.size, 0);
        while index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            node = Hash::node(&left, &node);
            index >>= 1;
            level += 1;
            complete(level, index, node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root of the tree (RFC 6962, section 2.1): the peaks joined from the right.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            None => Hash::empty_tree(),
            Some(last) => peaks.fold(*last, |right, left| Hash::node(left, &right)),
        }
    }
}
