//! What is remembered of sandboxes and containers, in `record.json` of each one's folder.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Sandbox;
use crate::runtime::{ContainerConfig, ContainerId, SandboxConfig, SandboxId, SandboxStatus};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SandboxRecord {
    pub(super) id: SandboxId,
    pub(super) config: SandboxConfig,
    pub(super) ip: Option<IpAddr>,
    pub(super) created_at: Timestamp,
    /// It was asked to end; what is left of it is to be cleared away.
    pub(super) stopped: bool,
    /// The container that holds the Pod's PID namespace.
    pub(super) pause: Option<ContainerId>,
}

impl SandboxRecord {
    /// The name of the Pod's interface on the bridge: 15 characters at most.
    pub(super) fn interface(&self) -> String {
        format!("pod{}", self.id.get(..10).unwrap_or(&self.id))
    }
}

impl Sandbox {
    pub(super) fn status(&self) -> SandboxStatus {
        SandboxStatus {
            id: self.record.id.clone(),
            config: self.record.config.clone(),
            ready: self.ready,
            ip: self.record.ip,
            created_at: self.record.created_at,
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ContainerRecord {
    pub(super) sandbox: SandboxId,
    pub(super) config: ContainerConfig,
    pub(super) image_ref: String,
    pub(super) image_id: String,
    pub(super) created_at: Timestamp,
    /// It only holds a Pod's PID namespace, and is not shown.
    pub(super) is_pause: bool,
}
