//! Where a request carries its bearer token (`k8s.io/apiserver/pkg/authentication/request/{bearertoken,websocket}`).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};

use super::TokenError;

/// A WebSocket protocol that carries a bearer token.
const PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// The token of `Authorization: Bearer …`. Other schemes are nobody's, and so is a token after two spaces.
pub(super) fn of_header(headers: &HeaderMap) -> Result<Option<String>, TokenError> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| TokenError::Unknown)?.trim();
    let mut parts = text.splitn(3, ' ');
    let (scheme, token) = (parts.next(), parts.next());
    let is_bearer = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"));
    Ok(token
        .filter(|token| is_bearer && !token.is_empty())
        .map(str::to_owned))
}

/// The token among the protocols of a WebSocket, for browsers, which cannot set headers.
pub(super) fn of_protocols(headers: &HeaderMap) -> Result<Option<String>, TokenError> {
    let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    if !upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
        return Ok(None);
    }
    let protocols = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let (mut tokens, mut others) = (Vec::new(), 0);
    for protocol in protocols {
        match protocol.trim().strip_prefix(PROTOCOL) {
            Some(token) => tokens.push(token),
            None => others += 1,
        }
    }
    match tokens.as_slice() {
        [] => Ok(None),
        // The protocol with the token is never the one that is agreed on.
        [one] if others > 0 => {
            let bytes = URL_SAFE_NO_PAD
                .decode(one)
                .map_err(|_| TokenError::Unknown)?;
            let token = String::from_utf8(bytes).map_err(|_| TokenError::Unknown)?;
            Ok(Some(token).filter(|token| !token.is_empty()))
        }
        _ => Err(TokenError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, value: &str, expected: Result<Option<&str>, TokenError>) {
        let mut headers = HeaderMap::new();
        headers.insert(UPGRADE, http::HeaderValue::from_static("websocket"));
        let value =
            http::HeaderValue::from_str(value).unwrap_or(http::HeaderValue::from_static(""));
        headers.insert(name, value);
        let found = if name == "authorization" {
            of_header(&headers)
        } else {
            of_protocols(&headers)
        };
        assert_eq!(found, expected.map(|token| token.map(str::to_owned)));
    }

    #[test]
    fn a_token_is_read_as_kubernetes_reads_it() {
        check("authorization", "Bearer abc", Ok(Some("abc")));
        check("authorization", "bearer abc def", Ok(Some("abc")));
        check("authorization", "Bearer  abc", Ok(None));
        check("authorization", "Basic abc", Ok(None));
        check("authorization", "Bearer", Ok(None));
        let token = "base64url.bearer.authorization.k8s.io.YWJj";
        let protocols = "sec-websocket-protocol";
        check(
            protocols,
            &format!("{token}, v5.channel.k8s.io"),
            Ok(Some("abc")),
        );
        check(protocols, token, Err(TokenError::Unknown));
        check(
            protocols,
            &format!("{token}, {token}, x"),
            Err(TokenError::Unknown),
        );
        check(protocols, "v5.channel.k8s.io", Ok(None));
    }
}
