//! What others need to check service-account tokens by themselves
//! (`pkg/serviceaccount/openidmetadata.go`): the issuer's metadata and its public key.

use http::HeaderMap;
use serde_json::json;

use super::{Authenticator, ISSUER};
use crate::http::Answer;

const CONFIGURATION: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";

/// The answer to one of the two paths; `None` for any other.
pub fn answer(authenticator: &Authenticator, path: &str, headers: &HeaderMap) -> Option<Answer> {
    match path.strip_suffix('/').unwrap_or(path) {
        CONFIGURATION => {
            let host = headers
                .get(http::header::HOST)
                .and_then(|host| host.to_str().ok())
                .unwrap_or_default();
            Some(Answer::value(
                200,
                &json!({
                    "issuer": ISSUER, "jwks_uri": format!("https://{host}{KEYS}"),
                    "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256"],
                }),
            ))
        }
        KEYS => {
            let keys = json!({"keys": [authenticator.accounts().public_key()]});
            let bytes = bytes::Bytes::from(keys.to_string());
            Some(Answer::Typed(200, "application/jwk-set+json", bytes))
        }
        _ => None,
    }
}
