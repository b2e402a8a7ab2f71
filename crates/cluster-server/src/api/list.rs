//! `list`: a page of the objects that two selectors leave.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Api, FieldSelector, LabelSelector, Target, meta, versioned};
use crate::error::ApiError;
use crate::store::Object;

/// Which objects, and how many at once.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Only objects with these labels.
    pub labels: LabelSelector,
    /// Only objects with these fields.
    pub fields: FieldSelector,
    /// At most so many; 0 for all.
    pub limit: usize,
    /// The token of the former page, or empty.
    pub continue_token: String,
}

impl ListOptions {
    /// Whether the object is wanted.
    pub fn selects(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }
}

/// One page.
#[derive(Debug, Default)]
pub struct List {
    /// The objects.
    pub items: Vec<Arc<Object>>,
    /// The revision from which a watch misses nothing that any page did not show.
    pub revision: u64,
    /// Where the next page starts; empty after the last.
    pub continue_token: String,
    /// How many are left after this page; unknown with selectors.
    pub remaining: Option<usize>,
}

impl Api {
    /// The objects of a namespace, or of all, that `options` select.
    ///
    /// Pages after the first are of the present, not of the first page's revision; the revision of every page is the
    /// first one's, so that a watch from it repeats what changed in between and misses nothing.
    ///
    /// # Errors
    /// 400: not a continue token. 410: the token is from before what a watch could still repeat.
    pub fn list(&self, target: &Target, options: &ListOptions) -> Result<List, ApiError> {
        let namespace = Some(target.namespace.as_str()).filter(|n| !n.is_empty());
        let (objects, mut revision) = self.store.list(&target.resource.key(), namespace);
        let mut start = (String::new(), String::new());
        if !options.continue_token.is_empty() {
            (start, revision) = decode_token(&options.continue_token)?;
            if self.store.watch(&target.resource.key(), revision).is_err() {
                return Err(ApiError::expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                     without the continue parameter.",
                ));
            }
        }
        let after = |object: &Object| {
            (
                meta(&object.value, "namespace"),
                meta(&object.value, "name"),
            ) > (&*start.0, &*start.1)
        };
        let mut wanted = objects
            .into_iter()
            .filter(|o| after(o) && options.selects(&o.value));
        let limit = if options.limit == 0 {
            usize::MAX
        } else {
            options.limit
        };
        let items: Vec<_> = wanted
            .by_ref()
            .take(limit)
            .map(|o| versioned(&target.resource, o))
            .collect();
        let left = wanted.count();
        let selected = !options.labels.is_empty() || !options.fields.is_empty();
        let continue_token = match items.last() {
            Some(last) if left > 0 => encode_token(last, revision),
            _ => String::new(),
        };
        Ok(List {
            items,
            revision,
            continue_token,
            remaining: (left > 0 && !selected).then_some(left),
        })
    }
}

fn encode_token(last: &Object, revision: u64) -> String {
    let start = format!(
        "{}/{}",
        meta(&last.value, "namespace"),
        meta(&last.value, "name")
    );
    URL_SAFE_NO_PAD
        .encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string())
}

fn decode_token(token: &str) -> Result<((String, String), u64), ApiError> {
    let bad = || {
        ApiError::bad_request(
            "continue key is not valid: the token was not given out by this server",
        )
    };
    let bytes = URL_SAFE_NO_PAD
        .decode(token.trim_end_matches('='))
        .map_err(|_| bad())?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| bad())?;
    let (namespace, name) = value["start"]
        .as_str()
        .and_then(|s| s.split_once('/'))
        .ok_or_else(bad)?;
    Ok((
        (namespace.to_owned(), name.to_owned()),
        value["rv"].as_u64().ok_or_else(bad)?,
    ))
}
