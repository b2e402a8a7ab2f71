//! Decisions, asked at the crate's one door.
#![expect(
    clippy::unwrap_used,
    reason = "a setting that cannot be made fails its test"
)]

mod approvals;
mod changed;
mod command;
mod confinement;
mod container;
mod dead_ends;
mod doors;
mod exposure;
mod scope;
mod setting;
