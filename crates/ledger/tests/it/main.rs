//! The log's formats and proofs, against published vectors, oracles and tampering.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod export;
mod log;
mod merkle;
mod notes;
mod tiles;
mod verify;
