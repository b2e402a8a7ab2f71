//! The log's formats and proofs, against published vectors, oracles and tampering.

mod export;
mod log;
mod merkle;
mod notes;
mod tiles;
mod verify;
