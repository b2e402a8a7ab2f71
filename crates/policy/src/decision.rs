//! Yes, not yet, or no.

use std::fmt::{self, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use session::event::{Grant, Quorum, Surroundings, Terms};
use session::{Container, PolicyVersion, SpecHash};

use crate::{Exposure, Recording};

/// The answer of [`crate::evaluate()`].
#[derive(Debug)]
pub enum Decision {
    /// It may be, now.
    Permit(Permit),
    /// It may be once enough people have said yes.
    NeedsApproval(Pending),
    /// It may not be.
    Denied(Denied),
}

impl Decision {
    /// The name in previews and entries.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Permit(_) => "Permit",
            Self::NeedsApproval(_) => "NeedsApproval",
            Self::Denied(_) => "Denied",
        }
    }
}

/// The terms of an ask that can be met.
#[derive(Debug, PartialEq)]
pub struct Pending {
    pub(crate) spec_hash: SpecHash,
    pub(crate) container: Container,
    pub(crate) policies: Vec<PolicyVersion>,
    pub(crate) quorum: Vec<Quorum>,
    pub(crate) approve_until: Timestamp,
    pub(crate) exposure: Exposure,
    pub(crate) effective: Value,
    pub(crate) recording: Recording,
    pub(crate) expiry: Duration,
}

impl Pending {
    /// What an approval must carry.
    pub fn spec_hash(&self) -> SpecHash {
        self.spec_hash
    }

    /// The policies that are satisfied, by name.
    pub fn policies(&self) -> &[PolicyVersion] {
        &self.policies
    }

    /// Who must agree; empty where a policy says in words that nobody need.
    pub fn quorum(&self) -> &[Quorum] {
        &self.quorum
    }

    /// No approval counts from then on.
    pub fn approve_until(&self) -> Timestamp {
        self.approve_until
    }

    /// What the visit would expose.
    pub fn exposure(&self) -> &Exposure {
        &self.exposure
    }

    /// The container's effective security context.
    pub fn effective(&self) -> &Value {
        &self.effective
    }

    /// What is kept of the terminal.
    pub fn recording(&self) -> Recording {
        self.recording
    }

    /// The terms as they are logged, with what was found around the ask.
    pub fn terms(&self, surroundings: Surroundings) -> Terms {
        Terms {
            spec_hash: self.spec_hash,
            container: self.container.clone(),
            policies: self.policies.clone(),
            quorum: self.quorum.clone(),
            approve_until: self.approve_until,
            exposure: self.exposure.to_json(),
            exposure_digest: self.exposure.digest(),
            effective: self.effective.clone(),
            surroundings,
        }
    }
}

/// Permission to do one thing, now.
///
/// Only this crate can make one, it cannot be copied, and it is never stored or sent: each process that
/// acts evaluates for itself and holds its own.
#[derive(Debug)]
pub struct Permit {
    pub(crate) terms: Pending,
    pub(crate) approvals: Vec<String>,
    pub(crate) use_until: Timestamp,
}

impl Permit {
    /// The hash of what is permitted.
    pub fn spec_hash(&self) -> SpecHash {
        self.terms.spec_hash
    }

    /// The container that is permitted.
    pub fn container(&self) -> &Container {
        &self.terms.container
    }

    /// The policies that are satisfied, by name.
    pub fn policies(&self) -> &[PolicyVersion] {
        &self.terms.policies
    }

    /// Who had to agree.
    pub fn quorum(&self) -> &[Quorum] {
        &self.terms.quorum
    }

    /// UIDs of the approvals that made the quorum.
    pub fn approvals(&self) -> &[String] {
        &self.approvals
    }

    /// It must be used before this.
    pub fn use_until(&self) -> Timestamp {
        self.use_until
    }

    /// What the visit exposes.
    pub fn exposure(&self) -> &Exposure {
        &self.terms.exposure
    }

    /// What is kept of the terminal.
    pub fn recording(&self) -> Recording {
        self.terms.recording
    }

    /// The terms as they are logged.
    pub fn terms(&self, surroundings: Surroundings) -> Terms {
        self.terms.terms(surroundings)
    }

    /// The grant as it is logged.
    pub fn grant(&self) -> Grant {
        Grant {
            spec_hash: self.terms.spec_hash,
            approvals: self.approvals.clone(),
            use_until: self.use_until,
        }
    }
}

/// A refusal, with everything that stands against it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// At least one.
    pub findings: Vec<Finding>,
}

/// One thing that is not as a rule wants it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The policy that has the rule; `None` for what holds everywhere.
    pub policy: Option<PolicyVersion>,
    /// Which field of the policy or, where there is none, of the ask.
    pub field: String,
    /// What was found.
    pub found: String,
    /// What would be accepted.
    pub accepted: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(policy) = &self.policy {
            write!(
                f,
                "policy {} (generation {}), ",
                policy.name, policy.generation
            )?;
        }
        write!(f, "{}: found ", self.field)?;
        for character in self.found.chars() {
            match character {
                // What was found may have been written to deceive whoever reads it on a terminal.
                c if c.is_control() || turns_text(c) => write!(f, "{}", c.escape_default())?,
                c => f.write_char(c)?,
            }
        }
        write!(f, "; accepted: {}", self.accepted)
    }
}

/// Characters that change the direction of what stands around them (Unicode annex 9) or are not seen.
fn turns_text(character: char) -> bool {
    matches!(
        character,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not permitted: ")?;
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{finding}")?;
        }
        Ok(())
    }
}
