//! Who did what, when, and how it was answered (`audit.k8s.io/v1`, `k8s.io/apiserver/pkg/audit`).

mod annotations;
mod config;

pub use annotations::{Annotations, Level};
pub use config::{AuditConfig, LogConfig, Mode, WebhookConfig};
