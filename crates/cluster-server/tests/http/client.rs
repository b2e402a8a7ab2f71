//! A server in a temporary directory, and a client for it that shows everything.

use std::net::Ipv4Addr;
use std::sync::Arc;

use cluster_server::audit::AuditConfig;
use cluster_server::clock::Clock;
use cluster_server::{Config, Server};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A request.
#[derive(Debug)]
pub(crate) struct Wanted {
    method: String,
    path: String,
    accept: String,
    token: Option<String>,
    headers: Vec<(String, String)>,
    body: Option<(String, String)>,
}

impl Wanted {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let accept = "application/json".to_owned();
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            accept,
            token: None,
            headers: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn accept(mut self, accept: &str) -> Self {
        accept.clone_into(&mut self.accept);
        self
    }

    pub(crate) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, media_type: &str, body: &str) -> Self {
        self.body = Some((media_type.to_owned(), body.to_owned()));
        self
    }
}

pub(crate) struct Cluster {
    pub(crate) server: Server,
    tls: TlsConnector,
    data_dir: tempfile::TempDir,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    pub(crate) async fn start_with(audit: Option<AuditConfig>) -> Self {
        let data_dir = tempfile::tempdir().expect("a directory");
        let listen = (Ipv4Addr::LOCALHOST, 0).into();
        let config = Config {
            data_dir: data_dir.path().to_owned(),
            listen,
            bare: true,
            clock: Clock::system(),
            audit,
        };
        let server = Server::start(config).await.expect("a server");
        let mut roots = rustls::RootCertStore::empty();
        let ca = rustls_pki_types::CertificateDer::from_pem_slice(server.ca_pem().as_bytes())
            .expect("a certificate");
        roots.add(ca).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions");
        let tls = TlsConnector::from(Arc::new(
            config.with_root_certificates(roots).with_no_client_auth(),
        ));
        let cluster = Self {
            server,
            tls,
            data_dir,
        };
        cluster
            .wait_for("/api/v1/namespaces/default/serviceaccounts/default")
            .await;
        cluster
    }

    /// Waits until there is something at the path: the controllers make it.
    pub(crate) async fn wait_for(&self, path: &str) {
        while self.json(&Wanted::new("GET", path)).await.0 != 200 {
            tokio::task::yield_now().await;
        }
    }

    /// A connection on which nothing was said yet.
    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        let address = self.server.url();
        let stream = TcpStream::connect(address.trim_start_matches("https://"));
        let stream = stream.await.expect("it listens");
        let name = "127.0.0.1".try_into().expect("a name");
        self.tls.connect(name, stream).await.expect("TLS")
    }

    pub(crate) async fn send(&self, wanted: &Wanted) -> http::Response<Incoming> {
        let stream = self.connect().await;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP");
        tokio::spawn(connection.with_upgrades());
        let token = wanted.token.as_deref().unwrap_or(self.server.admin_token());
        let mut request = http::Request::builder()
            .method(wanted.method.as_str())
            .uri(wanted.path.as_str())
            .header("host", "127.0.0.1")
            .header("accept", wanted.accept.as_str())
            .header("authorization", format!("Bearer {token}"));
        for (name, value) in &wanted.headers {
            request = request.header(name, value);
        }
        let mut bytes = Bytes::new();
        if let Some((media_type, body)) = &wanted.body {
            request = request.header("content-type", media_type.as_str());
            bytes = Bytes::from(body.clone());
        }
        sender
            .send_request(request.body(Full::new(bytes)).expect("a request"))
            .await
            .expect("an answer")
    }

    /// The answer's code and JSON.
    pub(crate) async fn json(&self, wanted: &Wanted) -> (u16, Value) {
        let response = self.send(wanted).await;
        let code = response.status().as_u16();
        let bytes = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) async fn create(&self, path: &str, object: &Value) -> Value {
        let wanted = Wanted::new("POST", path).body("application/json", &object.to_string());
        let (code, body) = self.json(&wanted).await;
        assert_eq!(code, 201, "{body}");
        body
    }

    pub(crate) async fn watch(&self, path: &str) -> Lines {
        let response = self.send(&Wanted::new("GET", path)).await;
        assert_eq!(response.status(), 200);
        Lines {
            body: response.into_body(),
            rest: Vec::new(),
        }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    /// The bearer token of one of the four people.
    pub(crate) fn token_of(&self, person: &str) -> String {
        let users = std::fs::read(self.data_dir.path().join("users.json")).expect("users");
        let users: Value = serde_json::from_slice(&users).expect("JSON");
        users[person].as_str().expect("a token").to_owned()
    }

    pub(crate) async fn stop(self) {
        self.server.stop().await;
    }
}

/// A stream of JSON lines.
pub(crate) struct Lines {
    body: Incoming,
    rest: Vec<u8>,
}

impl Lines {
    /// Whether nothing more comes; waits for what comes.
    pub(crate) async fn end(&mut self) -> bool {
        self.rest.is_empty() && self.body.frame().await.is_none()
    }

    /// The next line; waits for it.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return serde_json::from_slice(&line).expect("a line of JSON");
            }
            let frame = self
                .body
                .frame()
                .await
                .expect("the watch goes on")
                .expect("a frame");
            self.rest
                .extend_from_slice(&frame.into_data().expect("data"));
        }
    }
}
