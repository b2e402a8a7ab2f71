//! What kubectl v1.36.2 did with the same flags, as it was recorded from a real cluster.
#![expect(
    clippy::unwrap_used,
    reason = "a record that cannot be read fails its test"
)]

mod line;
mod recorded;
