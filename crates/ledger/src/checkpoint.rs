//! Checkpoints: C2SP *tlog-checkpoint*, the signed statement of how large a log is and what its root is.

use std::fmt;

use thiserror::Error;

use crate::{Hash, NoteError, Signer, Verifier};

/// What a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log it is about.
    pub origin: String,
    /// How many entries the log has.
    pub size: u64,
    /// The root of the Merkle tree over them.
    pub root: Hash,
}

/// Why a checkpoint is not to be believed. There is nothing to retry.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// The note around it.
    #[error("the checkpoint's note cannot be believed")]
    Note(#[from] NoteError),
    /// Not an origin, a size and a root.
    #[error("the note is not a checkpoint: its {line} is wrong")]
    Form {
        /// Which line.
        line: &'static str,
    },
    /// Signed by the key of a log, but about another log.
    #[error("the checkpoint is about {found}, and the key is of {wanted}")]
    Origin {
        /// What the checkpoint says.
        found: String,
        /// The name of the key.
        wanted: String,
    },
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root)
    }
}

impl Checkpoint {
    fn parse(text: &str) -> Result<Self, CheckpointError> {
        let form = |line| CheckpointError::Form { line };
        let mut lines = text.strip_suffix('\n').ok_or(form("end"))?.split('\n');
        let origin = lines
            .next()
            .filter(|line| !line.is_empty())
            .ok_or(form("origin"))?;
        let size = lines.next().ok_or(form("size"))?;
        let root = lines
            .next()
            .and_then(Hash::from_base64)
            .ok_or(form("root"))?;
        // Extension lines are opaque: signed, but nothing that this crate reads.
        if lines.any(str::is_empty) {
            return Err(form("extension"));
        }
        // The decimal form is compared, or `+7` and `007` would be sizes too.
        let number: u64 = size.parse().map_err(|_| form("size"))?;
        if number.to_string() != size {
            return Err(form("size"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: number,
            root,
        })
    }
}

/// A checkpoint together with the note that proves it. It exists only signed by us or opened with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    text: String,
}

impl SignedCheckpoint {
    /// Signs for the log that the signer's key is named after.
    ///
    /// Whoever calls this promises never to sign two checkpoints of which neither contains the other.
    pub fn sign(signer: &Signer, size: u64, root: Hash) -> Self {
        let origin = signer.verifier().name().to_owned();
        let checkpoint = Checkpoint { origin, size, root };
        let text = signer.sign(&checkpoint.to_string());
        Self { checkpoint, text }
    }

    /// Reads a note, if the key signed it and it is about the log that the key is named after.
    pub fn open(text: &str, verifier: &Verifier) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::parse(verifier.open(text)?)?;
        if checkpoint.origin != verifier.name() {
            let wanted = verifier.name().to_owned();
            return Err(CheckpointError::Origin {
                found: checkpoint.origin,
                wanted,
            });
        }
        Ok(Self {
            checkpoint,
            text: text.to_owned(),
        })
    }

    /// How many entries the log has.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The root of the Merkle tree over them.
    pub fn root(&self) -> Hash {
        self.checkpoint.root
    }

    /// What it says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The whole note, as it is published.
    pub fn text(&self) -> &str {
        &self.text
    }
}
