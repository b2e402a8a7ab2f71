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
    /// DNS name or address that is dialled, without brackets.
    pub(super) host: String,
    /// TCP port.
    pub(super) port: u16,
    /// The name that its certificate must carry.
    pub(super) name: String,
    /// `host[:port]` of the URL.
    pub(super) authority: String,
    /// PEM of the authorities that are trusted; empty: those that this machine trusts.
    pub(super) ca: Vec<u8>,
}

impl Endpoint {
    fn dialled(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why nothing came back, in the words of Go's HTTP client.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The webhook's configuration cannot be used.
    #[error("{0}")]
    Configuration(String),
    /// There is no such host.
    #[error("dial tcp: lookup {0}: no such host")]
    Lookup(String),
    /// Nobody accepts connections there.
    #[error("dial tcp {address}: connect: {}", connect_text(source))]
    Connect {
        /// Where.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate does not hold, or TLS failed otherwise.
    #[error("{}", tls_text(.0))]
    Tls(std::io::Error),
    /// The other side hung up.
    #[error("EOF")]
    Ended,
    /// HTTP failed.
    #[error("{0}")]
    Http(hyper::Error),
    /// The answer is larger than is read, or broke off.
    #[error("reading the answer: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

impl From<hyper::Error> for SendError {
    fn from(error: hyper::Error) -> Self {
        if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
            Self::Ended
        } else {
            Self::Http(error)
        }
    }
}

fn connect_text(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        std::io::ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}

fn tls_text(error: &std::io::Error) -> String {
    use rustls::CertificateError as Bad;
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(bad)) => {
            let why = match bad {
                Bad::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
                Bad::Expired
                | Bad::ExpiredContext { .. }
                | Bad::NotValidYet
                | Bad::NotValidYetContext { .. } => {
                    "certificate has expired or is not yet valid".to_owned()
                }
                Bad::NotValidForNameContext {
                    expected,
                    presented,
                } => {
                    let expected = expected.to_str();
                    let presented: Vec<&str> =
                        presented.iter().map(|name| plain_name(name)).collect();
                    format!(
                        "certificate is valid for {}, not {expected}",
                        presented.join(", ")
                    )
                }
                other => other.to_string(),
            };
            format!("tls: failed to verify certificate: x509: {why}")
        }
        Some(other) => format!("tls: {other}"),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => error.to_string(),
    }
}

/// `DnsName("x")` and `IpAddress(…)`, as presented names are printed, without their wrapping.
fn plain_name(name: &str) -> &str {
    name.split(['(', ')'])
        .nth(1)
        .unwrap_or(name)
        .trim_matches('"')
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
                Err(SendError::Ended) => {}
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
            .header(header::HOST, &endpoint.authority)
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
        let refused = |source: std::io::Error| match source.raw_os_error() {
            // A name that leads nowhere is no error of the operating system.
            None => SendError::Lookup(endpoint.host.clone()),
            Some(_) => SendError::Connect {
                address: endpoint.dialled(),
                source,
            },
        };
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
            .await
            .map_err(refused)?;
        tcp.set_nodelay(true).map_err(refused)?;
        let name = ServerName::try_from(endpoint.name.clone()).map_err(|_| {
            SendError::Configuration(format!("{:?} is no host name", endpoint.name))
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

    /// TLS that trusts the endpoint's authorities and nobody else (without any: those of this machine), made once.
    fn tls(&self, endpoint: &Endpoint) -> Result<Arc<rustls::ClientConfig>, SendError> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry(endpoint.clone()).or_default();
        if let Some(config) = &pool.tls {
            return Ok(Arc::clone(config));
        }
        let unusable = |why: &str| SendError::Configuration(format!("clientConfig.caBundle {why}"));
        let mut roots = rustls::RootCertStore::empty();
        if endpoint.ca.is_empty() {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        for certificate in CertificateDer::pem_slice_iter(&endpoint.ca) {
            let certificate = certificate.map_err(|_| unusable("is not PEM"))?;
            roots
                .add(certificate)
                .map_err(|_| unusable("holds a certificate that cannot be read"))?;
        }
        if roots.is_empty() && !endpoint.ca.is_empty() {
            return Err(unusable("holds no certificate"));
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
