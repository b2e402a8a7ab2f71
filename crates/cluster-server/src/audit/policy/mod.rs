//! The policy: of which requests how much is written (`k8s.io/apiserver/pkg/audit/policy`).
//!
//! Rules are asked in their order and the first that matches decides; a request that matches none is not audited.

mod matching;
mod validate;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::Level;
use crate::field::FieldError;
use crate::identity::{Attributes, User};

/// The group and version of policies and events.
pub(super) const API_VERSION: &str = "audit.k8s.io/v1";

/// Why a policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("failed to read file path {path:?}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not YAML, or a field is not of its type.
    #[error("failed decoding: {text}: from file {}", path.display())]
    Decode {
        /// Which file.
        path: PathBuf,
        /// What the parser says.
        text: String,
    },
    /// It is something else than a policy.
    #[error("unknown group version field {found} in policy: want {API_VERSION}, Kind=Policy: from file {}", path.display())]
    Kind {
        /// Which file.
        path: PathBuf,
        /// `apiVersion, Kind=kind` as they are there.
        found: String,
    },
    /// Fields do not hold.
    #[error("{}: from file {}", aggregate(errors), path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// All that is wrong.
        errors: Vec<FieldError>,
    },
    /// A policy without rules would audit nothing.
    #[error("loaded illegal policy with 0 rules: from file {}", path.display())]
    NoRules {
        /// Which file.
        path: PathBuf,
    },
}

/// `utilerrors.Aggregate`: one as it is, several in brackets.
fn aggregate(errors: &[FieldError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// `audit.k8s.io/v1 Policy`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Policy {
    api_version: String,
    kind: String,
    /// Named like an object's, and not used.
    #[serde(rename = "metadata")]
    _metadata: Value,
    rules: Vec<Rule>,
    omit_stages: Vec<String>,
    omit_managed_fields: bool,
}

/// One `PolicyRule`: what is empty matches everything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    level: String,
    users: Vec<String>,
    user_groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<Resources>,
    namespaces: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    omit_stages: Vec<String>,
    omit_managed_fields: Option<bool>,
}

/// `GroupResources`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Resources {
    group: String,
    #[serde(rename = "resources")]
    names: Vec<String>,
    resource_names: Vec<String>,
}

/// When in a request's life an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Who asks is known, and nothing has been done.
    RequestReceived,
    /// The head of an answer that takes its time is sent: watches, logs, exec, attach.
    ResponseStarted,
    /// Nothing more will be sent.
    ResponseComplete,
    /// The handler broke.
    Panic,
}

impl Stage {
    /// All stages, in the order in which Kubernetes names them.
    pub const ALL: [Self; 4] = [
        Self::RequestReceived,
        Self::ResponseStarted,
        Self::ResponseComplete,
        Self::Panic,
    ];

    /// As policies and events write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == text)
    }
}

/// What the policy says of one request (`RequestAuditConfig`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// How much is written.
    pub level: Level,
    /// At which stages nothing is.
    pub omit_stages: BTreeSet<Stage>,
    /// Whether objects are written without their `managedFields`.
    pub omit_managed_fields: bool,
}

impl Policy {
    /// Reads a policy file. Fields that a policy does not have are told of in the log and left out.
    ///
    /// # Errors
    /// It cannot be read, is no policy, or has fields that do not hold.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text = std::fs::read_to_string(path).map_err(|source| PolicyError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, PolicyError> {
        let path = path.to_owned();
        let decode = |text: String| PolicyError::Decode {
            path: path.clone(),
            text,
        };
        let mut value: Value = serde_saphyr::from_str(text).map_err(|e| decode(e.to_string()))?;
        drop_nulls(&mut value);
        let mut unknown = Vec::new();
        let policy: Self = serde_ignored::deserialize(value, |field| {
            unknown.push(format!("unknown field {:?}", field.to_string()));
        })
        .map_err(|e| decode(e.to_string()))?;
        if (policy.api_version.as_str(), policy.kind.as_str()) != (API_VERSION, "Policy") {
            let found = format!("{:?}, Kind={:?}", policy.api_version, policy.kind);
            return Err(PolicyError::Kind { path, found });
        }
        if !unknown.is_empty() {
            let errors = unknown.join(", ");
            tracing::warn!(
                errors,
                "audit policy contains errors, falling back to lenient decoding"
            );
        }
        let errors = validate::policy(&policy);
        if !errors.is_empty() {
            return Err(PolicyError::Invalid { path, errors });
        }
        if policy.rules.is_empty() {
            return Err(PolicyError::NoRules { path });
        }
        Ok(policy)
    }

    /// What of this request is written; `user` is unknown where nobody could be authenticated.
    pub fn evaluate(&self, user: Option<&User>, attributes: &Attributes) -> Verdict {
        let rule = self
            .rules
            .iter()
            .find(|rule| matching::matches(rule, user, attributes));
        let stages = rule.into_iter().flat_map(|rule| &rule.omit_stages);
        Verdict {
            level: rule.map_or(Level::None, Rule::level),
            omit_stages: stages
                .chain(&self.omit_stages)
                .filter_map(|stage| Stage::parse(stage))
                .collect(),
            omit_managed_fields: rule
                .and_then(|rule| rule.omit_managed_fields)
                .unwrap_or(self.omit_managed_fields),
        }
    }
}

/// A key without a value is as if it were not there, as in Go.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

impl Rule {
    /// The level; a policy with another word is not loaded.
    fn level(&self) -> Level {
        Level::ALL
            .into_iter()
            .find(|level| level.as_str() == self.level)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
