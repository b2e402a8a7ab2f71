//! APIServices: groups and versions that another server answers (`k8s.io/kube-aggregator`).
//!
//! A request under `/apis/GROUP/VERSION` whose APIService names a Service is passed on to what stands behind it
//! ([`forward`]), with the caller's identity in `X-Remote-…` headers and the front-proxy certificate as the proof that it
//! was this server who wrote them. What is served here has an APIService too, without a Service ([`local`]).
//!
//! **In scope:** streaming bodies, upgrades, availability, discovery of what others serve. **Out of scope:** merging
//! other servers' OpenAPI v2 documents into ours (v3 is passed on by group and version).

mod controller;
mod forward;
mod identity;
mod local;
mod published;
mod remote;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

pub use controller::run;
pub use forward::{Caller, forward};
pub use local::priority;
pub use remote::Remote;

/// The store's name of APIServices.
const API_SERVICES: &str = "apiservices.apiregistration.k8s.io";
/// The group of APIServices itself, which is never aggregated.
const OWN_GROUP: &str = "apiregistration.k8s.io";

/// The servers behind the APIServices, by group and version.
#[derive(Default)]
pub struct Aggregation {
    remotes: RwLock<BTreeMap<(String, String), Arc<Remote>>>,
}

impl Aggregation {
    /// Who serves this group and version, if it is another server.
    pub fn remote(&self, group: &str, version: &str) -> Option<Arc<Remote>> {
        self.read()
            .get(&(group.to_owned(), version.to_owned()))
            .cloned()
    }

    /// Who answers requests to `path`, if it is another server: `/apis/GROUP/VERSION`, what is below it, and its OpenAPI
    /// document.
    pub fn remote_of(&self, path: &str) -> Option<Arc<Remote>> {
        let path = path.strip_prefix("/openapi/v3").unwrap_or(path);
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        if parts.next() != Some("apis") {
            return None;
        }
        self.remote(parts.next()?, parts.next()?)
    }

    /// Every group and version that other servers answer.
    pub fn remotes(&self) -> Vec<Arc<Remote>> {
        self.read().values().cloned().collect()
    }

    /// Takes over what an APIService says now.
    fn set(&self, remote: Remote) -> Arc<Remote> {
        let remote = Arc::new(remote);
        let key = (remote.group.clone(), remote.version.clone());
        self.write().insert(key, Arc::clone(&remote));
        remote
    }

    fn remove(&self, group: &str, version: &str) {
        self.write().remove(&(group.to_owned(), version.to_owned()));
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<(String, String), Arc<Remote>>> {
        self.remotes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<(String, String), Arc<Remote>>> {
        self.remotes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The group and version of an APIService.
fn group_version(service: &Value) -> (&str, &str) {
    let text = |field: &str| service["spec"][field].as_str().unwrap_or_default();
    (text("group"), text("version"))
}
