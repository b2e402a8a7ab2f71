//! A log in a map.

use std::{
    collections::BTreeMap,
    io::{Error, ErrorKind, Result},
};

use ledger::{Edge, SignedCheckpoint, Signer, Tiles, tile::CHECKPOINT};

#[derive(Clone, Default)]
pub(crate) struct MapLog(pub(crate) BTreeMap<String, Vec<u8>>);

impl Tiles for MapLog {
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.0
            .get(path)
            .cloned()
            .ok_or_else(|| Error::from(ErrorKind::NotFound))
    }
}

pub(crate) fn signer() -> Signer {
    Signer::from_seed("ephemera.dev/log/test", &[7; 32]).unwrap()
}

pub(crate) fn entry(index: u64) -> Vec<u8> {
    format!("{{\"n\":{index}}}").into_bytes()
}

/// A log of `size` entries whose contents are `entry(0)`, `entry(1)`, …
pub(crate) fn log(size: u64) -> MapLog {
    of((0..size).map(entry))
}

pub(crate) fn of(entries: impl Iterator<Item = Vec<u8>>) -> MapLog {
    let (mut edge, mut tiles) = (Edge::default(), Vec::new());
    for entry in entries {
        edge.push(&entry, &mut tiles).unwrap();
    }
    tiles.extend(edge.partial());
    let mut log: BTreeMap<_, _> = tiles
        .into_iter()
        .map(|(id, bytes)| (id.to_string(), bytes))
        .collect();
    let checkpoint = SignedCheckpoint::sign(&signer(), edge.size(), edge.root());
    log.insert(CHECKPOINT.to_owned(), checkpoint.text().as_bytes().to_vec());
    MapLog(log)
}

pub(crate) fn checkpoint(log: &MapLog) -> SignedCheckpoint {
    let text = String::from_utf8(log.0[CHECKPOINT].clone()).unwrap();
    SignedCheckpoint::open(&text, signer().verifier()).unwrap()
}
