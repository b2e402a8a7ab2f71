//! The node's HTTPS endpoint: `containerLogs`, `exec` and `attach`, for the API server and nobody else.
//!
//! Who connects must show a client certificate of the cluster's authority with the API server's name;
//! without one the handshake fails before a request is read.

mod container_logs;
mod query;
mod streams;
mod tls;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;
use query::Query;
pub use tls::{API_SERVER_NAME, TlsError, server_config};

/// A response's body: whole, or a log that goes on.
type Body = BoxBody<Bytes, std::io::Error>;

/// The endpoint, bound.
pub struct Endpoint {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Endpoint {
    /// Binds `address`; port 0 takes a free one.
    pub async fn bind(
        address: SocketAddr,
        tls: Arc<rustls::ServerConfig>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            listener: TcpListener::bind(address).await?,
            tls: TlsAcceptor::from(tls),
        })
    }

    /// The port.
    pub fn port(&self) -> std::io::Result<u16> {
        Ok(self.listener.local_addr()?.port())
    }

    /// Serves until `stop`; streams that are open are cut then.
    pub async fn run(self, shared: Arc<Shared>, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else {
                // Out of descriptors: the next turn may have one again.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let (shared, tls, stop) = (shared.clone(), self.tls.clone(), stop.clone());
            tokio::spawn(async move {
                tokio::select! {
                    served = connection(stream, tls, shared) => {
                        if let Err(error) = served {
                            tracing::debug!(error, "a connection to the node ended");
                        }
                    }
                    () = stop.cancelled() => {}
                }
            });
        }
    }
}

async fn connection(
    stream: TcpStream,
    tls: TlsAcceptor,
    shared: Arc<Shared>,
) -> Result<(), String> {
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let stream = tls
        .accept(stream)
        .await
        .map_err(|error| error.to_string())?;
    let is_api_server = tls::is_api_server(stream.get_ref().1.peer_certificates());
    let service = hyper::service::service_fn(move |request| {
        let shared = shared.clone();
        async move {
            let answer = if is_api_server {
                route(shared, request).await
            } else {
                text(
                    StatusCode::FORBIDDEN,
                    "only the API server may look into this node's Pods",
                )
            };
            Ok::<_, Infallible>(answer)
        }
    });
    let server = hyper::server::conn::http1::Builder::new();
    let served = server
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    served.map_err(|error| error.to_string())
}

/// `/{verb}/{namespace}/{pod}/{container}`.
struct Address {
    namespace: String,
    pod: String,
    container: String,
}

async fn route(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let address = |namespace: &str, pod: &str, container: &str| Address {
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
        container: container.to_owned(),
    };
    match parts[..] {
        ["healthz"] => text(StatusCode::OK, "ok"),
        ["containerLogs", namespace, pod, container] => {
            container_logs::serve(&shared, &address(namespace, pod, container), &query).await
        }
        ["exec", namespace, pod, container] => {
            streams::exec(
                &shared,
                &address(namespace, pod, container),
                &query,
                request,
            )
            .await
        }
        ["attach", namespace, pod, container] => {
            streams::attach(
                &shared,
                &address(namespace, pod, container),
                &query,
                request,
            )
            .await
        }
        _ => text(StatusCode::NOT_FOUND, "404 page not found"),
    }
}

fn text(status: StatusCode, message: impl Into<String>) -> Response<Body> {
    let body = Full::new(Bytes::from(message.into()))
        .map_err(|never| match never {})
        .boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
