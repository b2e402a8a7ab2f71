//! The four kinds of patch, applied to one object as JSON.
//!
//! **In scope:** RFC 6902, RFC 7396, strategic merge with all its directives, server-side apply with field ownership.
//! **Out of scope:** admission, validation and storing, which [`crate::api`] does with the result.

pub mod apply;
mod fields;
mod go_value;
mod json_text;
mod keys;
mod strategic;

use std::sync::Arc;

use serde_json::Value;

pub use go_value::go_text;
pub(crate) use go_value::{go_syntax, go_type};
pub use json_text::{SyntaxError, parse as parse_json};
pub use keys::{ListKind, keys_of, merge_key, retains_keys};

use crate::api::PatchType;
use crate::kinds::Resource;

/// Why a patch cannot be applied. None of them is cured by trying again.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The body is not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The body is JSON, but no patch of this type.
    #[error("{0}")]
    Malformed(String),
    /// A JSON patch of more operations than are taken.
    #[error("{0}")]
    TooManyOperations(String),
    /// A JSON patch's test failed, or its path leads nowhere.
    #[error("the patch does not fit the object")]
    Rejected,
    /// A strategic merge patch adds to a list an element without the list's key.
    #[error("{0}")]
    NoMergeKey(String),
    /// What comes out is no object of the kind.
    #[error("{text}")]
    Mistyped {
        /// The patch or patched object, printed as Kubernetes prints it.
        value: String,
        /// Why.
        text: String,
    },
    /// An apply patch without a field manager.
    #[error("an apply patch needs a field manager")]
    NoManager,
    /// An apply patch sets fields that others own.
    #[error("{0}")]
    Conflicts(Arc<apply::Conflicts>),
}

/// Most operations of one JSON patch.
const MAX_OPERATIONS: usize = 10_000;

/// A patch, parsed once, applied as often as others are faster.
pub struct Prepared {
    kind: PatchType,
    value: Value,
    operations: Option<json_patch::Patch>,
    duplicates: Vec<String>,
}

impl Prepared {
    /// Parses a patch.
    pub fn parse(kind: PatchType, bytes: &[u8]) -> Result<Self, PatchError> {
        let (value, duplicates) = parse_json(bytes)?;
        let mut prepared = Self {
            kind,
            value,
            operations: None,
            duplicates,
        };
        match kind {
            PatchType::Json => {
                let count = prepared.value.as_array().map_or(0, Vec::len);
                if count > MAX_OPERATIONS {
                    let text = format!(
                        "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {count}"
                    );
                    return Err(PatchError::TooManyOperations(text));
                }
                let found = go_kind(&prepared.value);
                let operations = serde_json::from_value(prepared.value.clone()).map_err(|_| {
                    PatchError::Malformed(format!(
                        "json: cannot unmarshal {found} into Go value of type jsonpatch.Patch"
                    ))
                })?;
                prepared.operations = Some(operations);
            }
            PatchType::Merge | PatchType::Strategic | PatchType::Apply { .. }
                if !prepared.value.is_object() =>
            {
                let found = go_kind(&prepared.value);
                let text = format!(
                    "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
                );
                return Err(PatchError::Malformed(text));
            }
            _ => {}
        }
        Ok(prepared)
    }

    /// The object with the patch applied.
    pub fn apply(
        &self,
        current: &Value,
        resource: &Resource,
        manager: &apply::Manager,
    ) -> Result<Value, PatchError> {
        match self.kind {
            PatchType::Json => {
                let mut out = current.clone();
                let operations = self.operations.as_ref().ok_or(PatchError::Rejected)?;
                json_patch::patch(&mut out, operations).map_err(|_| PatchError::Rejected)?;
                Ok(out)
            }
            PatchType::Merge => {
                let mut out = current.clone();
                json_patch::merge(&mut out, &self.value);
                Ok(out)
            }
            PatchType::Strategic => strategic::merge(current, &self.value),
            PatchType::Apply { force } => {
                apply::merge(Some(current), &self.value, resource, manager, force)
            }
        }
    }

    /// The object that an apply patch creates; `None` of other patches.
    pub fn applied_new(
        &self,
        resource: &Resource,
        manager: &apply::Manager,
    ) -> Option<Result<Value, PatchError>> {
        match self.kind {
            PatchType::Apply { force } => {
                Some(apply::merge(None, &self.value, resource, manager, force))
            }
            _ => None,
        }
    }

    /// Whether the patch leaves it to the server which revision it changes.
    pub fn is_retried(&self) -> bool {
        let revision = &self.value["metadata"]["resourceVersion"];
        revision.as_str().is_none_or(str::is_empty)
    }

    /// Fields that the patch has twice.
    pub fn duplicates(&self) -> &[String] {
        &self.duplicates
    }

    /// The error of a patch whose outcome is no object of the kind.
    pub fn mistyped(&self, patched: &Value, text: String) -> PatchError {
        match self.kind {
            PatchType::Strategic => PatchError::Mistyped {
                value: go_text(&self.value),
                text: go_value::restore_error(&text).unwrap_or(text),
            },
            PatchType::Apply { .. } => PatchError::Malformed(text),
            PatchType::Json | PatchType::Merge => PatchError::Mistyped {
                value: patched.to_string(),
                text,
            },
        }
    }
}

fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
