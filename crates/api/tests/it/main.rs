//! Objects as a cluster stores them, and what they mean.
#![expect(
    clippy::unwrap_used,
    reason = "an object that cannot be read fails its test"
)]

mod objects;
mod schemas;
mod status;
