//! HTTPS to webhooks, with connections kept open between calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The largest answer that is read.
const MAX_ANSWER: usize = 3 * 1024 * 1024;
/// Idle connections kept per endpoint.
const MAX_IDLE: usize = 16;

/// Where a webhook listens and who must have signed its certificate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Endpoint {
    /// DNS name or address, without brackets.
    pub(super) host: String,
    /// TCP port.
    pub(super) port: u16,
    /// PEM of the authorities that are trusted.
    pub(super) ca: Vec<u8>,
}

impl Endpoint {
    /// `host:port` as in a URL.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The webhook's configuration cannot be used.
    #[error("{0}")]
    Configuration(String),
    /// Nobody accepts connections there.
    #[error("dial tcp {authority}: connect: {source}")]
    Connect {
        /// Where.
        authority: String,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate does not hold, or TLS failed otherwise.
    #[error("tls: failed to verify certificate: {0}")]
    Tls(std::io::Error),
    /// HTTP failed.
    #[error("{0}")]
    Http(#[from] hyper::Error),
    /// The answer is larger than is read, or broke off.
    #[error("reading the answer: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

type Sender = SendRequest<Full<Bytes>>;

#[derive(Default)]
struct Pool {
    idle: Vec<Sender>,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// Connections to all webhooks.
#[derive(Default)]
pub(in crate::admission) struct Client {
    pools: Mutex<HashMap<Endpoint, Pool>>,
}

impl Client {
    /// Posts `body` as JSON; the answer is status and body.
    ///
    /// A kept connection that the other side has closed meanwhile is replaced, once.
    pub(super) async fn post(
        &self,
        endpoint: &Endpoint,
        path: &str,
        body: Bytes,
    ) -> Result<(u16, Bytes), SendError> {
        while let Some(sender) = self.take_idle(endpoint) {
            match self.exchange(endpoint, sender, path, body.clone()).await {
                Err(SendError::Http(error))
                    if error.is_canceled()
                        || error.is_closed()
                        || error.is_incomplete_message() => {}
                outcome => return outcome,
            }
        }
        let sender = self.connect(endpoint).await?;
        self.exchange(endpoint, sender, path, body).await
    }

    async fn exchange(
        &self,
        endpoint: &Endpoint,
        mut sender: Sender,
        path: &str,
        body: Bytes,
    ) -> Result<(u16, Bytes), SendError> {
        sender.ready().await?;
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, endpoint.authority())
            .header(header::ACCEPT, "application/json, */*")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "kube-apiserver-admission")
            .body(Full::new(body))
            .map_err(|error| {
                SendError::Configuration(format!("clientConfig.url cannot be requested: {error}"))
            })?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        let bytes = Limited::new(body, MAX_ANSWER)
            .collect()
            .await
            .map_err(SendError::Body)?
            .to_bytes();
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(endpoint.clone()).or_default();
        if pool.idle.len() < MAX_IDLE && !sender.is_closed() {
            pool.idle.push(sender);
        }
        Ok((head.status.as_u16(), bytes))
    }

    fn take_idle(&self, endpoint: &Endpoint) -> Option<Sender> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.get_mut(endpoint)?;
        while let Some(sender) = pool.idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Sender, SendError> {
        let tls = self.tls(endpoint)?;
        let refused = |source| SendError::Connect {
            authority: endpoint.authority(),
            source,
        };
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(refused)?;
        tcp.set_nodelay(true).map_err(refused)?;
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|_| {
            SendError::Configuration(format!("{:?} is no host name", endpoint.host))
        })?;
        let stream = TlsConnector::from(tls)
            .connect(name, tcp)
            .await
            .map_err(SendError::Tls)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the connection; its errors reach the waiting request.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// TLS that trusts the endpoint's authorities and nobody else, made once.
    fn tls(&self, endpoint: &Endpoint) -> Result<Arc<rustls::ClientConfig>, SendError> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(endpoint.clone()).or_default();
        if let Some(config) = &pool.tls {
            return Ok(Arc::clone(config));
        }
        let unusable = |why: &str| SendError::Configuration(format!("clientConfig.caBundle {why}"));
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&endpoint.ca) {
            let certificate = certificate.map_err(|_| unusable("is not PEM"))?;
            roots
                .add(certificate)
                .map_err(|_| unusable("holds a certificate that cannot be read"))?;
        }
        if roots.is_empty() {
            return Err(unusable(
                "is empty: give the PEM of the authority that signed the webhook's certificate",
            ));
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SendError::Configuration(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let config = Arc::new(config);
        pool.tls = Some(Arc::clone(&config));
        Ok(config)
    }
}
