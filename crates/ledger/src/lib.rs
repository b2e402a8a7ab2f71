//! The log of what happened: a transparency log in the C2SP *tlog-tiles* layout.
//!
//! In scope: what an entry says ([`entry`]); hashes, tiles and proofs of the Merkle tree of RFC 6962;
//! *signed-note* checkpoints; reading and [`verify`](verify()) from public bytes alone; entries that
//! leave the log with their proofs ([`Export`]). Out of scope: disks, locks and durability, which are
//! `ledger-store`'s, and what the entries of a session add up to, which is `report`'s.
//!
//! Nothing here reads a clock or a disk, and no module that reads or verifies needs the writer's [`Edge`].

pub mod entry;

mod hash;
pub use hash::Hash;

mod frontier;
pub use frontier::Frontier;

pub mod proof;
pub use proof::{ConsistencyProof, InclusionProof, Nodes, ProofError};

pub mod tile;
pub use tile::TileId;

pub mod note;
pub use note::{KeyError, KeyId, NoteError, Signer, Verifier};

mod checkpoint;
pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};

mod canonical;
pub use canonical::{NotCanonical, check_canonical};

pub mod edge;
pub use edge::Edge;

pub mod reader;
pub use reader::{ReadError, Reader, Tiles};

mod verify;
pub use verify::{Verified, VerifyError, verify};

pub mod export;
pub use export::Export;
