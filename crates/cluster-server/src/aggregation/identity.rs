//! Who asks, told to another server (`k8s.io/client-go/transport.SetAuthProxyHeaders`).
//!
//! **Invariant:** nothing that a client wrote under these names reaches the other server.

use std::fmt::Write as _;

use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::identity::User;

const USER: &str = "x-remote-user";
const UID: &str = "x-remote-uid";
const GROUP: &str = "x-remote-group";
const EXTRA_PREFIX: &str = "x-remote-extra-";
const IMPERSONATE_PREFIX: &str = "impersonate-";
/// A WebSocket protocol that carries a bearer token.
const BEARER_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// Puts `user` in the place of every credential and claim in `headers`.
pub(super) fn put(headers: &mut HeaderMap, user: &User) {
    clear(headers);
    let mut add = |name: &str, value: &str| {
        // A name or value that is no header was refused where it came in; left out, it says less, never more.
        if let (Ok(name), Ok(value)) = (
            HeaderName::try_from(name),
            HeaderValue::from_bytes(value.as_bytes()),
        ) {
            headers.append(name, value);
        }
    };
    add(USER, &user.name);
    if !user.uid.is_empty() {
        add(UID, &user.uid);
    }
    for group in &user.groups {
        add(GROUP, group);
    }
    for (key, values) in &user.extra {
        let name = format!("{EXTRA_PREFIX}{}", escaped(key));
        for value in values {
            add(&name, value);
        }
    }
}

/// Takes away credentials, and whatever looks like our own words.
fn clear(headers: &mut HeaderMap) {
    let ours = |name: &HeaderName| {
        let name = name.as_str();
        matches!(name, USER | UID | GROUP)
            || name.starts_with(EXTRA_PREFIX)
            || name.starts_with(IMPERSONATE_PREFIX)
    };
    let names: Vec<HeaderName> = headers.keys().filter(|name| ours(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
    headers.remove(AUTHORIZATION);
    let protocols: Vec<String> = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|protocol| protocol.trim().to_owned())
        .filter(|protocol| !protocol.starts_with(BEARER_PROTOCOL))
        .collect();
    if headers.remove(SEC_WEBSOCKET_PROTOCOL).is_some()
        && let Ok(value) = HeaderValue::try_from(protocols.join(", "))
    {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
}

/// A key of `extra` as a part of a header's name: what may not stand there is percent-encoded.
fn escaped(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"!#$&'*+-.^_`|~".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_client_claims_reaches_the_other_server() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer secret"),
            ("x-remote-user", "root"),
            ("x-remote-group", "system:masters"),
            ("x-remote-extra-scopes", "all"),
            ("x-remote-uid", "0"),
            ("impersonate-user", "root"),
            (
                "sec-websocket-protocol",
                "base64url.bearer.authorization.k8s.io.c2VjcmV0, v5.channel.k8s.io",
            ),
            ("accept", "application/json"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let user = User {
            name: "alice".into(),
            groups: vec!["sre".into(), "system:authenticated".into()],
            extra: [("example.com/a b".to_owned(), vec!["1".to_owned()])].into(),
            ..User::default()
        };
        put(&mut headers, &user);
        let mut left: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()))
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "accept: application/json",
                "sec-websocket-protocol: v5.channel.k8s.io",
                "x-remote-extra-example.com%2fa%20b: 1",
                "x-remote-group: sre",
                "x-remote-group: system:authenticated",
                "x-remote-user: alice",
            ]
        );
    }
}
