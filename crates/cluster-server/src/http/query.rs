//! Query parameters.

use serde_json::json;

use crate::api::{
    DeleteOptions, FieldSelector, FieldValidation, LabelSelector, ListOptions, Preconditions,
    WatchOptions,
};
use crate::error::ApiError;
use crate::field::{Fault, FieldError, Path};
use crate::kinds::Resource;

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
            .is_some_and(|value| !matches!(value, "false" | "0"))
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

    /// Selectors, `limit` and `continue`.
    pub(super) fn list(&self, resource: &Resource) -> Result<ListOptions, ApiError> {
        let limit = self.number("limit")?.unwrap_or(0);
        Ok(ListOptions {
            labels: LabelSelector::parse(self.get("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(self.get("fieldSelector").unwrap_or_default(), resource)?,
            limit: usize::try_from(limit).unwrap_or(0),
            continue_token: self.get("continue").unwrap_or_default().to_owned(),
        })
    }

    /// What a watch asks for.
    pub(super) fn watch(&self, resource: &Resource) -> Result<WatchOptions, ApiError> {
        let revision = match self.get("resourceVersion") {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| {
                let error = FieldError::invalid(
                    &Path::new("resourceVersion"),
                    text,
                    format!("strconv.ParseUint: parsing {text:?}: invalid syntax"),
                );
                ApiError::invalid("", "ListOptions", "", &[error])
            })?),
        };
        let initial_events = self
            .get("sendInitialEvents")
            .map(|_| self.flag("sendInitialEvents"));
        let matching = self.get("resourceVersionMatch").unwrap_or_default();
        let field = Path::new("resourceVersionMatch");
        let refused = match (initial_events, matching) {
            (Some(_), "NotOlderThan") | (None, "") => None,
            (Some(_), _) => {
                Some("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
            }
            (None, _) => Some(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            ),
        };
        if let Some(why) = refused {
            let error = FieldError::forbidden(&field, why);
            return Err(ApiError::invalid(
                "meta.k8s.io",
                "ListOptions",
                "",
                &[error],
            ));
        }
        let bookmarks = self.flag("allowWatchBookmarks");
        Ok(WatchOptions {
            select: ListOptions {
                limit: 0,
                ..self.list(resource)?
            },
            revision,
            initial_events,
            bookmarks,
        })
    }

    /// A whole number.
    pub(super) fn number(&self, key: &str) -> Result<Option<i64>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                let error = FieldError::new(
                    &Path::new(key),
                    Fault::Invalid(text.into()),
                    "must be a whole number",
                );
                ApiError::invalid("meta.k8s.io", "ListOptions", "", &[error])
            })
        };
        self.get(key)
            .filter(|text| !text.is_empty())
            .map(parse)
            .transpose()
    }

    /// Delete options given in the query rather than in a body.
    pub(super) fn delete(&self) -> Result<DeleteOptions, ApiError> {
        let orphan = self.get("orphanDependents").map(|_| {
            if self.flag("orphanDependents") {
                "Orphan"
            } else {
                "Background"
            }
        });
        Ok(DeleteOptions {
            grace_period_seconds: self.number("gracePeriodSeconds")?,
            preconditions: Preconditions::default(),
            propagation_policy: self.get("propagationPolicy").or(orphan).map(str::to_owned),
        })
    }
}
