//! Which form of the answer the client wants (`Accept`), and how its bytes are to look
//! (`k8s.io/apiserver/pkg/endpoints/handlers/negotiation`).
//!
//! Answers are JSON or YAML. Protobuf and CBOR are not served: who takes nothing else gets 406.

use http::HeaderMap;

use crate::error::ApiError;
use crate::field::{FieldError, Path};

/// The forms that objects are answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The object itself.
    Object,
    /// `meta.k8s.io Table`, with so much of each object in its row.
    Table(Include),
    /// `meta.k8s.io PartialObjectMetadata`.
    Partial,
    /// `meta.k8s.io PartialObjectMetadataList`.
    PartialList,
    /// `apidiscovery.k8s.io/v2 APIGroupDiscoveryList`.
    Discovery,
}

/// What of the object is in each row of a table (`?includeObject=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

impl Form {
    /// The same; of a table, with what `?includeObject=` says.
    ///
    /// # Errors
    /// 400: no such value.
    pub(super) fn including(self, text: Option<&str>) -> Result<Self, ApiError> {
        if !matches!(self, Self::Table(_)) {
            return Ok(self);
        }
        match text.unwrap_or_default() {
            "None" => Ok(Self::Table(Include::None)),
            "Object" => Ok(Self::Table(Include::Object)),
            "" | "Metadata" => Ok(Self::Table(Include::Metadata)),
            other => {
                let field = Path::new("includeObject");
                let why = "must be 'Metadata', 'Object', 'None', or empty";
                let error = FieldError::invalid(&field, other, why);
                Err(ApiError::bad_request(format!(
                    "Unable to convert to Table as requested: {error}"
                )))
            }
        }
    }
}

/// What a request without a conversion is told to accept.
const MEDIA_TYPES: &str = "application/json, application/yaml";

/// One clause of an `Accept` header.
struct Clause<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    quality: f32,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let mut parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
        let quality = parameters.iter().find(|(key, _)| *key == "q");
        let quality = quality.and_then(|(_, q)| q.parse().ok()).unwrap_or(1.0);
        parameters.retain(|(key, _)| *key != "q");
        Self {
            media_type,
            parameters,
            quality,
        }
    }

    fn get(&self, key: &str) -> &str {
        let found = self.parameters.iter().find(|(k, _)| *k == key);
        found.map_or("", |(_, value)| value)
    }

    /// YAML or JSON, if it takes one of them.
    fn is_yaml(&self) -> Option<bool> {
        match self.media_type {
            "application/json" | "application/*" | "*/*" => Some(false),
            "application/yaml" => Some(true),
            _ => None,
        }
    }

    /// The conversion that it asks for, if that is one there is.
    fn form(&self) -> Option<Form> {
        if !matches!(self.get("stream"), "" | "watch") || !self.get("sv").is_empty() {
            return None;
        }
        let asks = |key| self.parameters.iter().any(|(k, _)| *k == key);
        if !asks("as") && !asks("g") && !asks("v") {
            return Some(Form::Object);
        }
        match (self.get("as"), self.get("g"), self.get("v")) {
            ("Table", "meta.k8s.io", "v1" | "v1beta1") => Some(Form::Table(Include::Metadata)),
            ("PartialObjectMetadata", "meta.k8s.io", "v1" | "v1beta1") => Some(Form::Partial),
            ("PartialObjectMetadataList", "meta.k8s.io", "v1" | "v1beta1") => {
                Some(Form::PartialList)
            }
            ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Some(Form::Discovery),
            _ => None,
        }
    }
}

fn accept(headers: &HeaderMap) -> String {
    let values = headers.get_all(http::header::ACCEPT).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

/// The clauses, the most wanted first; of equals those that name a type before those that do not.
fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<_> = accept.split(',').map(Clause::parse).collect();
    clauses.sort_by(|a, b| {
        let wild = |clause: &Clause<'_>| clause.media_type.matches('*').count();
        b.quality.total_cmp(&a.quality).then(wild(a).cmp(&wild(b)))
    });
    clauses
}

