//! The wiring: roles that are started together, and what they are started with.
//!
//! **In scope:** the governance roles over HTTPS ([`governance`]); the small cluster with the governance beside
//! it ([`up`]). **Out of scope:** what they decide
//! (`admission`, `controller`, `policy`).

pub mod governance;
pub use governance::{Governance, GovernanceConfig, Groups, StartError};

pub mod up;
pub use up::{Up, UpConfig, UpError};
