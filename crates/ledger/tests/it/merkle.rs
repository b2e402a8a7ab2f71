//! Trees and proofs: the vectors of RFC 6962's reference code, a naive oracle, and another implementation.

use ledger::{ConsistencyProof, Edge, Frontier, Hash, InclusionProof, Nodes, ProofError, Reader};
use proptest::prelude::*;
use tlog_tiles::tlog;

use crate::log::{checkpoint, entry, log};

/// `MTH` of RFC 6962, section 2.1, word for word.
fn root(entries: &[Vec<u8>]) -> Hash {
    match entries {
        [] => Hash::empty_tree(),
        [entry] => Hash::leaf(entry),
        _ => {
            let k = entries.len().next_power_of_two() / 2;
            Hash::node(&root(&entries[..k]), &root(&entries[k..]))
        }
    }
}

struct Naive(Vec<Vec<u8>>);

impl Nodes for Naive {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let at = |index: u64| usize::try_from(index << level).unwrap();
        Ok(root(&self.0[at(index)..at(index + 1)]))
    }
}

fn entries(size: u64) -> Vec<Vec<u8>> {
    (0..size).map(entry).collect()
}

#[test]
fn roots_are_those_of_the_certificate_transparency_test_vectors() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = Frontier::default();
    for (size, wanted) in roots.iter().enumerate() {
        assert_eq!(hex::encode(tree.root().as_bytes()), *wanted, "size {size}");
        if let Some(leaf) = leaves.get(size) {
            tree.push(Hash::leaf(leaf), |_, _, _| ());
        }
    }
}

#[test]
fn every_proof_of_every_small_tree_holds_and_no_other() {
    for size in 1..=33_u64 {
        let mut tree = Naive(entries(size));
        let new = root(&tree.0);
        for index in 0..size {
            let proof = InclusionProof::make(&mut tree, index, size)
                .unwrap()
                .unwrap();
            assert_eq!(
                proof.check(Hash::leaf(&entry(index)), &new),
                Ok(()),
                "{index} of {size}"
            );
            rejects_inclusion(&proof, &new);
        }
        for from in 0..=size {
            let old = root(&entries(from));
            let proof = ConsistencyProof::make(&mut tree, from, size)
                .unwrap()
                .unwrap();
            assert_eq!(proof.check(&old, &new), Ok(()), "{from} to {size}");
            rejects_consistency(&proof, &old, &new);
        }
    }
}

fn rejects_inclusion(proof: &InclusionProof, root: &Hash) {
    let leaf = Hash::leaf(&entry(proof.index));
    assert!(proof.check(Hash::leaf(b"another"), root).is_err());
    assert!(proof.check(leaf, &Hash::empty_tree()).is_err());
    let longer = [proof.path.clone(), vec![leaf]].concat();
    let shorter = proof.path.split_last().map(|(_, path)| path.to_vec());
    for path in shorter.into_iter().chain([longer]) {
        assert!(InclusionProof { path, ..*proof }.check(leaf, root).is_err());
    }
    for index in (0..proof.size + 2).filter(|index| *index != proof.index) {
        let moved = InclusionProof {
            index,
            ..proof.clone()
        };
        assert!(
            moved.check(leaf, root).is_err(),
            "{} passed for {index}",
            proof.index
        );
    }
}

fn rejects_consistency(proof: &ConsistencyProof, old: &Hash, new: &Hash) {
    let other = Hash::leaf(b"another");
    assert!(proof.check(&other, new).is_err());
    if proof.from > 0 {
        assert!(proof.check(old, &other).is_err());
    }
    let longer = ConsistencyProof {
        path: [proof.path.clone(), vec![other]].concat(),
        ..*proof
    };
    assert!(longer.check(old, new).is_err());
    if let Some((_, path)) = proof.path.split_last() {
        let shorter = ConsistencyProof {
            path: path.to_vec(),
            ..*proof
        };
        assert!(shorter.check(old, new).is_err());
    }
}

#[test]
fn a_proof_beyond_the_tree_is_refused() {
    let proof = InclusionProof {
        index: 3,
        size: 3,
        path: Vec::new(),
    };
    let refused = proof.check(Hash::empty_tree(), &Hash::empty_tree());
    assert_eq!(refused, Err(ProofError::OutOfRange { asked: 3, size: 3 }));
    assert_eq!(InclusionProof::make(&mut Naive(entries(3)), 3, 3), Ok(None));
    assert_eq!(
        ConsistencyProof::make(&mut Naive(entries(3)), 4, 3),
        Ok(None)
    );
}

/// The oracle's store of hashes.
struct Stored(Vec<tlog::Hash>);

impl tlog::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog_tiles::Error> {
        Ok(indexes
            .iter()
            .map(|index| self.0[usize::try_from(*index).unwrap()])
            .collect())
    }
}

fn stored(size: u64) -> Stored {
    let mut stored = Stored(Vec::new());
    for index in 0..size {
        let new = tlog::stored_hashes(index, &entry(index), &stored).unwrap();
        stored.0.extend(new);
    }
    stored
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn proofs_from_tiles_are_those_of_another_implementation(
        size in 1_u64..1500, index in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(),
    ) {
        let (tiles, oracle) = (log(size), stored(size));
        let new = checkpoint(&tiles).root();
        prop_assert_eq!(new.as_bytes(), &tlog::tree_hash(size, &oracle).unwrap().0);

        let index = index.index(usize::try_from(size).unwrap()) as u64;
        let mut reader = Reader::new(&tiles, size);
        let proof = reader.inclusion(index).unwrap();
        let theirs = tlog::prove_record(size, index, &oracle).unwrap();
        let path = |hashes: Vec<tlog::Hash>| hashes.into_iter().map(|hash| Hash::from_bytes(hash.0)).collect::<Vec<_>>();
        prop_assert_eq!(&proof.path, &path(theirs));
        prop_assert_eq!(proof.check(Hash::leaf(&entry(index)), &new), Ok(()));

        let from = 1 + from.index(usize::try_from(size).unwrap()) as u64;
        let proof = reader.consistency(from).unwrap();
        prop_assert_eq!(&proof.path, &path(tlog::prove_tree(size, from, &oracle).unwrap()));
        prop_assert_eq!(proof.check(&root(&entries(from)), &new), Ok(()));
    }

    #[test]
    fn a_writer_that_takes_up_a_log_goes_on_as_if_it_had_never_stopped(size in 0_u64..1200, more in 0_u64..600) {
        let tiles = log(size);
        let mut edge = Edge::load(&tiles, checkpoint(&tiles).checkpoint()).unwrap();
        let mut full = Vec::new();
        for index in size..size + more {
            edge.push(&entry(index), &mut full).unwrap();
        }
        let whole = log(size + more);
        prop_assert_eq!(edge.root(), checkpoint(&whole).root());
        for (id, bytes) in full.into_iter().chain(edge.partial()) {
            prop_assert_eq!(Some(&bytes), whole.0.get(&id.to_string()), "{}", id);
        }
    }
}
