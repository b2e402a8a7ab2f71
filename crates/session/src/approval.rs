//! One person's verdict on one session and its spec hash.

use jiff::Timestamp;

use crate::{Person, SpecHash};

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes to exactly this.
    Approve,
    /// No.
    Deny,
}

impl Verdict {
    /// The name in objects and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "Approve",
            Self::Deny => "Deny",
        }
    }
}

/// A verdict as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// UID of the `DebugApproval`.
    pub uid: String,
    /// Name of the `DebugApproval`.
    pub name: String,
    /// Who gave it, as the webhook stamped it from `userInfo`.
    pub approver: Person,
    /// What was said.
    pub verdict: Verdict,
    /// What it was said of.
    pub spec_hash: SpecHash,
    /// In the approver's own words; may be empty.
    pub comment: String,
    /// When it was given.
    pub at: Timestamp,
}
