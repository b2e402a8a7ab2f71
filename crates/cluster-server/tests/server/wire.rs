//! Requests over HTTPS, with whatever headers and certificate a test wants.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cluster_server::pki::KeyPairPem;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use tokio_rustls::TlsConnector;

use super::Cluster;

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A client of a cluster, perhaps with a certificate.
pub(crate) struct Client {
    address: String,
    tls: TlsConnector,
    headers: Vec<(String, String)>,
}

impl Client {
    /// Somebody without credentials.
    pub(crate) fn anonymous(cluster: &Cluster) -> Self {
        Self::with(cluster, None)
    }

    /// The administrator.
    pub(crate) fn admin(cluster: &Cluster) -> Self {
        Self::bearer(cluster, cluster.server.admin_token())
    }

    /// Whoever holds this token.
    pub(crate) fn bearer(cluster: &Cluster, token: &str) -> Self {
        Self::anonymous(cluster).header("authorization", &format!("Bearer {token}"))
    }

    /// Whoever this certificate is of.
    pub(crate) fn certificate(cluster: &Cluster, pair: &KeyPairPem) -> Self {
        Self::with(cluster, Some(pair))
    }

    fn with(cluster: &Cluster, pair: Option<&KeyPairPem>) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(cluster.server.ca_pem().as_bytes());
        roots.add(ca.expect("a certificate")).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let (chain, key) = pair.to_der(Path::new("client.key")).expect("a pair");
                builder.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        let address = cluster.server.url();
        Self {
            address: address.trim_start_matches("https://").to_owned(),
            tls: TlsConnector::from(Arc::new(config)),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
        }
    }

    /// Sends this header with every request, `Accept` in place of the usual one.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if name == "accept" {
            self.headers.retain(|(one, _)| one != name);
        }
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let (head, body) = self.request(method, path, body).await.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer {
            code: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The answer as it begins; an upgrade can be taken from it.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> http::Response<Incoming> {
        let tcp = tokio::net::TcpStream::connect(&self.address)
            .await
            .expect("it listens");
        let name = "127.0.0.1".try_into().expect("a name");
        let stream = self.tls.connect(name, tcp).await.expect("TLS");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP");
        tokio::spawn(connection.with_upgrades());
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut bytes = Bytes::new();
        if let Some(body) = body {
            if !self.headers.iter().any(|(name, _)| name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            bytes = Bytes::from(body.to_string());
        }
        sender
            .send_request(request.body(Full::new(bytes)).expect("a request"))
            .await
            .expect("an answer")
    }
}
