//! A client that sends what it is told and hands back what came.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// What to send.
pub(super) struct Request {
    verb: String,
    path: String,
    body: Option<String>,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(super) fn new(verb: &str, path: &str) -> Self {
        Self {
            verb: verb.to_owned(),
            path: path.to_owned(),
            body: None,
            headers: Vec::new(),
        }
    }

    pub(super) fn with_body(mut self, body: &str) -> Self {
        self.body = Some(body.to_owned());
        self
    }

    pub(super) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_lowercase(), value.to_owned()));
        self
    }
}

/// What came.
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: Value,
    pub(super) warnings: Vec<String>,
}

pub(super) struct Client {
    address: String,
    tls: TlsConnector,
    token: String,
}

impl Client {
    pub(super) fn new(url: &str, ca_pem: &str, token: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in rustls_pki_types::CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
            roots
                .add(certificate.expect("a certificate"))
                .expect("an authority");
        }
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions");
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let address = url.trim_start_matches("https://").to_owned();
        Self {
            address,
            tls: TlsConnector::from(Arc::new(config)),
            token: token.to_owned(),
        }
    }

    /// One request on a connection of its own.
    pub(super) async fn send(&self, request: &Request) -> Answer {
        let stream = tokio::net::TcpStream::connect(&self.address)
            .await
            .expect("the server listens");
        stream.set_nodelay(true).expect("no delay");
        let name = "127.0.0.1".try_into().expect("a name");
        let stream = self.tls.connect(name, stream).await.expect("TLS");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP");
        let driver = tokio::spawn(connection);
        let response = sender
            .send_request(self.built(request))
            .await
            .expect("an answer");
        let code = response.status().as_u16();
        let warnings = response
            .headers()
            .get_all("warning")
            .iter()
            .filter_map(|value| value.to_str().ok());
        let warnings = warnings.map(|text| {
            let inner = text
                .strip_prefix("299 - \"")
                .and_then(|text| text.strip_suffix('"'));
            inner.unwrap_or(text).to_owned()
        });
        let warnings = warnings.collect();
        let bytes = response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        drop(sender);
        driver.abort();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
        Answer {
            code,
            body,
            warnings,
        }
    }

    fn built(&self, request: &Request) -> hyper::Request<Full<bytes::Bytes>> {
        let given = |name: &str| request.headers.iter().any(|(given, _)| given == name);
        let mut out = hyper::Request::builder()
            .method(request.verb.as_str())
            .uri(&request.path)
            .header("host", &self.address);
        if !given("authorization") {
            out = out.header("authorization", format!("Bearer {}", self.token));
        }
        if !given("accept") {
            out = out.header("accept", "application/json");
        }
        if request.body.is_some() && !given("content-type") {
            out = out.header("content-type", "application/json");
        }
        for (name, value) in &request.headers {
            out = out.header(name, value);
        }
        out.body(Full::from(request.body.clone().unwrap_or_default()))
            .expect("a request")
    }
}
