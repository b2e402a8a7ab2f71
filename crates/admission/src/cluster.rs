//! What admission reads live before it decides.

use std::collections::BTreeMap;

use api::{DebugApproval, DebugPolicy, DebugSession};
use async_trait::async_trait;
use serde_json::Value;

/// Live reads. `Ok(None)` is the API server's word that there is no such object; everything that is
/// not known for certain is an error, and an error means no.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// A Pod as raw JSON.
    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Value>, ReadError>;

    /// Labels of a namespace.
    async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ReadError>;

    /// Every `DebugPolicy`. These may come from a cache.
    async fn policies(&self) -> Result<Vec<DebugPolicy>, ReadError>;

    /// A session's object.
    async fn session(&self, namespace: &str, name: &str)
    -> Result<Option<DebugSession>, ReadError>;

    /// The approvals of a namespace.
    async fn approvals(&self, namespace: &str) -> Result<Vec<DebugApproval>, ReadError>;
}

/// A read that told nothing. Try again; until then the answer is no.
#[derive(Debug, thiserror::Error)]
#[error("{what} could not be read")]
pub struct ReadError {
    /// What was to be read.
    pub what: String,
    /// What went wrong.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
