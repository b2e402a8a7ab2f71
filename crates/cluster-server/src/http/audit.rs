//! Where a request's audit event begins and ends.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use uuid::Uuid;

use super::listen::Peer;
use super::respond::{BoxBody, Whole};
use crate::audit::{Received, Trail};
use crate::clock::Clock;

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// A longer `User-Agent` is cut, and says so.
const MAX_USER_AGENT: usize = 1024;
const TRUNCATED: &str = "...TRUNCATED";

/// The client's `Audit-ID`, as it is, or a new one. Every answer repeats it, audited or not.
pub(super) fn audit_id(headers: &HeaderMap) -> HeaderValue {
    let given = headers.get(AUDIT_ID).filter(|id| !id.is_empty());
    given.cloned().unwrap_or_else(|| {
        let mut buffer = Uuid::encode_buffer();
        let id = Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(id).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

/// What the event tells of the request before anybody looks at it.
pub(super) fn received(
    request: &Request<Incoming>,
    audit_id: &HeaderValue,
    peer: &Peer,
    clock: &Clock,
) -> Received {
    let uri = request.uri().path_and_query();
    Received {
        audit_id: String::from_utf8_lossy(audit_id.as_bytes()).into_owned(),
        at: clock.now(),
        uri: uri.map_or_else(|| request.uri().path().to_owned(), ToString::to_string),
        source_ips: source_ips(request.headers(), peer.address.ip()),
        user_agent: user_agent(request.headers()),
    }
}

/// The answer of a request whose event `trail` writes: noted, and held until its last byte where it takes its time.
pub(super) fn answered(
    mut response: Response<BoxBody>,
    trail: Trail,
    audit_id: HeaderValue,
) -> Response<BoxBody> {
    let whole = response.extensions_mut().remove::<Whole>();
    let status = response.status();
    let shown = whole.as_ref().and_then(|whole| whole.0.as_ref());
    trail.answered(status.as_u16(), shown);
    if status == StatusCode::SWITCHING_PROTOCOLS {
        // The headers are the other server's; whoever copies the bytes holds the trail.
        return response;
    }
    response.headers_mut().insert(AUDIT_ID, audit_id);
    if whole.is_some() || response.body().is_end_stream() {
        trail.complete();
        return response;
    }
    response.map(|body| {
        let held = move |frame| {
            let _until_the_end = &trail;
            frame
        };
        body.map_frame(held).boxed_unsync()
    })
}

/// `utilnet.SourceIPs`: what proxies tell, and the connection's other end, which nobody can make up.
fn source_ips(headers: &HeaderMap, peer: IpAddr) -> Vec<String> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let parse = |part: &str| part.trim().parse::<IpAddr>().ok();
    let mut out: Vec<IpAddr> = text("x-forwarded-for")
        .split(',')
        .filter_map(parse)
        .collect();
    if let Some(real) = parse(text("x-real-ip")).filter(|real| !out.contains(real)) {
        out.push(real);
    }
    if out.last() != Some(&peer) {
        out.push(peer);
    }
    out.iter().map(ToString::to_string).collect()
}

fn user_agent(headers: &HeaderMap) -> String {
    let bytes = headers
        .get(header::USER_AGENT)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    if bytes.len() <= MAX_USER_AGENT {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    String::from_utf8_lossy(&bytes[..MAX_USER_AGENT]).into_owned() + TRUNCATED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let parsed = all.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (HeaderName::from_static(name), value)
        });
        parsed.collect()
    }

    #[test]
    fn sources_are_told_in_the_order_of_their_way() {
        let check = |given: &[(&'static str, &str)], expected: &[&str]| {
            let peer = IpAddr::from([127, 0, 0, 1]);
            assert_eq!(source_ips(&headers(given), peer), expected);
        };
        check(&[], &["127.0.0.1"]);
        check(
            &[("x-forwarded-for", "10.0.0.1, nonsense, 10.0.0.2")],
            &["10.0.0.1", "10.0.0.2", "127.0.0.1"],
        );
        check(
            &[("x-forwarded-for", "10.0.0.1"), ("x-real-ip", "10.0.0.1")],
            &["10.0.0.1", "127.0.0.1"],
        );
        check(&[("x-real-ip", "127.0.0.1")], &["127.0.0.1"]);
        check(&[("x-real-ip", "::1")], &["::1", "127.0.0.1"]);
    }

    #[test]
    fn a_long_user_agent_is_cut() {
        let check = |length: usize, expected: usize| {
            let agent = user_agent(&headers(&[("user-agent", &"a".repeat(length))]));
            assert_eq!(agent.len(), expected);
        };
        check(1024, 1024);
        check(1025, 1024 + TRUNCATED.len());
    }
}
