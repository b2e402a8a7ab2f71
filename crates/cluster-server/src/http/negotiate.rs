//! Which form of the answer the client wants (`Accept`).

use http::HeaderMap;

use crate::error::ApiError;

/// The forms that objects are answered in; all of them are JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// The object itself.
    Object,
    /// `meta.k8s.io/v1 Table`.
    Table,
    /// `meta.k8s.io/v1 PartialObjectMetadata` or its list.
    Partial,
    /// `apidiscovery.k8s.io/v2 APIGroupDiscoveryList`.
    Discovery,
}

/// The first form of the client's that `offered` has.
///
/// # Errors
/// 406 where there is none.
pub(super) fn form(headers: &HeaderMap, offered: &[Form]) -> Result<Form, ApiError> {
    let accept: Vec<&str> = headers
        .get_all(http::header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let accept = accept.join(",");
    if accept.trim().is_empty() {
        return Ok(Form::Object);
    }
    let wanted = accept.split(',').filter_map(parse);
    { wanted }
        .find(|form| offered.contains(form))
        .ok_or_else(not_acceptable)
}

fn parse(range: &str) -> Option<Form> {
    let mut parts = range.split(';').map(str::trim);
    if !matches!(parts.next()?, "application/json" | "application/*" | "*/*") {
        return None;
    }
    let parameters: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let get = |key: &str| {
        parameters
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| *value)
    };
    match (get("as"), get("g"), get("v")) {
        (None, _, _) => Some(Form::Object),
        (Some("Table"), Some("meta.k8s.io"), Some("v1")) => Some(Form::Table),
        (
            Some("PartialObjectMetadata" | "PartialObjectMetadataList"),
            Some("meta.k8s.io"),
            Some("v1"),
        ) => Some(Form::Partial),
        (Some("APIGroupDiscoveryList"), Some("apidiscovery.k8s.io"), Some("v2")) => {
            Some(Form::Discovery)
        }
        _ => None,
    }
}

/// Whether the client would rather have aggregated discovery.
///
/// # Errors
/// 406 where it takes no JSON at all.
pub fn wants_discovery(headers: &HeaderMap) -> Result<bool, ApiError> {
    form(headers, &[Form::Object, Form::Discovery]).map(|form| form == Form::Discovery)
}

/// Makes sure that the client takes JSON.
///
/// # Errors
/// 406 where it does not.
pub fn accepts_json(headers: &HeaderMap) -> Result<(), ApiError> {
    form(headers, &[Form::Object]).map(|_| ())
}

/// 406.
pub(super) fn not_acceptable() -> ApiError {
    ApiError::new(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/json;as=Table;g=meta.k8s.io;v=v1, \
         application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    )
}

/// Whether the client takes gzip.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let encodings = headers
        .get_all(http::header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok());
    encodings
        .flat_map(|value| value.split(','))
        .any(|one| one.trim().split(';').next() == Some("gzip"))
}
