//! Answers as bytes.

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use serde_json::Value;

use super::negotiate::Wire;
use crate::api::Warnings;
use crate::error::ApiError;

/// The body of every answer, whole or streamed.
pub type BoxBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

/// Bodies from this size on are compressed if the client takes it (`defaultGzipThresholdBytes`).
const GZIP_FROM: usize = 128 * 1024;
/// `defaultGzipContentEncodingLevel`.
const GZIP_LEVEL: u32 = 4;

/// An answer that is all in memory, with its JSON before it is compressed: what its audit event shows.
#[derive(Debug, Clone, Default)]
pub(super) struct Whole(pub(super) Option<Bytes>);

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
    /// JSON with a status code, written in the form that the client asks for.
    Json(u16, Bytes),
    /// JSON that is written as it is, whatever the client asks for.
    Raw(u16, Bytes),
    /// JSON under a media type of its own.
    Typed(u16, &'static str, Bytes),
    /// Plain text with a status code.
    Text(u16, String),
    /// A document that clients keep, under its tag.
    Document(Document),
    /// 404 or 406 without a word; 304 with the document's tag; 301 with where to.
    Bare(u16, Option<(HeaderName, String)>),
}

/// A document that clients keep.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its media type.
    pub kind: &'static str,
    /// What it says.
    pub bytes: Bytes,
    /// Changes when it does.
    pub etag: String,
    /// `Cache-Control`.
    pub cache: &'static str,
}

impl Document {
    /// The answer to a request: that the document is as the client knows it, or the document.
    pub fn answer(self, headers: &HeaderMap) -> Answer {
        let known = headers.get(header::IF_NONE_MATCH);
        let known = known.and_then(|value| value.to_str().ok());
        let mut known = known.unwrap_or_default().split(',').map(str::trim);
        if known.any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.etag) {
            return Answer::Bare(304, Some((header::ETAG, self.etag)));
        }
        Answer::Document(self)
    }
}

impl Answer {
    /// An object.
    pub fn value(code: u16, value: &Value) -> Self {
        Self::Json(code, Bytes::from(value.to_string()))
    }

    /// The answer as a response, with the request's warnings.
    pub(super) fn into_response(self, warnings: &Warnings, wire: Wire) -> Response<BoxBody> {
        let (mut whole, mut extra) = (Whole::default(), Vec::new());
        let (code, kind, bytes) = match self {
            Self::Json(code, bytes) => {
                whole.0 = Some(bytes.clone());
                let (kind, bytes) = written(bytes, wire);
                (code, kind, bytes)
            }
            Self::Raw(code, bytes) => (code, "application/json", bytes),
            Self::Typed(code, kind, bytes) => (code, kind, bytes),
            Self::Text(code, text) => (code, "text/plain; charset=utf-8", Bytes::from(text)),
            Self::Document(document) => {
                let Document {
                    kind,
                    bytes,
                    etag,
                    cache,
                } = document;
                extra.push((header::CACHE_CONTROL, cache.to_owned()));
                extra.push((header::ETAG, etag));
                extra.push((header::VARY, "Accept".to_owned()));
                (200, kind, bytes)
            }
            Self::Bare(code, header) => {
                extra.extend(header);
                (code, "", Bytes::new())
            }
        };
        let compressed = (wire.gzip && bytes.len() >= GZIP_FROM)
            .then(|| compress(&bytes))
            .flatten();
        let mut response = Response::new(full(compressed.clone().unwrap_or(bytes)));
        *response.status_mut() =
            StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if !kind.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-cache, private"),
        );
        for (name, value) in extra {
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        }
        if compressed.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if kind.starts_with("text/plain") {
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
        }
        warn(headers, warnings);
        response.extensions_mut().insert(whole);
        response
    }
}

/// An object as the client wants to read it, with its media type. Plain JSON ends with a line break, as Go's encoder has it.
fn written(bytes: Bytes, wire: Wire) -> (&'static str, Bytes) {
    const JSON: &str = "application/json";
    if wire.yaml || wire.pretty {
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        let text = value.and_then(|value| {
            if wire.yaml {
                let text = serde_saphyr::to_string(&sorted(value)).ok()?;
                return Some(("application/yaml", text));
            }
            Some((JSON, serde_json::to_string_pretty(&value).ok()?))
        });
        return match text {
            Some((kind, text)) => (kind, Bytes::from(text)),
            None => (JSON, bytes),
        };
    }
    let mut line = BytesMut::with_capacity(bytes.len() + 1);
    line.put_slice(&bytes);
    line.put_u8(b'\n');
    (JSON, line.freeze())
}

/// The keys in order, as Kubernetes writes YAML.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            let fields = fields.into_iter().map(|(key, value)| (key, sorted(value)));
            Value::Object(fields.collect())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// All warnings of a request together are this long; beyond, each is cut to so much (`filters/warning.go`).
const ALL_WARNINGS: usize = 4 * 1024;
const CUT_WARNING: usize = 256;

/// Adds the request's `Warning` headers.
pub(super) fn warn(headers: &mut http::HeaderMap, warnings: &Warnings) {
    let texts = warnings.all();
    let length = |text: &String| text.chars().count();
    let cut = texts.iter().map(length).sum::<usize>() > ALL_WARNINGS;
    let mut written = 0;
    for text in texts {
        if cut && written >= ALL_WARNINGS {
            return;
        }
        let kept = if cut { CUT_WARNING } else { usize::MAX };
        let text: String = text.chars().take(kept).collect();
        written += length(&text);
        // Neither does Kubernetes tell such a one.
        if text.chars().any(char::is_control) {
            continue;
        }
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
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
        flate2::Compression::new(GZIP_LEVEL),
    );
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}
