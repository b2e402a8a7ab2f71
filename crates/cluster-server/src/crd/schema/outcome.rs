//! What a validator found, and how much of the schema it had something to say about.

use serde_json::Value;

use crate::field::{Fault, FieldError, Path};

/// Errors, and the count by which the closest of several alternatives is found (`validate.Result`).
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) errors: Vec<FieldError>,
    pub(super) matches: usize,
}

impl Outcome {
    pub(super) fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.errors.extend(other.errors);
        self.matches += other.matches;
    }

    /// Takes in what one validator of this schema found.
    pub(super) fn apply(&mut self, other: Self) {
        self.merge(other);
        self.matches += 1;
    }
}

impl From<Vec<FieldError>> for Outcome {
    fn from(errors: Vec<FieldError>) -> Self {
        Self { errors, matches: 0 }
    }
}

impl From<Option<FieldError>> for Outcome {
    fn from(error: Option<FieldError>) -> Self {
        error.into_iter().collect::<Vec<_>>().into()
    }
}

/// Where errors are: below `base`, which texts do not name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base<'a>(pub(super) Option<&'a Path>);

impl Base<'_> {
    /// The path that an error shows; a place without a name is Go's nil path.
    pub(super) fn at(self, path: &str) -> Path {
        match self.0 {
            Some(base) if path.is_empty() => base.clone(),
            Some(base) => base.child(path.trim_start_matches('.')),
            None if path.is_empty() => Path::new("<nil>"),
            None => Path::new(path.trim_start_matches('.')),
        }
    }

    /// `spec.a in body should be …`, an invalid value.
    pub(super) fn should(self, path: &str, value: &Value, what: &str) -> FieldError {
        FieldError::invalid(
            &self.at(path),
            value.clone(),
            format!("{path} in body {what}"),
        )
    }

    /// An error that Kubernetes raises without saying where.
    pub(super) fn somewhere(self, text: String) -> FieldError {
        FieldError::invalid(&self.at(""), "", text)
    }

    /// A value of another JSON type than the schema's.
    pub(super) fn mistyped(self, path: &str, wanted: &str, found: &str) -> FieldError {
        let text = format!("{path} in body must be of type {wanted}: {found:?}");
        FieldError::new(&self.at(path), Fault::TypeInvalid(found.into()), text)
    }
}
