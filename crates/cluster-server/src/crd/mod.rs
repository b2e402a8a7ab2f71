//! CustomResourceDefinitions: kinds that come and go while the server runs.
//!
//! Source: `k8s.io/apiextensions-apiserver`. One stored form, several served versions without conversion (they differ
//! in `apiVersion` only), structural schemas with pruning, defaulting, validation and CEL rules.

mod custom;
mod definition;
mod register;
mod rules;
mod scale;
mod schema;
mod status;

pub use definition::{DEFINITION, Definition};
pub use register::{register_stored, run};
pub use scale::Scale;
pub(crate) use status::mark_deleted;

/// The store's name of the definitions.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
