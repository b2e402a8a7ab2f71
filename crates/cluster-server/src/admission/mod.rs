//! What may be stored, and what is added on the way: the admission chain in Kubernetes' order.
//!
//! Mutating: NamespaceLifecycle, ServiceAccount, NodeRestriction, Priority, DefaultTolerationSeconds, RuntimeClass,
//! MutatingAdmissionWebhook. Validating: ServiceAccount, RBAC escalation, PodSecurity, ValidatingAdmissionPolicy,
//! ValidatingAdmissionWebhook.
//!
//! **Invariant:** nothing here answers "yes" to what it could not judge. A webhook that fails admits only where its
//! own `failurePolicy` says `Ignore`.

pub mod conditions;
mod namespace_lifecycle;
mod node_restriction;
mod pod_defaults;
mod pod_security;
pub mod policy;
mod request;
mod rules;
pub mod selector;
mod service_account;
mod webhook;

use std::sync::Arc;

pub use request::{GroupVersionKind, GroupVersionResource, Operation, Request};

use crate::authz::{self, Authorizer};
use crate::error::ApiError;
use crate::kinds::Kinds;
use crate::store::Store;

/// The admission chain of one API server.
pub struct Chain {
    store: Arc<Store>,
    kinds: Arc<Kinds>,
    authorizer: Arc<Authorizer>,
    webhooks: webhook::Client,
    policies: policy::Cache,
}

impl Chain {
    /// A chain that reads namespaces, accounts and webhook configurations from `store`.
    pub fn new(store: Arc<Store>, kinds: Arc<Kinds>, authorizer: Arc<Authorizer>) -> Self {
        Self {
            store,
            kinds,
            authorizer,
            webhooks: webhook::Client::default(),
            policies: policy::Cache::default(),
        }
    }

    /// The mutating half: refuses, or changes `request.object`. Called before validation.
    pub async fn mutate(&self, request: &mut Request) -> Result<(), ApiError> {
        request.settle_namespace();
        self.mutate_in_process(request)?;
        let mut turns = webhook::Turns::default();
        webhook::mutate(self, request, &mut turns).await?;
        if turns.changed {
            // A webhook's change is seen by everybody who came before it, once.
            self.mutate_in_process(request)?;
            turns.begin_second(request.object.as_ref());
            webhook::mutate(self, request, &mut turns).await?;
        }
        self.check_escalation(request)
    }

    fn mutate_in_process(&self, request: &mut Request) -> Result<(), ApiError> {
        namespace_lifecycle::admit(&self.store, request)?;
        service_account::admit(&self.store, request)?;
        node_restriction::admit(&self.store, request)?;
        pod_defaults::admit(&self.store, request)
    }

    /// The validating half: refuses or not. Called after validation, with the object as it would be stored.
    pub async fn validate(&self, request: &mut Request) -> Result<(), ApiError> {
        request.settle_namespace();
        service_account::validate(&self.store, request)?;
        pod_security::validate(&self.store, request)?;
        pod_defaults::validate(&self.store, request)?;
        policy::validate(self, request)?;
        webhook::validate(self, request).await
    }

    fn check_escalation(&self, request: &Request) -> Result<(), ApiError> {
        let written = matches!(request.operation, Operation::Create | Operation::Update);
        let Some(object) = request
            .object
            .as_ref()
            .filter(|_| written && request.resource.group == authz::GROUP)
        else {
            return Ok(());
        };
        // A create has no name in its URL, so that a right to some names is none to create.
        let name = match request.operation {
            Operation::Create => "",
            _ => request.name.as_str(),
        };
        self.authorizer.check_escalation(authz::Grant {
            user: &request.user,
            resource: &request.resource.resource,
            namespace: &request.namespace,
            name,
            object,
            old: request.old_object.as_ref(),
        })
    }
}
