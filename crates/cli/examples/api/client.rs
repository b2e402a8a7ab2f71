//! A client that costs little: one kept connection, requests one after the other.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use kube::config::Kubeconfig;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where the server is, and how to be its administrator.
#[derive(Clone)]
pub(crate) struct Server {
    address: String,
    authorization: String,
    tls: TlsConnector,
}

impl Server {
    /// The server of a kubeconfig, as its context `admin`.
    pub(crate) fn of(kubeconfig: &Path) -> Result<Self> {
        let config = Kubeconfig::read_from(kubeconfig)?;
        let cluster = config.clusters.into_iter().find_map(|named| named.cluster);
        let cluster = cluster.context("no cluster")?;
        let admin = config
            .auth_infos
            .into_iter()
            .find(|named| named.name == "admin");
        let token = serde_json::to_value(admin.and_then(|named| named.auth_info))?;
        let token = token["token"].as_str().context("no token")?;
        let authority = cluster.certificate_authority_data.context("no authority")?;
        let pem = base64::engine::general_purpose::STANDARD.decode(authority)?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem)?)?;
        let tls = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = cluster.server.context("no server")?;
        Ok(Self {
            address: server.trim_start_matches("https://").to_owned(),
            authorization: format!("Bearer {token}"),
            tls: TlsConnector::from(Arc::new(tls)),
        })
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self
            .tls
            .connect(ServerName::try_from("127.0.0.1")?, stream)
            .await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection {
            sender,
            authorization: self.authorization.clone(),
        })
    }
}

/// A kept connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authorization: String,
}

impl Connection {
    async fn send(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<http::Response<Incoming>> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1")
            .header("accept", "application/json")
            .header("content-type", kind)
            .header("authorization", &self.authorization)
            .body(Full::new(body))?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }

    /// How long a request takes to its last byte; anything but success is an error.
    pub(crate) async fn timed(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> Result<Duration> {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        let start = Instant::now();
        let response = self.send(method, path, kind, body).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        let took = start.elapsed();
        ensure!(
            status.is_success(),
            "{method} {path}: {status}: {}",
            String::from_utf8_lossy(&bytes)
        );
        Ok(took)
    }

    /// How long it takes to read a path.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Duration> {
        self.timed("GET", path, "application/json", &Value::Null)
            .await
    }

    /// How long it takes to create an object.
    pub(crate) async fn create(&mut self, path: &str, object: &Value) -> Result<Duration> {
        self.timed("POST", path, "application/json", object).await
    }

    /// How long a strategic merge patch takes.
    pub(crate) async fn patch(&mut self, path: &str, patch: &Value) -> Result<Duration> {
        self.timed(
            "PATCH",
            path,
            "application/strategic-merge-patch+json",
            patch,
        )
        .await
    }

    /// A watch: its body, from which lines come.
    pub(crate) async fn watch(mut self, path: &str) -> Result<Incoming> {
        let response = self
            .send("GET", path, "application/json", Bytes::new())
            .await?;
        ensure!(
            response.status().is_success(),
            "{path}: {}",
            response.status()
        );
        Ok(response.into_body())
    }
}
