//! What a Pod's spec means for one node, without IO and without a clock: the next step, the status,
//! and the configuration of each container.

pub mod config;
pub mod env;
pub mod expand;
pub mod fields;
pub mod phase;
pub mod plan;
pub mod quantity;
pub mod records;
pub mod resources;
pub mod roles;
pub mod security;
pub mod status;
