//! Who asks, and how: what every verb needs to know of a request.

use std::sync::{Arc, Mutex, PoisonError};

use crate::admission::Request;
use crate::audit::{Annotations, Trail};
use crate::identity::User;

/// What to do about fields that a kind does not have (`?fieldValidation=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Drop them.
    Ignore,
    /// Drop them and say so in `Warning` headers.
    Warn,
    /// The request does not say: as [`Warn`](Self::Warn).
    #[default]
    Unset,
    /// Refuse the request.
    Strict,
}

/// Texts for `Warning: 299` headers, each once, collected from wherever they arise.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Adds a text, unless it is there already.
    pub fn add(&self, text: impl Into<String>) {
        let (text, mut all) = (
            text.into(),
            self.0.lock().unwrap_or_else(PoisonError::into_inner),
        );
        if !text.is_empty() && !all.contains(&text) {
            all.push(text);
        }
    }

    /// All texts so far.
    pub fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One request's circumstances.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Who asks.
    pub user: User,
    /// Whether everything is done but the storing (`?dryRun=All`).
    pub dry_run: bool,
    /// Who is to own the fields that are written (`?fieldManager=`).
    pub field_manager: String,
    /// Whose the written fields are: the field manager, or the program's name of the `User-Agent`.
    pub manager: String,
    /// What to do about unknown fields.
    pub field_validation: FieldValidation,
    /// Warnings for the client.
    pub warnings: Warnings,
    /// Annotations for the audit event. Whoever judges the request may add some.
    pub annotations: Annotations,
    /// The audit event. Whoever works for the request after its answer's head is out keeps a clone.
    pub trail: Trail,
}

impl Context {
    /// The cluster's own work: member of `system:masters`, no dry run, unknown fields dropped.
    pub fn system(name: &str) -> Self {
        let groups = vec![
            "system:masters".to_owned(),
            "system:authenticated".to_owned(),
        ];
        let user = User {
            name: name.to_owned(),
            groups,
            ..User::default()
        };
        Self {
            user,
            field_manager: name.to_owned(),
            manager: name.to_owned(),
            ..Self::default()
        }
    }

    /// Takes over the warnings that admission left on its request.
    pub(crate) fn take_from(&self, request: &mut Request) {
        for warning in request.warnings.drain(..) {
            self.warnings.add(warning);
        }
    }
}

impl Context {
    /// The options object of a write as webhooks see it, for example `CreateOptions`.
    pub(crate) fn options(&self, kind: &str) -> serde_json::Value {
        let mut out = serde_json::json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
        if self.dry_run {
            out["dryRun"] = serde_json::json!(["All"]);
        }
        if !self.field_manager.is_empty() {
            out["fieldManager"] = self.field_manager.clone().into();
        }
        let validation = match self.field_validation {
            FieldValidation::Unset => return out,
            FieldValidation::Ignore => "Ignore",
            FieldValidation::Warn => "Warn",
            FieldValidation::Strict => "Strict",
        };
        out["fieldValidation"] = validation.into();
        out
    }
}
