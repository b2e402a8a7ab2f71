//! The objects of `ephemera.dev/v1alpha1` and their conversion to and from the domain.
//!
//! **In scope:** the three custom resources with their schemas, labels and annotations, and what they
//! mean as [`session`] and [`policy`] types. **Out of scope:** who may write them (`admission`), when they
//! are written (`controller`). Objects are projections: what counts is in the log.

pub mod debug_policy;
pub use debug_policy::{DebugPolicy, DebugPolicySpec};

pub mod debug_session;
pub use debug_session::{DebugSession, DebugSessionSpec};

pub mod session_status;
pub use session_status::DebugSessionStatus;

pub mod debug_approval;
pub use debug_approval::{DebugApproval, DebugApprovalSpec};

pub mod user;
pub use user::{Stamp, person};

pub mod crds;
pub use crds::crds;

pub mod convert;
pub use convert::{ConversionError, approval, policies, policy, request};

mod plain;

pub mod project;
pub use project::status;

/// API group of all our objects.
pub const GROUP: &str = "ephemera.dev";

/// Their version.
pub const VERSION: &str = "v1alpha1";

/// On a dry-run create of a `DebugSession`: decision, quorum, findings and exposure as JSON.
pub const PREVIEW_ANNOTATION: &str = "ephemera.dev/preview";

/// On a `DebugApproval`: name of the session it is about, so that one list call finds them.
pub const SESSION_LABEL: &str = "ephemera.dev/session";

/// How long a visit lasts where the ask does not say, in seconds.
pub const DEFAULT_DURATION_SECONDS: i64 = 900;
