//! What the controller reads and writes.

use std::collections::BTreeMap;

use api::{DebugApproval, DebugPolicy, DebugSession, DebugSessionStatus};
use async_trait::async_trait;
use policy::Permit;
use serde_json::Value;
use session::event::{Node, Right};
use session::{Container, Person, PodRef, SessionId};

/// The cluster. Every read is live; `Ok(None)` is the API server's word that there is no such object.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// A Pod as raw JSON.
    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Value>, CallError>;

    /// Labels of a namespace.
    async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, CallError>;

    /// Every `DebugPolicy`.
    async fn policies(&self) -> Result<Vec<DebugPolicy>, CallError>;

    /// A session's object.
    async fn session(&self, namespace: &str, name: &str)
    -> Result<Option<DebugSession>, CallError>;

    /// The approvals of a namespace.
    async fn approvals(&self, namespace: &str) -> Result<Vec<DebugApproval>, CallError>;

    /// The Pod as it would be with this container: a server-side dry run of the patch.
    async fn dry_run(&self, pod: &PodRef, container: &Container) -> Result<Value, AddError>;

    /// Adds the permitted container to the Pod; the Pod as stored. Safe to repeat: the container's name
    /// is the visit's handle, and a name that is there already adds nothing.
    async fn add(&self, pod: &PodRef, permit: &Permit) -> Result<Value, AddError>;

    /// Writes a session's status.
    async fn project(
        &self,
        session: &SessionId,
        status: &DebugSessionStatus,
    ) -> Result<(), CallError>;

    /// What RBAC allows a person on a Pod and its subresources, by `SubjectAccessReview`.
    async fn rights(&self, person: &Person, pod: &PodRef) -> Result<Vec<Right>, CallError>;

    /// The API server's `gitVersion`.
    async fn version(&self) -> Result<String, CallError>;

    /// A node.
    async fn node(&self, name: &str) -> Result<Option<Node>, CallError>;
}

/// A call that told nothing. Try again later.
#[derive(Debug, thiserror::Error)]
#[error("{what} failed")]
pub struct CallError {
    /// What was to be done.
    pub what: String,
    /// What went wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Why a container was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The API server said no, for good: admission, validation or RBAC. Its words.
    #[error("{0}")]
    Refused(String),
    /// There is no such Pod.
    #[error("the Pod is gone")]
    Gone,
    /// Nobody knows: a conflict, an overload, a time-out. The same call again may help, and whether this
    /// one was carried out is seen in the Pod only.
    #[error(transparent)]
    Unavailable(CallError),
}
