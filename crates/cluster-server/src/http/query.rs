//! Query parameters.

use std::num::IntErrorKind;

use serde_json::json;

use crate::api::{DeleteOptions, FieldValidation};
use crate::error::ApiError;
use crate::field::{FieldError, Path};

/// The parameters of a request, in order, decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced)
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
    }

    fn all(&self, key: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(k, _)| k == key)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// A parameter that is on: `true`, `1`, or there without a value.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// `?dryRun=`; `options` is the kind that the error names.
    pub(super) fn dry_run(&self, options: &str) -> Result<bool, ApiError> {
        let values = self.all("dryRun");
        if values.iter().any(|value| *value != "All") {
            let error = FieldError::not_supported(&Path::new("dryRun"), json!(values), &["All"]);
            return Err(ApiError::invalid("meta.k8s.io", options, "", &[error]));
        }
        Ok(!values.is_empty())
    }

    /// `?fieldValidation=`.
    pub(super) fn field_validation(&self, options: &str) -> Result<FieldValidation, ApiError> {
        match self.get("fieldValidation") {
            None | Some("") => Ok(FieldValidation::Unset),
            Some("Ignore") => Ok(FieldValidation::Ignore),
            Some("Warn") => Ok(FieldValidation::Warn),
            Some("Strict") => Ok(FieldValidation::Strict),
            Some(other) => {
                let field = Path::new("fieldValidation");
                let error =
                    FieldError::not_supported(&field, other, &["", "Ignore", "Strict", "Warn"]);
                Err(ApiError::invalid("meta.k8s.io", options, "", &[error]))
            }
        }
    }

    /// A whole number, as Go's conversion of parameters reads it.
    pub(super) fn number(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|error: std::num::ParseIntError| {
                let why = match error.kind() {
                    IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                    _ => "invalid syntax",
                };
                let shown = serde_json::Value::from(text);
                ApiError::bad_request(format!("strconv.ParseInt: parsing {shown}: {why}"))
            })
        };
        self.get(key).map(parse).transpose()
    }

    /// Delete options given in the query rather than in a body.
    pub(super) fn delete(&self) -> Result<DeleteOptions, ApiError> {
        let mut options = json!({});
        if let Some(seconds) = self.number("gracePeriodSeconds")? {
            options["gracePeriodSeconds"] = seconds.into();
        }
        if self.get("orphanDependents").is_some() {
            options["orphanDependents"] = self.flag("orphanDependents").into();
        }
        if let Some(policy) = self.get("propagationPolicy") {
            options["propagationPolicy"] = policy.into();
        }
        DeleteOptions::from_value(&options)
    }
}
