//! The controller: takes a session through its phases.
//!
//! **In scope:** one decision per look at the world ([`Controller::drive`]), the work queue with its timers
//! ([`Controller::run`]), and the port to the cluster ([`Cluster`]). **Out of scope:** rules (`policy`), what may
//! follow what (`session::step`), how the cluster is called (`server`).
//!
//! State comes from the journal; objects are projections of it. Everything here can stop at any point:
//! the next start reads the journal, looks at the Pod, and finishes the session or fails it honestly.

pub mod cluster;
pub use cluster::{AddError, CallError, Cluster};

pub mod drive;
pub use drive::{Controller, DriveError, Next};

pub mod run;
pub use run::Wake;

mod approved;
mod awaiting;
mod facts;
mod pod;
mod requested;
mod unexplained;
mod visiting;
