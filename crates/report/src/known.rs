//! A value with its source, or the reason why there is none.

use serde::Serialize;

/// One field of a record.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Known<T> {
    /// It is known.
    Value {
        /// What.
        value: T,
        /// From where.
        source: Source,
    },
    /// It is not, and that is part of the account.
    Absent {
        /// Why not.
        absent: String,
    },
}

/// Where a value is written, and on whose word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Index of the entry in the log.
    pub entry: u64,
    /// The entry's kind.
    pub kind: String,
    /// Who told it.
    pub told_by: Teller,
}

/// Who told a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Teller {
    /// The API server, as `userInfo` or an object's own metadata.
    #[serde(rename = "API server")]
    ApiServer,
    /// The person who asked, in their own words.
    #[serde(rename = "requester")]
    Requester,
    /// The person who approved or refused.
    #[serde(rename = "approver")]
    Approver,
    /// A policy's decision.
    #[serde(rename = "policy")]
    Policy,
    /// The admission webhook.
    #[serde(rename = "admission")]
    Admission,
    /// The controller, from what it saw in the Pod.
    #[serde(rename = "controller")]
    Controller,
    /// The node, in the Pod's status: a claim.
    #[serde(rename = "node")]
    Node,
}

impl Teller {
    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiServer => "API server",
            Self::Requester => "requester",
            Self::Approver => "approver",
            Self::Policy => "policy",
            Self::Admission => "admission",
            Self::Controller => "controller",
            Self::Node => "node",
        }
    }
}

impl<T> Known<T> {
    /// A reason.
    pub fn absent(why: impl Into<String>) -> Self {
        Self::Absent { absent: why.into() }
    }

    /// The value, if it is known.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value { value, .. } => Some(value),
            Self::Absent { .. } => None,
        }
    }

    /// The reason, if it is absent.
    pub fn why_absent(&self) -> Option<&str> {
        match self {
            Self::Value { .. } => None,
            Self::Absent { absent } => Some(absent),
        }
    }
}
