//! Continue tokens of paged lists (`k8s.io/apiserver/pkg/storage/continue.go`).

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value, json};

use crate::error::ApiError;

const VERSION: &str = "meta.k8s.io/v1";
/// `base64.RawURLEncoding`.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContinueToken {
    /// At which revision; `None` for the present, which is inconsistent with the pages before.
    pub(super) revision: Option<u64>,
    /// The first path of the page, below the path of what is listed: `/name`, `/namespace/name`.
    pub(super) start: String,
}

impl ContinueToken {
    pub(super) fn encode(&self) -> String {
        let revision = self
            .revision
            .map_or(-1, |r| i64::try_from(r).unwrap_or(i64::MAX));
        let token = json!({"v": VERSION, "rv": revision, "start": self.start});
        BASE64.encode(token.to_string())
    }

    /// # Errors
    /// 400: no server gave this token out.
    pub(super) fn decode(text: &str) -> Result<Self, ApiError> {
        decode(text).map_err(|why| {
            ApiError::bad_request(format!(
                "invalid continue token: continue key is not valid{why}"
            ))
        })
    }
}

fn decode(text: &str) -> Result<ContinueToken, String> {
    let bytes = BASE64.decode(text).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _)
            | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            base64::DecodeError::InvalidLength(length) => length.saturating_sub(1),
            base64::DecodeError::InvalidPadding => text.find('=').unwrap_or(0),
        };
        format!(": illegal base64 data at input byte {at}")
    })?;
    let (token, _) = crate::patch::parse_json(&bytes).map_err(|error| format!(": {error}"))?;
    let version = string(&token, "v")?;
    let start = string(&token, "start")?;
    let revision = match &token["rv"] {
        Value::Null => 0,
        value => value
            .as_i64()
            .ok_or_else(|| mismatch(value, "rv", "int64"))?,
    };
    if version != VERSION {
        return Err(format!(
            ": server does not recognize this encoded version {version}"
        ));
    }
    if revision == 0 {
        return Err(format!(
            ": incorrect encoded start resourceVersion (version {VERSION})"
        ));
    }
    if start.is_empty() {
        return Err(format!(": encoded start key empty (version {VERSION})"));
    }
    let path = start.strip_prefix('/').unwrap_or(start);
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(format!(": {start}"));
    }
    Ok(ContinueToken {
        revision: u64::try_from(revision).ok(),
        start: format!("/{path}"),
    })
}

fn string<'a>(token: &'a Value, field: &str) -> Result<&'a str, String> {
    match &token[field] {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        other => Err(mismatch(other, field, "string")),
    }
}

fn mismatch(value: &Value, field: &str, wanted: &str) -> String {
    let found = match value {
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        _ => "number",
    };
    format!(
        ": json: cannot unmarshal {found} into Go struct field continueToken.{field} of type {wanted}"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_token_is_rejected_in_the_words_of_kubernetes() {
        let encoded = |value: &Value| BASE64.encode(value.to_string());
        let cases = [
            ("a.b".to_owned(), ": illegal base64 data at input byte 1"),
            ("abcde".to_owned(), ": illegal base64 data at input byte 4"),
            (
                BASE64.encode("x"),
                ": invalid character 'x' looking for beginning of value",
            ),
            (
                encoded(&json!({"v": "v2", "rv": 1, "start": "/a"})),
                ": server does not recognize this encoded version v2",
            ),
            (
                encoded(&json!({"v": VERSION, "start": "/a"})),
                ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ),
            (
                encoded(&json!({"v": VERSION, "rv": 1})),
                ": encoded start key empty (version meta.k8s.io/v1)",
            ),
            (
                encoded(&json!({"v": VERSION, "rv": 1, "start": "../a"})),
                ": ../a",
            ),
            (
                encoded(&json!({"v": VERSION, "rv": "1", "start": "a"})),
                ": json: cannot unmarshal string into Go struct field continueToken.rv of type int64",
            ),
        ];
        for (text, expected) in cases {
            let error = ContinueToken::decode(&text).expect_err("rejected");
            assert_eq!(
                error.message,
                format!("invalid continue token: continue key is not valid{expected}")
            );
        }
    }

    #[test]
    fn a_token_of_a_real_server_is_read() {
        let text = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTA3Nywic3RhcnQiOiIvYVx1MDAwMCJ9";
        let token = ContinueToken::decode(text).expect("a token");
        let expected = ContinueToken {
            revision: Some(1077),
            start: "/a\0".to_owned(),
        };
        assert_eq!((token, &*expected.encode()), (expected.clone(), text));
    }

    proptest! {
        #[test]
        fn a_token_survives_the_way_to_the_client_and_back(revision in 1..u64::MAX / 2, start in "/[a-z.-]{1,5}x(/[a-z]{1,5})?\0?") {
            let token = ContinueToken { revision: Some(revision), start };
            prop_assert_eq!(ContinueToken::decode(&token.encode()).expect("a token"), token);
        }

        #[test]
        fn any_text_is_read_or_rejected(text in "\\PC{0,60}") {
            drop(ContinueToken::decode(&text));
        }
    }
}