/// The first form of the client's that `offered` has.
///
/// # Errors
/// 406 where there is none.
pub(super) fn form(headers: &HeaderMap, offered: &[Form]) -> Result<Form, ApiError> {
    let accept = accept(headers);
    if accept.trim().is_empty() {
        return Ok(Form::Object);
    }
    let clauses = clauses(&accept);
    // The router looks first, and knows no `application/*`.
    let known = ["application/json", "application/yaml", PROTOBUF, "*/*"];
    if !clauses.iter().any(|c| known.contains(&c.media_type)) {
        return Err(not_acceptable(format!(
            "406: Not Acceptable\n\nAvailable representations: {MEDIA_TYPES}"
        )));
    }
    let wanted = clauses.iter().filter(|clause| clause.is_yaml().is_some());
    let mut forms = wanted.filter_map(Clause::form);
    forms.find(|form| offered.contains(form)).ok_or_else(|| {
        not_acceptable(format!(
            "only the following media types are accepted: {MEDIA_TYPES}"
        ))
    })
}

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Whether the client would rather have aggregated discovery.
///
/// # Errors
/// 406 where it takes no JSON at all.
pub fn wants_discovery(headers: &HeaderMap) -> Result<bool, ApiError> {
    form(headers, &[Form::Object, Form::Discovery]).map(|form| form == Form::Discovery)
}

/// 406, with why.
pub(super) fn not_acceptable(why: String) -> ApiError {
    ApiError::new(406, "NotAcceptable", why)
}

/// How the bytes of an answer are to look.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wire {
    /// Large answers are compressed.
    pub(super) gzip: bool,
    /// YAML rather than JSON.
    pub(super) yaml: bool,
    /// JSON for people.
    pub(super) pretty: bool,
}

impl Wire {
    /// As the request's headers and query ask for.
    pub(super) fn of(headers: &HeaderMap, query: &str) -> Self {
        let accept = accept(headers);
        let clauses = clauses(&accept);
        let first = clauses
            .iter()
            .find(|c| c.is_yaml().is_some() && c.form().is_some());
        Self {
            gzip: takes_gzip(headers),
            yaml: first.and_then(Clause::is_yaml).unwrap_or(false),
            pretty: first.is_some_and(|c| c.get("pretty") == "1") || is_pretty(headers, query),
        }
    }
}

/// `?pretty=`, or a client that people sit before (`isPrettyPrint`).
fn is_pretty(headers: &HeaderMap, query: &str) -> bool {
    let asked = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("pretty="));
    match asked {
        Some(value) if !value.is_empty() => {
            matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
        }
        _ => {
            let agent = headers.get(http::header::USER_AGENT);
            let agent = agent
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            ["curl", "Wget", "Mozilla/5.0"]
                .iter()
                .any(|known| agent.starts_with(known))
        }
    }
}

/// Whether the client takes gzip.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(http::header::ACCEPT_ENCODING).iter();
    let encodings = encodings.filter_map(|value| value.to_str().ok());
    encodings
        .flat_map(|value| value.split(','))
        .any(|one| one.trim() == "gzip")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("accept", accept.parse().expect("a header"));
        headers
    }

    #[test]
    fn the_most_wanted_form_that_there_is_is_taken() {
        const ALL: &[Form] = &[
            Form::Object,
            Form::Table(Include::Metadata),
            Form::PartialList,
        ];
        const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
        let cases = [
            ("*/*".to_owned(), Some(Form::Object)),
            (TABLE.to_owned(), Some(Form::Table(Include::Metadata))),
            (
                format!("{TABLE},application/json"),
                Some(Form::Table(Include::Metadata)),
            ),
            (format!("application/json,{TABLE}"), Some(Form::Object)),
            (
                format!("{TABLE};q=0.5,application/json"),
                Some(Form::Object),
            ),
            (
                "application/json;as=Other;v=v1;g=meta.k8s.io".to_owned(),
                None,
            ),
            (
                "application/json;as=Other;v=v1;g=meta.k8s.io,*/*".to_owned(),
                Some(Form::Object),
            ),
            (format!("{PROTOBUF},application/json"), Some(Form::Object)),
            (PROTOBUF.to_owned(), None),
            ("text/html".to_owned(), None),
            (
                "application/yaml;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io".to_owned(),
                Some(Form::PartialList),
            ),
        ];
        for (accept, expected) in cases {
            assert_eq!(form(&headers(&accept), ALL).ok(), expected, "{accept}");
        }
    }

    #[test]
    fn yaml_is_written_for_who_asks_first_for_it() {
        let cases = [
            ("application/yaml", true),
            ("application/yaml;q=0.1,application/json", false),
        ];
        for (accept, expected) in cases {
            assert_eq!(Wire::of(&headers(accept), "").yaml, expected, "{accept}");
        }
    }
}
