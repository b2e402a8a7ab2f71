//! Answers as bytes.

use std::io::Write;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use crate::api::Warnings;
use crate::error::ApiError;

/// The body of every answer, whole or streamed.
pub type BoxBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

/// Bodies from this size on are compressed if the client takes it (`defaultGzipThresholdBytes`).
const GZIP_FROM: usize = 128 * 1024;

/// The JSON of an answer before it is compressed: what its audit event shows.
#[derive(Debug, Clone)]
pub(super) struct Shown(pub(super) Bytes);

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> BoxBody {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body of nothing.
pub fn empty() -> BoxBody {
    full(Bytes::new())
}

/// What a handler found, before it is bytes.
#[derive(Debug)]
pub enum Answer {
    /// JSON with a status code.
    Json(u16, Bytes),
    /// JSON under a media type of its own.
    Typed(u16, &'static str, Bytes),
    /// Plain text with a status code.
    Text(u16, String),
}

impl Answer {
    /// An object.
    pub fn value(code: u16, value: &Value) -> Self {
        Self::Json(code, Bytes::from(value.to_string()))
    }

    /// The answer as a response, with the request's warnings.
    pub(super) fn into_response(self, warnings: &Warnings, gzip: bool) -> Response<BoxBody> {
        let mut shown = None;
        let (code, kind, bytes) = match self {
            Self::Json(code, bytes) => {
                shown = Some(Shown(bytes.clone()));
                (code, "application/json", bytes)
            }
            Self::Typed(code, kind, bytes) => (code, kind, bytes),
            Self::Text(code, text) => (code, "text/plain; charset=utf-8", Bytes::from(text)),
        };
        let compressed = (gzip && bytes.len() >= GZIP_FROM)
            .then(|| compress(&bytes))
            .flatten();
        let mut response = Response::new(full(compressed.clone().unwrap_or(bytes)));
        *response.status_mut() =
            StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, private"),
        );
        if compressed.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        warn(headers, warnings);
        if let Some(shown) = shown {
            response.extensions_mut().insert(shown);
        }
        response
    }
}

/// Adds the request's `Warning` headers.
pub(super) fn warn(headers: &mut http::HeaderMap, warnings: &Warnings) {
    for text in warnings.all() {
        let quoted: String = text.chars().filter(|c| !c.is_control()).collect();
        let quoted = quoted.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            headers.append(header::WARNING, value);
        }
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self::value(error.code, &error.to_status())
    }
}

fn compress(bytes: &Bytes) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(
        Vec::with_capacity(bytes.len() / 4),
        flate2::Compression::fast(),
    );
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
