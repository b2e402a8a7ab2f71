//! The wiring: roles that are started together, and what they are started with.
//!
//! **In scope:** the governance roles over HTTPS ([`governance`]). **Out of scope:** what they decide
//! (`admission`, `controller`, `policy`).

pub mod governance;
pub use governance::{Governance, GovernanceConfig, Groups, StartError};
