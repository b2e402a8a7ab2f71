//! The webhook's HTTPS server: HTTP/1.1 with keep-alive, as API servers call it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use admission::{Gate, Review};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::certificates::Certificate;

/// The longest review: two Pods of at most 1.5 MiB each as etcd stores them, with room for JSON.
const LONGEST_BODY: usize = 8 << 20;

/// So many connections at once; an API server keeps a few.
const CONNECTIONS: usize = 512;

/// How long a client may take to greet, and to say what it wants.
const GREETS_WITHIN: Duration = Duration::from_secs(5);

/// A path that only the API server is told, new at every start.
///
/// API servers show webhooks no certificate unless somebody configures one, so on its address alone a
/// webhook would take any process of the machine for an API server, and write its inventions into the log.
/// The path stands in the webhook configurations, which administrators can read. **It is no
/// authentication**: an API server tells the URL of a webhook that fails to whoever asked. What a forged
/// review can do is bounded besides: a verdict counts only with its object, a reservation only with its
/// container.
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        let mut bytes = [0; 16];
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.secure_random.fill(&mut bytes)?;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Listens and serves until `stop`; where it listens.
pub(crate) async fn serve(
    listen: SocketAddr,
    certificate: &Certificate,
    key: &Key,
    gate: Gate,
    stop: CancellationToken,
    tasks: &mut JoinSet<()>,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(Arc::clone(&certificate.tls));
    tasks.spawn(accept(listener, acceptor, router(key, gate), stop));
    Ok(address)
}

/// Which question a path asks.
#[derive(Debug, Clone, Copy)]
enum Door {
    Visits,
    Stamp,
    Objects,
}

fn router(key: &Key, gate: Gate) -> Router {
    let door = |door: Door| {
        post(async move |State(gate): State<Gate>, body: Bytes| answer(&gate, door, &body).await)
    };
    let doors = Router::new()
        .route("/visits", door(Door::Visits))
        .route("/stamp", door(Door::Stamp))
        .route("/objects", door(Door::Objects));
    Router::new()
        .nest(&format!("/{}", key.as_str()), doors)
        .route("/healthz", get(async || "ok"))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(gate)
}

async fn answer(gate: &Gate, door: Door, body: &[u8]) -> Response {
    let review = match Review::parse(body) {
        Ok(review) => review,
        // The API server takes whatever is not an answer for a failure, and a failure for a no.
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let began = Instant::now();
    let answer = match door {
        Door::Visits => gate.visits(&review).await,
        Door::Stamp => gate.stamp(&review).await,
        Door::Objects => gate.objects(&review).await,
    };
    tracing::info!(
        review = review.uid,
        operation = ?review.operation,
        resource = review.path(),
        namespace = review.namespace,
        name = review.name,
        user = review.user_info.username,
        dry_run = review.dry_run,
        allowed = answer.is_allowed(),
        micros = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        "admission"
    );
    Json(answer.to_json(&review.uid)).into_response()
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            // Those that have ended are taken off the list.
            Some(_) = connections.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: a moment later some are free.
                tracing::warn!(%error, "the webhook could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!("too many connections to the webhook at once");
            continue;
        };
        let (acceptor, router, stop) = (acceptor.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            connection(stream, acceptor, router, stop).await;
            drop(place);
        });
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    router: Router,
    stop: CancellationToken,
) {
    // Small answers must not wait for one another.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(GREETS_WITHIN, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "no TLS"),
        Err(_) => return tracing::debug!("no TLS in time"),
    };
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    // Between requests an API server's connection rests: this bounds the head of one, and a rest.
    http.header_read_timeout(Duration::from_secs(90));
    let serving = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the webhook broke off");
    }
}
