//! The patches that change an object as JSON: RFC 6902, RFC 7396 and strategic merge.
//!
//! **In scope:** what a patch's bytes mean, and the patched object. **Out of scope:** server-side apply
//! ([`crate::managed`]), and admission, validation and storing, which [`crate::api`] does with the result.

mod go_value;
mod json_patch;
mod json_text;
mod strategic;

use serde_json::Value;

pub use go_value::go_text;
pub(crate) use go_value::{go_syntax, go_type};
pub(crate) use json_patch::Copied;
pub use json_text::{SyntaxError, parse as parse_json};

use crate::api::{FieldValidation, PatchType};
use crate::managed::Schema;

/// Why a patch cannot be applied. None of them is cured by trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The body is no patch of this type.
    #[error("{0}")]
    Malformed(String),
    /// A JSON patch of more operations than are taken, or one that copies too much.
    #[error("{0}")]
    TooLarge(String),
    /// A JSON patch's test failed, or its path leads nowhere; or a list of lists.
    #[error("the patch does not fit the object")]
    Rejected,
    /// A strategic merge patch that does not fit what it is merged with.
    #[error("{0}")]
    Unmergeable(String),
    /// What comes out is no object of the kind.
    #[error("{text}")]
    Mistyped {
        /// The patch or patched object, printed as Kubernetes prints it.
        value: String,
        /// Why.
        text: String,
    },
}

/// A patch, parsed once, applied as often as others are faster.
#[derive(Debug)]
pub struct Prepared {
    kind: PatchType,
    value: Value,
    operations: Vec<json_patch::Operation>,
    problems: Vec<String>,
}

impl Prepared {
    /// Parses a patch.
    ///
    /// # Errors
    /// It is none of this type.
    pub fn parse(
        kind: PatchType,
        bytes: &[u8],
        validation: FieldValidation,
    ) -> Result<Self, PatchError> {
        // Patches that are looked at for unknown and repeated fields are parsed by another parser first.
        let prefix = match (kind, validation) {
            (_, FieldValidation::Ignore) | (PatchType::Strategic | PatchType::Apply { .. }, _) => {
                ""
            }
            _ => "error decoding patch: ",
        };
        let malformed = |why: String| PatchError::Malformed(format!("{prefix}{why}"));
        let (value, duplicates) = parse_json(bytes).map_err(|e| malformed(e.to_string()))?;
        let mut prepared = Self {
            kind,
            value,
            operations: Vec::new(),
            problems: { duplicates.iter() }
                .map(|path| format!("duplicate field {path:?}"))
                .collect(),
        };
        if kind == PatchType::Json {
            let (operations, unknown) = json_patch::parse(&prepared.value).map_err(&malformed)?;
            prepared.operations = operations;
            json_patch::check_count(&prepared.operations)?;
            prepared.problems.extend(unknown);
            for problem in &mut prepared.problems {
                problem.insert_str(0, "json patch ");
            }
        } else if !prepared.value.is_object() {
            let found = go_kind(&prepared.value);
            return Err(malformed(format!(
                "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            )));
        }
        Ok(prepared)
    }

    /// What an apply patch wants.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object, of the topology `schema`, with the patch applied; not for apply patches.
    ///
    /// # Errors
    /// The patch does not fit.
    pub fn apply(&self, current: &Value, schema: &Schema) -> Result<Value, PatchError> {
        match self.kind {
            PatchType::Json => json_patch::apply(current, &self.operations),
            PatchType::Strategic => {
                let patch = self.value.as_object().ok_or(PatchError::Rejected)?;
                strategic::merge(schema, current, patch)
            }
            PatchType::Merge | PatchType::Apply { .. } => {
                let mut out = current.clone();
                ::json_patch::merge(&mut out, &self.value);
                Ok(out)
            }
        }
    }

    /// What the patch itself repeats or what nobody knows in it, as `fieldValidation` reports it.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// The error of a patch whose outcome is no object of the kind.
    pub fn mistyped(&self, patched: &Value, text: String) -> PatchError {
        match self.kind {
            PatchType::Strategic => PatchError::Mistyped {
                value: go_text(&self.value),
                text: go_value::restore_error(&text).unwrap_or(text),
            },
            PatchType::Json | PatchType::Merge | PatchType::Apply { .. } => PatchError::Mistyped {
                value: patched.to_string(),
                text,
            },
        }
    }
}

/// The name of a JSON type in the messages of `encoding/json`.
pub(crate) fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
