//! A webhook that answers as a test says, and tells what it was asked.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cluster_server::Server;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Respond = dyn Fn(&Value) -> Value + Send + Sync;

/// A webhook on loopback.
pub(crate) struct Stub {
    address: SocketAddr,
    ca: String,
    asked: Arc<Mutex<Vec<Value>>>,
    connections: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Stub {
    /// Listens, and answers each `request` of a review with the `response` that `respond` makes of it (the uid is
    /// added if it is missing). A `raw` in it is the whole answer: `status`, `location`, `body`. Of what is no review it sees
    /// the `url` alone.
    pub(crate) async fn start(
        server: &Server,
        respond: impl Fn(&Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        let pair = server
            .api()
            .pki
            .serving_certificate("hook", &["127.0.0.1".to_owned(), "hook.n.svc".to_owned()])
            .expect("a certificate");
        let (chain, key) = pair.to_der(Path::new("hook.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("TLS");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(tls)),
            Arc::new(respond),
            Arc::clone(&asked),
            Arc::clone(&connections),
        ));
        Self {
            address,
            ca: server.ca_pem().to_owned(),
            asked,
            connections,
            accepting,
        }
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The requests so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("no panic").clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// A webhook entry that asks this stub about `resources` of the core group.
    pub(crate) fn hook(&self, name: &str, operations: &[&str], resources: &[&str]) -> Value {
        json!({
            "name": name,
            "clientConfig": {"url": format!("https://{}/judge", self.address), "caBundle": STANDARD.encode(&self.ca)},
            "rules": [{"operations": operations, "apiGroups": [""], "apiVersions": ["v1"], "resources": resources, "scope": "*"}],
            "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 2, "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
        })
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    respond: Arc<Respond>,
    asked: Arc<Mutex<Vec<Value>>>,
    connections: Arc<AtomicUsize>,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::SeqCst);
        let (tls, respond, asked) = (tls.clone(), Arc::clone(&respond), Arc::clone(&asked));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(tcp).await else {
                return;
            };
            let service = service_fn(move |request| {
                answer(request, Arc::clone(&respond), Arc::clone(&asked))
            });
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    respond: Arc<Respond>,
    asked: Arc<Mutex<Vec<Value>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let query = request.uri().to_string();
    let bytes = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let review: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut question = review["request"].clone();
    question["url"] = query.into();
    let mut response = respond(&question);
    if let Some(raw) = response.get("raw") {
        return Ok(raw_answer(raw));
    }
    if response.get("uid").is_none() {
        response["uid"] = question["uid"].clone();
    }
    asked.lock().expect("no panic").push(question);
    let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
}

fn raw_answer(raw: &Value) -> Response<Full<Bytes>> {
    let status = raw["status"]
        .as_u64()
        .and_then(|status| u16::try_from(status).ok());
    let body = raw["body"].as_str().unwrap_or_default().to_owned();
    let mut answer = Response::builder().status(status.unwrap_or(200));
    if let Some(location) = raw["location"].as_str() {
        answer = answer.header(hyper::header::LOCATION, location);
    }
    answer
        .body(Full::new(Bytes::from(body)))
        .expect("an answer")
}
