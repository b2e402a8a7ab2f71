//! Inclusion and consistency proofs of RFC 6962, sections 2.1.1 and 2.1.2: made and checked.
//!
//! The checks are the iterative ones of RFC 9162, sections 2.1.3.2 and 2.1.4.2.

use std::ops::Range;

use thiserror::Error;

use crate::Hash;

/// Where the hashes of complete subtrees come from.
pub trait Nodes {
    /// Why a hash could not be had.
    type Error;

    /// The root of the complete subtree over the entries `index << level .. (index + 1) << level`.
    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// That one entry is in the tree of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The place of the entry, from zero.
    pub index: u64,
    /// The size of the tree.
    pub size: u64,
    /// The siblings on the way up, the leaf's own first.
    pub path: Vec<Hash>,
}

/// That the tree of one size begins with all of an older, smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The size of the older tree.
    pub from: u64,
    /// The size of the newer tree.
    pub to: u64,
    /// The nodes, in the order of RFC 6962.
    pub path: Vec<Hash>,
}

/// Why a proof proves nothing. There is nothing to retry: what it came with is not to be trusted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProofError {
    /// The proof speaks of an entry or a size outside the tree.
    #[error("the proof is about {asked}, outside a tree of size {size}")]
    OutOfRange {
        /// The entry or the size asked about.
        asked: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The number of hashes is not the one that these positions call for.
    #[error("the proof has {found} hashes, which is not the number its position calls for")]
    Length {
        /// How many hashes it has.
        found: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to root {computed}, not to {expected}")]
    Root {
        /// What the proof leads to.
        computed: Hash,
        /// What it was to lead to.
        expected: Hash,
    },
}

fn root_is(computed: Hash, expected: &Hash) -> Result<(), ProofError> {
    if computed == *expected {
        Ok(())
    } else {
        Err(ProofError::Root {
            computed,
            expected: *expected,
        })
    }
}

impl InclusionProof {
    /// Makes the proof that entry `index` is in the tree of `size`; nothing when it is not in it.
    pub fn make<N: Nodes>(nodes: &mut N, index: u64, size: u64) -> Result<Option<Self>, N::Error> {
        if index >= size {
            return Ok(None);
        }
        let (mut path, mut range) = (Vec::new(), 0..size);
        while range.end - range.start > 1 {
            let middle = split(&range);
            let sibling = if index < middle {
                let right = middle..range.end;
                range.end = middle;
                right
            } else {
                let left = range.start..middle;
                range.start = middle;
                left
            };
            path.push(subtree(nodes, sibling)?);
        }
        path.reverse();
        Ok(Some(Self { index, size, path }))
    }

    /// Checks that the entry with this leaf hash is in the tree with this root.
    pub fn check(&self, leaf: Hash, root: &Hash) -> Result<(), ProofError> {
        if self.index >= self.size {
            return Err(ProofError::OutOfRange {
                asked: self.index,
                size: self.size,
            });
        }
        let length = ProofError::Length {
            found: self.path.len(),
        };
        let (mut node, mut place, mut last) = (leaf, self.index, self.size - 1);
        for sibling in &self.path {
            if last == 0 {
                return Err(length);
            }
            if place & 1 == 1 || place == last {
                node = Hash::node(sibling, &node);
                while place & 1 == 0 && place != 0 {
                    place >>= 1;
                    last >>= 1;
                }
            } else {
                node = Hash::node(&node, sibling);
            }
            place >>= 1;
            last >>= 1;
        }
        if last != 0 {
            return Err(length);
        }
        root_is(node, root)
    }
}

impl ConsistencyProof {
    /// Makes the proof that the tree of size `to` begins with the tree of size `from`;
    /// nothing when `from` is the larger one.
    pub fn make<N: Nodes>(nodes: &mut N, from: u64, to: u64) -> Result<Option<Self>, N::Error> {
        if from > to {
            return Ok(None);
        }
        let mut path = Vec::new();
        if from > 0 && from < to {
            let mut range = 0..to;
            while from != range.end {
                let middle = split(&range);
                let sibling = if from <= middle {
                    let right = middle..range.end;
                    range.end = middle;
                    right
                } else {
                    let left = range.start..middle;
                    range.start = middle;
                    left
                };
                path.push(subtree(nodes, sibling)?);
            }
            // The old root itself is known to whoever checks, and is left out.
            if range.start != 0 {
                path.push(subtree(nodes, range)?);
            }
            path.reverse();
        }
        Ok(Some(Self { from, to, path }))
    }

    /// Checks the proof against both roots.
    pub fn check(&self, old_root: &Hash, new_root: &Hash) -> Result<(), ProofError> {
        let length = ProofError::Length {
            found: self.path.len(),
        };
        if self.from > self.to {
            return Err(ProofError::OutOfRange {
                asked: self.from,
                size: self.to,
            });
        }
        if self.from == 0 || self.from == self.to {
            if !self.path.is_empty() {
                return Err(length);
            }
            let old = if self.from == 0 {
                Hash::empty_tree()
            } else {
                *new_root
            };
            return root_is(old, old_root);
        }
        let mut path = self.path.iter();
        let first = if self.from.is_power_of_two() {
            Some(old_root)
        } else {
            path.next()
        };
        let (mut old, mut new) = first.map(|hash| (*hash, *hash)).ok_or(length)?;
        let shift = (self.from - 1).trailing_ones();
        let (mut place, mut last) = ((self.from - 1) >> shift, (self.to - 1) >> shift);
        for sibling in path {
            if last == 0 {
                return Err(length);
            }
            if place & 1 == 1 || place == last {
                old = Hash::node(sibling, &old);
                new = Hash::node(sibling, &new);
                while place & 1 == 0 && place != 0 {
                    place >>= 1;
                    last >>= 1;
                }
            } else {
                new = Hash::node(&new, sibling);
            }
            place >>= 1;
            last >>= 1;
        }
        if last != 0 {
            return Err(length);
        }
        root_is(old, old_root)?;
        root_is(new, new_root)
    }
}

/// Where RFC 6962 splits a range of at least two entries: after the largest power of two below its length.
fn split(range: &Range<u64>) -> u64 {
    range.start + (1 << (range.end - range.start - 1).ilog2())
}

/// The root over a range that begins at a multiple of the power of two at or above its length,
/// as every range does that `split` makes.
fn subtree<N: Nodes>(nodes: &mut N, range: Range<u64>) -> Result<Hash, N::Error> {
    let mut peaks = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let level = (range.end - at).ilog2();
        peaks.push(nodes.node(level.to_le_bytes()[0], at >> level)?);
        at += 1 << level;
    }
    let mut peaks = peaks.into_iter().rev();
    let last = peaks.next().unwrap_or_else(Hash::empty_tree);
    Ok(peaks.fold(last, |right, left| Hash::node(&left, &right)))
}
