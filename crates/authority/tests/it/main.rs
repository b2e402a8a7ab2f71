//! Rights and where they come from.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod cluster;

mod findings;
mod holders;
