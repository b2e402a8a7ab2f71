//! Bodies of requests: size, media type, and what they say.

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::yaml::{self, Yaml};
use crate::api::{Body, Patch, PatchType};
use crate::error::ApiError;

/// `MaxRequestBodyBytes`.
const LIMIT: usize = 3 * 1024 * 1024;

/// All bytes of a body.
pub(super) async fn bytes(body: Incoming) -> Result<Bytes, ApiError> {
    match Limited::new(body, LIMIT).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::too_large(format!(
            "Request entity too large: limit is {LIMIT}"
        ))),
        Err(error) => Err(ApiError::bad_request(format!(
            "the body could not be read: {error}"
        ))),
    }
}

/// The media type without parameters; JSON where none is given.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let text = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let text = text.split(';').next().unwrap_or_default().trim();
    if text.is_empty() {
        "application/json"
    } else {
        text
    }
}

/// A body of an object of `kind`.
pub(super) fn object(media_type: &str, bytes: &Bytes, kind: &str) -> Result<Body, ApiError> {
    let unrecognized = |why: String| {
        ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): {why} ({})",
            summary(bytes)
        ))
    };
    match media_type {
        "application/json" => Body::parse(bytes)
            .map_err(|e| unrecognized(format!("couldn't get version/kind; json parse error: {e}"))),
        "application/yaml" => {
            let Yaml { value, repeated } = yaml::parse(bytes).map_err(unrecognized)?;
            Ok(Body::from_yaml(value, repeated))
        }
        "application/vnd.kubernetes.protobuf" => {
            crate::protobuf::decode(bytes).map(Body::from).map_err(|e| {
                ApiError::bad_request(format!(
                    "the protobuf body of a {kind} could not be read: {e}"
                ))
            })
        }
        _ => Err(ApiError::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json, \
             application/yaml, application/vnd.kubernetes.protobuf",
        )),
    }
}

/// A body as errors show it (`summarizeData`).
fn summary(bytes: &[u8]) -> String {
    const MAX: usize = 30;
    let (head, more) = match bytes.get(..MAX) {
        Some(head) if bytes.len() > MAX => (head, " ..."),
        _ => (bytes, ""),
    };
    match bytes.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(head)),
        Some(_) => format!("{}{more}", hex::encode(head)),
    }
}

/// A patch's type and bytes (JSON).
pub(super) fn patch(media_type: &str, bytes: Bytes, force: bool) -> Result<Patch, ApiError> {
    let kind = match media_type {
        "application/json-patch+json" => PatchType::Json,
        "application/merge-patch+json" => PatchType::Merge,
        "application/strategic-merge-patch+json" => PatchType::Strategic,
        "application/apply-patch+yaml" => {
            let Yaml { value, repeated } = yaml::parse(&bytes)
                .map_err(|why| ApiError::bad_request(format!("error decoding patch: {why}")))?;
            return Ok(Patch {
                kind: PatchType::Apply { force },
                bytes: Bytes::from(value.to_string()),
                repeated,
            });
        }
        _ => {
            let error = ApiError::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
            return Err(ApiError {
                details: Some(serde_json::json!({})),
                ..error
            });
        }
    };
    Ok(Patch {
        kind,
        bytes,
        repeated: None,
    })
}
