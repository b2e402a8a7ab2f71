//! The way to a node's HTTPS endpoint, with the API server's own client certificate.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::api::Api;
use crate::error::ApiError;
use crate::pki::{Pki, PkiError};

/// Who the API server is to a node, as kubeadm calls it: the common name that a node lets in.
pub const CLIENT_NAME: &str = "kube-apiserver-kubelet-client";

/// Where a node listens, by its Node object.
pub(super) struct Place {
    host: String,
    port: u16,
}

impl Place {
    /// The place of `node`; the kubelet's port 10250 if the object does not say.
    pub(super) fn of(api: &Api, node: &str) -> Result<Self, ApiError> {
        let object = api
            .store
            .get("nodes", "", node)
            .ok_or_else(|| ApiError::not_found("", "nodes", node))?;
        let status = &object.value["status"];
        let addresses = status["addresses"].as_array().into_iter().flatten();
        let host = addresses
            .filter(|address| address["type"] == "InternalIP")
            .find_map(|address| address["address"].as_str())
            .ok_or_else(|| {
                ApiError::internal(format!("no preferred addresses found for node {node:?}"))
            })?;
        let port = status["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_u64();
        let port = port
            .and_then(|port| u16::try_from(port).ok())
            .filter(|&port| port > 0)
            .unwrap_or(10250);
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Sends one request over a connection of its own, which stays open for an upgrade.
    pub(super) async fn send(
        &self,
        pki: &Pki,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, ApiError> {
        let dialing = |error: &dyn std::fmt::Display| {
            ApiError::internal(format!(
                "error dialing backend: https://{}:{}: {error}",
                self.host, self.port
            ))
        };
        let tls = client_config(pki).map_err(|error| dialing(&error))?;
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| dialing(&error))?;
        stream.set_nodelay(true).map_err(|error| dialing(&error))?;
        let name = ServerName::try_from(self.host.clone()).map_err(|error| dialing(&error))?;
        let stream = TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .map_err(|error| dialing(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| dialing(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to a node ended");
            }
        });
        sender
            .send_request(request)
            .await
            .map_err(|error| dialing(&error))
    }

    /// A request for `path` on this node.
    pub(super) fn request(&self, method: http::Method, path: &str) -> http::request::Builder {
        let host = format!("{}:{}", self.host, self.port);
        Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, host)
    }
}

/// TLS towards nodes. The certificate is made anew: it costs less than the handshake it is for.
fn client_config(pki: &Pki) -> Result<Arc<rustls::ClientConfig>, PkiError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    let path = Path::new("ca.crt");
    let authority = CertificateDer::from_pem_slice(pki.ca_pem().as_bytes());
    roots.add(authority.map_err(|_| PkiError::Pem {
        path: path.to_owned(),
    })?)?;
    let (chain, key) = pki.client_certificate(CLIENT_NAME, &[])?.to_der(path)?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    Ok(Arc::new(config))
}

/// The words of a node's refusal, for a `Status` of the API server (`GenericHttpResponseChecker`).
pub(super) fn refusal(code: u16, text: &str, resource: &str, name: &str) -> ApiError {
    let text = text.trim();
    match code {
        400 => ApiError::bad_request(text),
        404 => {
            let message =
                format!("the server could not find the requested resource ( {resource} {name})");
            let details = serde_json::json!({"name": name, "kind": resource, "causes": [{"reason": "UnexpectedServerResponse", "message": text}]});
            ApiError {
                details: Some(details),
                ..ApiError::new(404, "NotFound", message)
            }
        }
        _ => ApiError::internal(text),
    }
}

/// A Pod of the store.
pub(super) fn pod(api: &Api, namespace: &str, name: &str) -> Result<Value, ApiError> {
    let found = api.store.get("pods", namespace, name);
    found
        .map(|object| object.value.clone())
        .ok_or_else(|| ApiError::not_found("", "pods", name))
}
