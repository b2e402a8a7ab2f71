//! An object that no entry explains: written while no webhook looked, or put back from a backup.

use api::DebugSessionStatus;
use session::SessionId;

use crate::cluster::CallError;
use crate::drive::Controller;

impl Controller {
    /// Says in the object of this name that it counts for nothing, if the log knows nothing of it.
    ///
    /// An ask is durable before its object is stored: what is not in the log now never will be.
    pub async fn look_at_object(&self, namespace: &str, name: &str) -> Result<(), CallError> {
        let Some(object) = self.cluster.session(namespace, name).await? else {
            return Ok(());
        };
        let Some(uid) = object.metadata.uid.clone() else {
            return Ok(());
        };
        if self.journal.session(&uid).is_some() {
            return Ok(());
        }
        let status = DebugSessionStatus {
            phase: api::session_status::Phase::Failed,
            message: format!(
                "The ledger knows nothing of this session, so it counts for nothing: delete {name} and ask again."
            ),
            ..DebugSessionStatus::default()
        };
        if object.status.as_ref() == Some(&status) {
            return Ok(());
        }
        tracing::warn!(namespace, name, uid, "no entry explains this session");
        let id = SessionId {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid,
        };
        self.cluster.project(&id, &status).await
    }
}
