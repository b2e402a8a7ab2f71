//! The kinds that are served, each described by one [`Kind`], and what is particular to one of them
//! by a [`Strategy`] (Kubernetes: `registry/.../strategy.go`).
//!
//! Objects are `serde_json::Value`s from the wire to the store, so that nothing a client wrote is
//! lost by a typed struct that does not know it; built-in kinds are decoded once through their
//! `k8s-openapi` type, which drops (and reports) unknown fields and refuses wrong JSON types.

pub mod admission_binding;
pub mod admission_policy;
mod admission_rules;
pub mod api_service;
mod builtin;
pub mod config;
pub mod decode;
pub mod event;
mod go;
pub mod merging;
pub mod metadata;
pub mod names;
pub mod namespace;
pub mod node;
pub mod pod;
pub mod policy;
pub mod quantity;
pub mod rbac;
mod registry;
pub mod service;
pub mod shape;
pub mod table;
pub mod webhook;

use serde_json::Value;

use crate::error::ApiError;
use crate::field::FieldError;

pub use builtin::BUILTIN;
pub use registry::{Column, Decoder, Kinds, Resource};

/// What is particular to the objects of one kind.
///
/// The order of a create is: decode, [`default`](Self::default), mutating admission, `default` again,
/// [`prepare_create`](Self::prepare_create), [`validate_create`](Self::validate_create) (422), validating
/// admission (403), store. Of an update: decode, `default`, mutating admission, `default`,
/// [`prepare_update`](Self::prepare_update), [`validate_update`](Self::validate_update), validating admission, store.
/// `subresource` is empty for the object itself.
pub trait Strategy: Send + Sync {
    /// Fills in what the client left out, as `SetDefaults_…` does.
    fn default(&self, _object: &mut Value) {}

    /// Resets what a client may not set on create (status, generation).
    fn prepare_create(&self, _object: &mut Value) {}

    /// What does not hold in an object about to be created. Metadata is checked by the caller.
    fn validate_create(&self, _object: &Value) -> Vec<FieldError> {
        Vec::new()
    }

    /// Takes from `new` only what a write to `subresource` may change, the rest from `old`; bumps the generation.
    fn prepare_update(&self, _subresource: &str, _new: &mut Value, _old: &Value) {}

    /// What does not hold in a write to `subresource`. Metadata is checked by the caller.
    fn validate_update(&self, _subresource: &str, _new: &Value, _old: &Value) -> Vec<FieldError> {
        Vec::new()
    }

    /// Whether a `PUT` or an apply to a name that is not there may create it by `PUT` (`AllowCreateOnUpdate`).
    fn allow_create_on_update(&self) -> bool {
        false
    }

    /// Texts for `Warning: 299` headers about what a client wrote that [`prepare_create`](Self::prepare_create) is
    /// about to write in its new form.
    fn deprecations(&self, _object: &Value) -> Vec<String> {
        Vec::new()
    }

    /// Texts for `Warning: 299` headers of a create or update.
    fn warnings(&self, _subresource: &str, _new: &Value, _old: Option<&Value>) -> Vec<String> {
        Vec::new()
    }
}

impl<T: Strategy + ?Sized> Strategy for &T {
    fn default(&self, object: &mut Value) {
        (**self).default(object);
    }
    fn prepare_create(&self, object: &mut Value) {
        (**self).prepare_create(object);
    }
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        (**self).validate_create(object)
    }
    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        (**self).prepare_update(subresource, new, old);
    }
    fn validate_update(&self, subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        (**self).validate_update(subresource, new, old)
    }
    fn allow_create_on_update(&self) -> bool {
        (**self).allow_create_on_update()
    }
    fn deprecations(&self, object: &Value) -> Vec<String> {
        (**self).deprecations(object)
    }
    fn warnings(&self, subresource: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
        (**self).warnings(subresource, new, old)
    }
}

/// Nothing is particular to the kind.
pub struct Plain;

impl Strategy for Plain {}

/// A body decoded through its Go-like type: the object without unknown fields, and the unknown ones' paths.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The object, in the shape that Kubernetes would write it back.
    pub object: Value,
    /// Paths of fields that the kind does not have, as in `unknown field "spec.foo"`.
    pub unknown: Vec<String>,
}

/// Decodes a body of one kind.
pub type Decode = fn(Value) -> Result<Decoded, ApiError>;

/// Puts the OpenAPI schema of one kind, and of what it refers to, into a generator.
pub type Describe = fn(&mut schemars::SchemaGenerator) -> schemars::Schema;

/// The schema of a type.
fn schema_of<T: schemars::JsonSchema>(
    generator: &mut schemars::SchemaGenerator,
) -> schemars::Schema {
    generator.subschema_for::<T>()
}

/// A kind of object that is served.
pub struct Kind {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Kind, for example `Pod`.
    pub kind: &'static str,
    /// Plural resource name, for example `pods`.
    pub plural: &'static str,
    /// Singular name, for example `pod`.
    pub singular: &'static str,
    /// Short names, for example `po`.
    pub short_names: &'static [&'static str],
    /// Categories, for example `all`.
    pub categories: &'static [&'static str],
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs of the resource itself, in discovery's order.
    pub verbs: &'static [&'static str],
    /// Subresources that store into the object: `status`, `ephemeralcontainers`, … (not `log`, `exec`, `attach`).
    pub subresources: &'static [&'static str],
    /// How its bodies are decoded.
    pub decode: Decode,
    /// Its OpenAPI schema.
    pub schema: Describe,
    /// What is particular to it.
    pub strategy: &'static dyn Strategy,
}
