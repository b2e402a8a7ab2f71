//! Who did what, when, and how it was answered (`audit.k8s.io/v1`, `k8s.io/apiserver/pkg/audit`).
//!
//! A [`Policy`] decides of which requests how much is written. The HTTP layer begins a [`Trail`] for each request as
//! soon as it knows who asks; what handles the request adds to it; and the [`Auditor`] writes its stages into a log file,
//! to a webhook, or both. Without a policy nothing is done at all.
//!
//! **Out of scope:** the legacy one-line format, truncation of large events, and policies that change at run time.

mod config;
pub use config::{AuditConfig, LogConfig, Mode, WebhookConfig};

mod policy;
pub use policy::{Policy, PolicyError, Stage, Verdict};

mod annotations;
mod trail;
pub use annotations::{Annotations, Level};
pub use trail::{Received, Trail};

mod auditor;
mod event;
mod log;
mod webhook;
pub use auditor::{AuditError, Auditor};
pub use log::LogError;
pub use webhook::WebhookError;
