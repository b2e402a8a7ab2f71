//! Records folded from entries as the log holds them.
#![expect(
    clippy::unwrap_used,
    reason = "an entry that cannot be made fails its test"
)]

mod life;
mod rejects;
mod text;
mod told;
