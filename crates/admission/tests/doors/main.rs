//! The three doors, knocked on as an API server does: recorded reviews, a real journal, an in-memory cluster.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failed step of a test is its failure"
)]

mod connecting;
mod disk;
mod entering;
mod own_objects;
mod world;
