//! One request, passed on to another server (`kube-aggregator/pkg/apiserver/handler_proxy.go`).

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::identity;
use super::remote::{Remote, SendError};
use crate::api::Api;
use crate::audit::Trail;
use crate::http::{BoxBody, empty, full};
use crate::identity::User;

const UNAVAILABLE: &str = "service unavailable";
const REDIRECTED: &str = "the backend attempted to redirect this request, which is not permitted";
/// How long discovery (`/apis/GROUP/VERSION`) may take.
const DISCOVERY: Duration = Duration::from_secs(5);
/// Copied at once between the two legs of an upgraded connection.
const BUFFER: usize = 64 * 1024;
/// Headers that are about one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "proxy-connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
];

/// Who asks, for the other server.
pub struct Caller<'a> {
    /// The user, who may make the request.
    pub user: &'a User,
    /// Where the request came from.
    pub address: IpAddr,
    /// The request's name in the audit log of both servers.
    pub audit_id: &'a HeaderValue,
    /// The request's audit event: complete when nothing more is passed on.
    pub trail: &'a Trail,
}

/// Passes a request on to `remote`, and the answer back.
pub async fn forward(
    api: &Api,
    remote: &Remote,
    caller: Caller<'_>,
    request: Request<Incoming>,
) -> Response<BoxBody> {
    if !remote.is_available() {
        return text(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
    }
    let Ok(upstream) = remote.resolve(&api.store) else {
        return text(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE);
    };
    let is_discovery = request.uri().path().trim_matches('/').split('/').count() == 3;
    let (request, client) = prepared(request, &caller);
    let upgrade = client.is_some();
    let sent = remote.send(&upstream, request);
    let sent = if is_discovery {
        match tokio::time::timeout(DISCOVERY, sent).await {
            Ok(sent) => sent,
            Err(_) => return unreachable("context deadline exceeded", upgrade),
        }
    } else {
        sent.await
    };
    match sent {
        Err(SendError::Configuration(why)) => text(StatusCode::INTERNAL_SERVER_ERROR, &why),
        Err(error) => unreachable(&error.to_string(), upgrade),
        Ok(answer) => match client {
            Some(client) => joined(client, answer, caller.trail.clone()),
            None => answered(answer),
        },
    }
}

/// The request as it goes out, and the client's end of the connection if it is to be upgraded.
fn prepared(
    mut request: Request<Incoming>,
    caller: &Caller<'_>,
) -> (Request<Incoming>, Option<hyper::upgrade::OnUpgrade>) {
    let client = is_upgrade(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    let wanted = head.headers.get(header::UPGRADE).cloned();
    strip(&mut head.headers);
    if let (Some(_), Some(protocol)) = (&client, wanted) {
        let upgrade = HeaderValue::from_static("Upgrade");
        head.headers.insert(header::CONNECTION, upgrade);
        head.headers.insert(header::UPGRADE, protocol);
    }
    identity::put(&mut head.headers, caller.user);
    pass_through(&mut head.headers, caller.address);
    let audit_id = HeaderName::from_static("audit-id");
    head.headers.insert(audit_id, caller.audit_id.clone());
    // Clients may write the whole URL; a server wants the path.
    if let Some(path) = head.uri.path_and_query() {
        head.uri = path.clone().into();
    }
    head.version = http::Version::HTTP_11;
    head.extensions = http::Extensions::new();
    (Request::from_parts(head, body), client)
}

/// Adds the client's address to those that the request has come through.
fn pass_through(headers: &mut HeaderMap, address: IpAddr) {
    let name = HeaderName::from_static("x-forwarded-for");
    let mut through: Vec<String> = headers
        .get_all(&name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(str::to_owned)
        .collect();
    through.push(address.to_string());
    if let Ok(value) = HeaderValue::try_from(through.join(", ")) {
        headers.insert(name, value);
    }
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let connection = headers.get_all(header::CONNECTION).iter();
    connection
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.to_ascii_lowercase().contains("upgrade"))
}

/// Removes what is about the one connection only, as named in `Connection` too.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let fixed = HOP_BY_HOP.iter().map(|name| (*name).to_owned());
    for name in named.into_iter().chain(fixed).chain(["upgrade".to_owned()]) {
        headers.remove(name.as_str());
    }
}

fn answered(answer: Response<Incoming>) -> Response<BoxBody> {
    let is_redirect =
        answer.status().is_redirection() && answer.headers().contains_key(header::LOCATION);
    if is_redirect {
        let mut response = Response::new(full(REDIRECTED));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        return response;
    }
    let (mut head, body) = answer.into_parts();
    strip(&mut head.headers);
    let mut response = Response::new(body.map_err(std::io::Error::other).boxed_unsync());
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    response
}

/// Both legs as one connection, in both directions, until either side ends: the audit event is complete then.
fn joined(
    client: hyper::upgrade::OnUpgrade,
    mut answer: Response<Incoming>,
    trail: Trail,
) -> Response<BoxBody> {
    let status = answer.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        if status.as_u16() < 400 {
            let why = format!("invalid upgrade response: status code {}", status.as_u16());
            return text(StatusCode::SERVICE_UNAVAILABLE, &why);
        }
        return answered(answer);
    }
    let server = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let (client, server) = match tokio::try_join!(client, server) {
            Ok(legs) => legs,
            Err(error) => return tracing::debug!(%error, "a connection was not handed over"),
        };
        let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
        let copied =
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER)
                .await;
        if let Err(error) = copied {
            tracing::debug!(%error, "a stream was cut");
        }
        drop(trail);
    });
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    *response.headers_mut() = answer.headers().clone();
    response
}

/// The words for a server that did not answer; those for an upgrade lack the beginning.
fn unreachable(why: &str, upgrade: bool) -> Response<BoxBody> {
    let why = if upgrade {
        why.to_owned()
    } else {
        format!("error trying to reach service: {why}")
    };
    text(StatusCode::SERVICE_UNAVAILABLE, &why)
}

/// `http.Error` of Go.
fn text(status: StatusCode, why: &str) -> Response<BoxBody> {
    let mut response = Response::new(full(format!("{why}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, plain);
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
