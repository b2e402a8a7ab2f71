//! The policy with the back ends behind it.

use std::sync::Arc;

use super::config::AuditConfig;
use super::event::Event;
use super::log::{LogError, LogSink};
use super::policy::{Policy, PolicyError};
use super::webhook::{WebhookError, WebhookSink};
use crate::clock::Clock;

/// Why nothing can be audited. The server does not start then.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The policy cannot be used.
    #[error("loading audit policy file")]
    Policy(#[from] PolicyError),
    /// The log file cannot be used.
    #[error("initializing audit log")]
    Log(#[from] LogError),
    /// The webhook's kubeconfig cannot be used.
    #[error("initializing audit webhook")]
    Webhook(#[from] WebhookError),
}

/// Decides what is written of a request, and writes it.
#[derive(Debug)]
pub struct Auditor {
    pub(super) policy: Policy,
    pub(super) clock: Clock,
    log: Option<LogSink>,
    webhook: Option<WebhookSink>,
}

impl Auditor {
    /// Reads the policy and opens the back ends.
    ///
    /// # Errors
    /// What cannot be used; see [`AuditError`].
    pub fn open(config: &AuditConfig, clock: &Clock) -> Result<Arc<Self>, AuditError> {
        let log = config.log.as_ref().map(|log| LogSink::open(log, clock));
        let webhook = config.webhook.as_ref().map(WebhookSink::open);
        Ok(Arc::new(Self {
            policy: Policy::load(&config.policy_file)?,
            clock: clock.clone(),
            log: log.transpose()?,
            webhook: webhook.transpose()?,
        }))
    }

    /// Hands an event to all back ends; `false` if one that the request depends on failed.
    pub(super) fn write(&self, event: &Event) -> bool {
        let item = match event.to_item() {
            Ok(item) => item,
            Err(error) => {
                tracing::error!(%error, audit_id = event.audit_id, "an audit event cannot be encoded");
                return false;
            }
        };
        if let Some(webhook) = &self.webhook {
            webhook.write(item.clone());
        }
        self.log.as_ref().is_none_or(|log| log.write(&item))
    }

    /// Writes and sends what still waits. Nothing is taken after that.
    pub async fn stop(&self) {
        if let Some(webhook) = &self.webhook {
            webhook.stop().await;
        }
        if let Some(log) = &self.log {
            log.stop();
        }
    }
}
