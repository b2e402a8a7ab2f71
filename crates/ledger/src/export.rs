//! Entries that leave the log with their proofs, to be checked where the log is not.
//!
//! The file is JSON: `{"format", "checkpoint", "entries": [{"index", "entry", "proof"}]}`, where
//! `checkpoint` is the note as published, `entry` the entry's text and `proof` the hashes of
//! RFC 6962 in base64. The text of one entry's proof as C2SP *tlog-proof* has it (for other
//! programs) is [`ProvenEntry::tlog_proof`].

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    CheckpointError, Hash, InclusionProof, ProofError, ReadError, Reader, SignedCheckpoint, Tiles,
    Verifier,
};

const FORMAT: &str = "ephemera.dev/proven-entries/v1";

/// An entry with the proof of its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenEntry {
    /// The entry's bytes.
    pub entry: Vec<u8>,
    /// That it is in the tree of the export's checkpoint.
    pub proof: InclusionProof,
}

impl ProvenEntry {
    /// The proof as C2SP *tlog-proof* text; the entry itself goes beside it.
    pub fn tlog_proof(&self, checkpoint: &SignedCheckpoint) -> String {
        let index = format!("index {}", self.proof.index);
        let path: Vec<String> = self.proof.path.iter().map(Hash::to_string).collect();
        let lines = [vec!["c2sp.org/tlog-proof@v1".to_owned(), index], path].concat();
        format!("{}\n\n{}", lines.join("\n"), checkpoint.text())
    }
}

/// Entries of one log, each proved against one checkpoint. It exists only made from a log or checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    checkpoint: SignedCheckpoint,
    entries: Vec<ProvenEntry>,
}

/// Why an export proves nothing. There is nothing to retry: ask for another one.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Not the JSON that an export is.
    #[error("not an export of proven entries")]
    Json(#[from] serde_json::Error),
    /// Another format, or a later version of it.
    #[error("the export has the format `{found}`, this program reads `{FORMAT}`")]
    Format {
        /// What it says it is.
        found: String,
    },
    /// Its checkpoint cannot be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A proof with something that is not a hash.
    #[error("the proof of entry {index} has a line that is not a hash")]
    Hash {
        /// The entry.
        index: u64,
    },
    /// An entry is not proved.
    #[error("entry {index} is not in the log of the checkpoint")]
    Proof {
        /// The entry.
        index: u64,
        /// Why not.
        source: ProofError,
    },
    /// Writing an entry that is not text, which no log of ours has.
    #[error("entry {index} is not UTF-8 text")]
    NotText {
        /// The entry.
        index: u64,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    checkpoint: String,
    entries: Vec<WireEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEntry {
    index: u64,
    entry: String,
    proof: Vec<String>,
}

impl Export {
    /// Takes entries out of a log, with their proofs at the size of a checkpoint.
    ///
    /// Nothing is checked here: whoever receives the export does that.
    pub fn make<T: Tiles + ?Sized>(
        tiles: &T,
        checkpoint: &SignedCheckpoint,
        indexes: impl IntoIterator<Item = u64>,
    ) -> Result<Self, ReadError> {
        let mut reader = Reader::new(tiles, checkpoint.size());
        let entries = indexes
            .into_iter()
            .map(|index| {
                let entry = reader.entry(index)?;
                Ok(ProvenEntry {
                    entry,
                    proof: reader.inclusion(index)?,
                })
            })
            .collect::<Result<_, ReadError>>()?;
        Ok(Self {
            checkpoint: checkpoint.clone(),
            entries,
        })
    }

    /// The checkpoint that the proofs lead to.
    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    /// The entries.
    pub fn entries(&self) -> &[ProvenEntry] {
        &self.entries
    }

    /// The file.
    pub fn to_json(&self) -> Result<String, ExportError> {
        let entries = self.entries.iter().map(|ProvenEntry { entry, proof }| {
            let index = proof.index;
            let entry =
                String::from_utf8(entry.clone()).map_err(|_| ExportError::NotText { index })?;
            Ok(WireEntry {
                index,
                entry,
                proof: proof.path.iter().map(Hash::to_string).collect(),
            })
        });
        let wire = Wire {
            format: FORMAT.to_owned(),
            checkpoint: self.checkpoint.text().to_owned(),
            entries: entries.collect::<Result<_, ExportError>>()?,
        };
        Ok(serde_json::to_string_pretty(&wire)?)
    }

    /// Reads the file and checks it: the signature, and every entry's proof. Needs no log.
    pub fn open(json: &str, verifier: &Verifier) -> Result<Self, ExportError> {
        let wire: Wire = serde_json::from_str(json)?;
        if wire.format != FORMAT {
            return Err(ExportError::Format { found: wire.format });
        }
        let checkpoint = SignedCheckpoint::open(&wire.checkpoint, verifier)?;
        let entries = wire
            .entries
            .into_iter()
            .map(|entry| proven(entry, &checkpoint));
        let entries = entries.collect::<Result<_, _>>()?;
        Ok(Self {
            checkpoint,
            entries,
        })
    }
}

fn proven(wire: WireEntry, checkpoint: &SignedCheckpoint) -> Result<ProvenEntry, ExportError> {
    let index = wire.index;
    let path = wire
        .proof
        .iter()
        .map(|line| Hash::from_base64(line))
        .collect::<Option<_>>();
    let path = path.ok_or(ExportError::Hash { index })?;
    let proof = InclusionProof {
        index,
        size: checkpoint.size(),
        path,
    };
    let entry = wire.entry.into_bytes();
    proof
        .check(Hash::leaf(&entry), &checkpoint.root())
        .map_err(|source| ExportError::Proof { index, source })?;
    Ok(ProvenEntry { entry, proof })
}
