//! A session's life, with a real journal and a cluster in memory that can fail at every call.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is its failure")]

mod ends;
mod fake;
mod queue;
mod restarts;
mod story;
mod world;
