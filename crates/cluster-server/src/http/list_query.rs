//! `metav1.ListOptions` in a query: of a list, of a watch, of a deletecollection
//! (`apimachinery/pkg/apis/meta/internalversion/validation`).

use std::num::IntErrorKind;
use std::time::Duration;

use rand::Rng;
use serde_json::Value;

use super::query::Query;
use crate::api::{At, FieldSelector, LabelSelector, ListOptions, WatchOptions};
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::kinds::Resource;

/// How long a watch lasts at least when the client does not say (`--min-request-timeout`).
const SHORTEST: u64 = 1800;

/// What a list asks for. `name` is that of the one object that the path is about, or empty.
pub(super) fn list(
    query: &Query,
    resource: &Resource,
    name: &str,
) -> Result<ListOptions, ApiError> {
    let mut options = selected(query, resource, name)?;
    let version = query.get("resourceVersion").unwrap_or_default();
    let matching = query.get("resourceVersionMatch").unwrap_or_default();
    validated(&list_errors(query, version, matching))?;
    let revision = parse_revision(version)
        .map_err(|why| ApiError::bad_request(format!("invalid resource version: {why}")));
    options.at = match (matching, version) {
        (_, "") => At::Newest,
        (_, _) if !options.continue_token.is_empty() && version != "0" => At::Exact(0),
        ("", "0") => At::Any,
        ("NotOlderThan", _) => At::NotOlderThan(revision?),
        // Before there was `resourceVersionMatch`, a limit meant exactly.
        ("", _) if options.limit == 0 => At::NotOlderThan(revision?),
        _ => At::Exact(revision?),
    };
    Ok(options)
}

/// What a watch asks for.
pub(super) fn watch(
    query: &Query,
    resource: &Resource,
    name: &str,
) -> Result<WatchOptions, ApiError> {
    let select = selected(query, resource, name)?;
    let version = query.get("resourceVersion").unwrap_or_default();
    let matching = query.get("resourceVersionMatch").unwrap_or_default();
    let initial_events = query
        .get("sendInitialEvents")
        .map(|_| query.flag("sendInitialEvents"));
    validated(&watch_errors(query, initial_events.is_some(), matching))?;
    // Kubernetes does not take this for the client's fault.
    let revision = parse_revision(version).map_err(|why| ApiError::new(500, "", why))?;
    let seconds = query.number("timeoutSeconds")?.unwrap_or(0);
    let seconds = match u64::try_from(seconds) {
        Ok(0) => rand::rng().random_range(SHORTEST..SHORTEST * 2),
        Ok(seconds) => seconds,
        // A time that is over already.
        Err(_) => 0,
    };
    Ok(WatchOptions {
        select,
        revision: Some(revision).filter(|_| !version.is_empty()),
        initial_events,
        bookmarks: query.flag("allowWatchBookmarks"),
        lasts: Some(Duration::from_secs(seconds)),
    })
}

/// Selectors, `limit` and `continue`.
fn selected(query: &Query, resource: &Resource, name: &str) -> Result<ListOptions, ApiError> {
    let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or_default())?;
    let limit = query.number("limit")?.unwrap_or(0);
    let mut fields =
        FieldSelector::parse(query.get("fieldSelector").unwrap_or_default(), resource)?;
    if !name.is_empty() {
        if fields.is_empty() {
            fields = fields.with_name(name);
        } else if fields.required("metadata.name") != Some(name) {
            return Err(ApiError::bad_request(
                "fieldSelector metadata.name doesn't match requested name",
            ));
        }
    }
    Ok(ListOptions {
        labels,
        fields,
        at: At::Newest,
        limit: usize::try_from(limit).unwrap_or(0),
        continue_token: query.get("continue").unwrap_or_default().to_owned(),
    })
}

fn validated(errors: &[FieldError]) -> Result<(), ApiError> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", errors))
}

fn list_errors(query: &Query, version: &str, matching: &str) -> Vec<FieldError> {
    let (field, mut errors) = (Path::new("resourceVersionMatch"), Vec::new());
    let mut forbid = |why: &str| errors.push(FieldError::forbidden(&field, why));
    if !matching.is_empty() {
        if version.is_empty() {
            forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if query.get("continue").is_some_and(|token| !token.is_empty()) {
            forbid("resourceVersionMatch is forbidden when continue is provided");
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            let known = &["Exact", "NotOlderThan", ""];
            errors.push(FieldError::not_supported(&field, matching, known));
        } else if matching == "Exact" && version == "0" {
            forbid("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
    }
    if query.get("sendInitialEvents").is_some() {
        let field = Path::new("sendInitialEvents");
        let why = "sendInitialEvents is forbidden for list";
        errors.push(FieldError::forbidden(&field, why));
    }
    errors
}

fn watch_errors(query: &Query, initial_events: bool, matching: &str) -> Vec<FieldError> {
    let (field, mut errors) = (Path::new("resourceVersionMatch"), Vec::new());
    let mut forbid = |why: &str| errors.push(FieldError::forbidden(&field, why));
    if initial_events && matching != "NotOlderThan" {
        forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if !matching.is_empty() {
        if !initial_events {
            forbid(
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            );
        }
        if matching != "NotOlderThan" {
            errors.push(FieldError::not_supported(
                &field,
                matching,
                &["NotOlderThan"],
            ));
        }
        if query.get("continue").is_some_and(|token| !token.is_empty()) {
            let why = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden(&field, why));
        }
    }
    errors
}

/// A revision; the error is `storage.InvalidError` as text.
pub(super) fn parse_revision(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|error: std::num::ParseIntError| {
        let why = match error.kind() {
            IntErrorKind::PosOverflow => "value out of range",
            _ => "invalid syntax",
        };
        let shown = Value::from(text);
        let detail = format!("strconv.ParseUint: parsing {shown}: {why}");
        FieldError::invalid(&Path::new("resourceVersion"), text, detail).to_string()
    })
}
