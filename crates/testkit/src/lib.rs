//! A cluster in a temporary directory, for tests: the product itself, started as a user would start it.
//!
//! **In scope:** raising a [`Cluster`] with something to visit on it ([`sample`]), visits in few words
//! ([`visit`]), somebody else's webhook ([`Hook`]), what a cluster leaves behind ([`Traces`]). **Out of
//! scope:** what is to come out, which is each test's own.
//!
//! No test double stands between: requests go over HTTPS, containers are real, people have tokens.

pub mod cluster;
pub use cluster::Cluster;

pub mod sample;

pub mod visit;
pub use visit::{Ask, Visit};

pub mod hook;
pub use hook::Hook;

pub mod traces;
pub use traces::Traces;
