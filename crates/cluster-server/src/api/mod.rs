//! What each verb does, without HTTP (`k8s.io/apiserver/pkg/endpoints/handlers` and `registry/generic`).
//!
//! Authorization has been done by the caller; admission is done here.

mod binding;
mod body;
mod context;
mod continue_token;
mod create;
mod delete;
mod eviction;
mod field_selector;
mod graceful;
mod list;
mod merged;
mod owners;
mod ownership;
mod patch;
mod scale;
mod selector;
mod update;
mod watch;

use std::sync::Arc;

use serde_json::Value;

pub use body::Body;
pub use context::{Context, FieldValidation, Warnings};
pub use delete::{DeleteOptions, Deleted, Preconditions};
pub use eviction::Evicted;
pub(crate) use eviction::{is_ready, set_allowed_condition, set_condition};
pub use field_selector::FieldSelector;
pub use list::{At, List, ListOptions};
pub use patch::{Patch, PatchType};
pub use scale::ScaleChange;
pub use selector::LabelSelector;
pub use update::Updated;
pub use watch::{Event, WatchOptions, WatchStream};

use crate::admission::{Chain, GroupVersionKind, GroupVersionResource, Operation};
use crate::aggregation::Aggregation;
use crate::authn::Authenticator;
use crate::authz::Authorizer;
use crate::clock::Clock;
use crate::error::ApiError;
use crate::kinds::{Kinds, Resource, event};
use crate::pki::Pki;
use crate::store::{Object, Store, StoreError};

/// What a request is about.
#[derive(Debug, Clone)]
pub struct Target {
    /// The resource.
    pub resource: Arc<Resource>,
    /// Namespace; empty for cluster-scoped resources and for requests over all namespaces.
    pub namespace: String,
    /// Object name; empty for requests on the collection.
    pub name: String,
    /// Subresource, or empty.
    pub subresource: String,
}

impl Target {
    /// One object.
    pub fn object(resource: &Arc<Resource>, namespace: &str, name: &str) -> Self {
        Self {
            resource: Arc::clone(resource),
            namespace: namespace.into(),
            name: name.into(),
            subresource: String::new(),
        }
    }

    /// All objects of a namespace, or (empty) of all namespaces.
    pub fn collection(resource: &Arc<Resource>, namespace: &str) -> Self {
        Self::object(resource, namespace, "")
    }

    /// The subresource of one object.
    #[must_use]
    pub fn with_subresource(mut self, subresource: &str) -> Self {
        subresource.clone_into(&mut self.subresource);
        self
    }

    fn not_found(&self) -> ApiError {
        ApiError::not_found(&self.resource.group, &self.resource.plural, &self.name)
    }
}

/// The API of one cluster: everything that acts on objects goes through it.
pub struct Api {
    /// The objects.
    pub store: Arc<Store>,
    /// What is served.
    pub kinds: Arc<Kinds>,
    /// Who may add to, change or refuse a write.
    pub admission: Arc<Chain>,
    /// Who may do what.
    pub authorizer: Arc<Authorizer>,
    /// Who is who.
    pub authenticator: Arc<Authenticator>,
    /// Who serves the groups that this server does not.
    pub aggregation: Arc<Aggregation>,
    /// The cluster's keys.
    pub pki: Arc<Pki>,
    /// The time.
    pub clock: Clock,
}

impl Api {
    /// The object as stored.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, target: &Target) -> Result<Arc<Object>, ApiError> {
        let found = self
            .store
            .get(&target.resource.key(), &target.namespace, &target.name);
        found
            .map(|object| versioned(&target.resource, object))
            .ok_or_else(|| target.not_found())
    }

    /// Runs the validating half of admission for a request whose mutating half has run.
    async fn validate(
        &self,
        request: &mut crate::admission::Request,
        ctx: &Context,
    ) -> Result<(), ApiError> {
        let outcome = self.admission.validate(request).await;
        ctx.take_from(request);
        outcome
    }

    /// Runs the mutating half of admission.
    async fn mutate(
        &self,
        request: &mut crate::admission::Request,
        ctx: &Context,
    ) -> Result<(), ApiError> {
        let outcome = self.admission.mutate(request).await;
        ctx.take_from(request);
        outcome
    }

    fn store_error(target: &Target, error: StoreError) -> ApiError {
        let (group, plural, name) = (
            &target.resource.group,
            &target.resource.plural,
            &target.name,
        );
        match error {
            StoreError::Exists => ApiError::already_exists(group, plural, name),
            StoreError::NotFound => target.not_found(),
            StoreError::Conflict => ApiError::modified(group, plural, name),
            StoreError::Expired { .. } => ApiError::expired(error.to_string()),
            other => ApiError::internal(other),
        }
    }
}

/// The object in the version that was asked for: custom resources are stored as they came and
/// differ between versions in `apiVersion` only (conversion strategy `None`).
fn versioned(resource: &Resource, object: Arc<Object>) -> Arc<Object> {
    if event::is_younger(&resource.group, &resource.plural) {
        return event::younger(&object);
    }
    if !resource.custom || object.value["apiVersion"] == resource.api_version() {
        return object;
    }
    let mut value = object.value.clone();
    value["apiVersion"] = resource.api_version().into();
    Arc::new(Object::new(value, object.revision))
}

/// An admission request about `target`.
fn admission_request(
    ctx: &Context,
    target: &Target,
    operation: Operation,
) -> crate::admission::Request {
    let resource = &target.resource;
    // A Namespace is in itself, as far as admission is concerned.
    let namespace = if resource.key() == "namespaces" {
        &target.name
    } else {
        &target.namespace
    };
    crate::admission::Request {
        operation,
        kind: GroupVersionKind {
            group: resource.group.clone(),
            version: resource.version.clone(),
            kind: resource.kind.clone(),
        },
        resource: GroupVersionResource {
            group: resource.group.clone(),
            version: resource.version.clone(),
            resource: resource.plural.clone(),
        },
        subresource: target.subresource.clone(),
        namespace: namespace.clone(),
        name: target.name.clone(),
        object: None,
        old_object: None,
        options: None,
        dry_run: ctx.dry_run,
        user: ctx.user.clone(),
        warnings: Vec::new(),
        annotations: ctx.annotations.clone(),
    }
}

/// A field of `metadata` as text; empty when it is not there.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}
