//! Who owns which field: `metadata.managedFields`, and server-side apply, which is built on it (KEP-555).
//!
//! **In scope:** sets of fields as `fieldsV1` writes them, comparing and merging objects by the topology of their kind, and
//! what each write does to the entries of its manager and of all others. **Out of scope:** what is served and stored
//! ([`crate::api`]), and the patches of other types ([`crate::patch`]).
//!
//! Source: `sigs.k8s.io/structured-merge-diff` (`fieldpath`, `typed`, `merge`) and
//! `k8s.io/apimachinery/pkg/util/managedfields`. The modules, bottom up:

mod element;
mod set;

mod schema;
pub use schema::{Atom, ListType, MapType, Relation, Scalar, Schema, TypeId};

mod compare;
mod fields;
mod merge;
mod reconcile;
mod remove;
mod validate;

mod entries;
mod reset;

mod apply;
mod refusal;
mod update;
mod updater;

#[cfg(test)]
mod properties;

pub use apply::{ApplyError, Conflict, apply};
pub use element::Element;
pub use entries::{check, ignore_times};
pub use refusal::refusal;
pub use reset::Reset;
pub use set::FieldSet;
pub use update::update;

use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};

use crate::kinds::Resource;

/// The topologies of a resource's versions: that of the request and those in which others wrote.
#[derive(Debug, Clone)]
pub struct Versions {
    /// The `apiVersion` of the request.
    pub current: String,
    /// Every served `apiVersion` with its topology.
    pub all: Vec<(String, Arc<Schema>)>,
}

impl Versions {
    /// The topology of a version; `None` where it is not served any more.
    pub(crate) fn of(&self, api_version: &str) -> Option<&Schema> {
        let found = self.all.iter().find(|(version, _)| version == api_version);
        found.map(|(_, schema)| schema.as_ref())
    }
}

/// Who writes, to what, when.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The field manager: `?fieldManager=`, or the program's name of the `User-Agent`.
    pub manager: String,
    /// The subresource, or empty.
    pub subresource: String,
    /// Topologies.
    pub versions: Versions,
    /// Fields that a write to this subresource cannot change, so that nobody comes to own them by it.
    pub reset: Reset,
    /// RFC 3339, whole seconds.
    pub time: String,
    /// The object of the kind that holds nothing: what a create starts from.
    pub empty: Arc<Value>,
}

/// What is worked out of a resource once, when it is first written to.
#[derive(Debug, Default)]
pub struct Topology {
    schema: OnceLock<Arc<Schema>>,
    empty: OnceLock<Arc<Value>>,
}

impl Topology {
    /// The topology of the resource that this is a part of.
    pub fn schema(&self, resource: &Resource) -> Arc<Schema> {
        let schema = self.schema.get_or_init(|| Arc::new(Schema::of(resource)));
        Arc::clone(schema)
    }

    /// The object of the kind that holds nothing.
    pub fn empty(&self, resource: &Resource) -> Arc<Value> {
        let empty = || {
            let nothing = json!({"apiVersion": resource.api_version(), "kind": resource.kind});
            let decoded = (resource.decode)(nothing.clone()).map(|decoded| decoded.object);
            let mut object = decoded.unwrap_or_default();
            object["apiVersion"] = nothing["apiVersion"].clone();
            object["kind"] = nothing["kind"].clone();
            Arc::new(object)
        };
        Arc::clone(self.empty.get_or_init(empty))
    }
}
