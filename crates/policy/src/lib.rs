//! Whether a debug session may be, and on which terms.
//!
//! **In scope:** the rules of a `DebugPolicy`, the one decision function [`evaluate`], what a visit would
//! expose ([`exposure()`]), and the [`Permit`], which only this crate can make. **Out of scope:** where policies,
//! Pods and approvals come from (`api`, `admission`, `controller`), and what happens after (`session::step`).
//! Nothing here reads a clock, a disk or a network: the same input gives the same bytes, so an auditor can
//! replay a decision.
//!
//! The rule of the house: what is absent, unknown, different or late means no.

pub mod glob;
pub use glob::Glob;

pub mod selector;
pub use selector::{Expression, Operator, Selector};

pub mod rules;
pub use rules::{
    ApprovalRule, ApprovalRules, CommandRule, ConfinementRules, ContainerRules, Effect, Policy,
    Recording, RequestRules, Scope, TicketRule, UserRule,
};

pub mod facts;
pub use facts::{Act, By, Facts};

pub mod exposure;
pub use exposure::{Exposure, exposure};

pub mod security;
pub use security::effective;

pub mod decision;
pub use decision::{Decision, Denied, Finding, Pending, Permit};

mod command;
mod confinement;
mod container;
mod image;
mod judge;
mod request;
mod shape;
mod sources;

pub mod quorum;
pub use quorum::may_judge;

pub mod evaluate;
pub use evaluate::evaluate;

pub mod dead_ends;
pub use dead_ends::{DeadEnd, dead_ends};
