//! Collects what stands against an ask.

use session::PolicyVersion;

use crate::{Finding, Glob};

/// One policy's list of findings, or the house's own.
pub(crate) struct Judge<'a> {
    policy: Option<&'a PolicyVersion>,
    findings: Vec<Finding>,
}

impl<'a> Judge<'a> {
    /// For the rules of one policy.
    pub(crate) fn of(policy: &'a PolicyVersion) -> Self {
        Self {
            policy: Some(policy),
            findings: Vec::new(),
        }
    }

    /// For what holds everywhere.
    pub(crate) fn of_the_house() -> Self {
        Self {
            policy: None,
            findings: Vec::new(),
        }
    }

    /// Notes what is wrong.
    pub(crate) fn refuse(
        &mut self,
        field: &str,
        found: impl Into<String>,
        accepted: impl Into<String>,
    ) {
        self.findings.push(Finding {
            policy: self.policy.cloned(),
            field: field.to_owned(),
            found: found.into(),
            accepted: accepted.into(),
        });
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

/// A list of patterns for people.
pub(crate) fn listed(patterns: &[Glob]) -> String {
    let names: Vec<&str> = patterns.iter().map(Glob::as_str).collect();
    if names.is_empty() {
        return "none (the policy names none)".into();
    }
    names.join(", ")
}
