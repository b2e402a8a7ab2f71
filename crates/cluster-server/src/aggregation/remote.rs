//! Another server that answers a group and version, and the way to it.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::pki::Pki;
use crate::service::{self, ResolveError, Upstream};
use crate::store::Store;

/// Why another server did not answer. The next attempt may fare better.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// Its Service leads nowhere.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Its APIService cannot be used as it is.
    #[error("{0}")]
    Configuration(String),
    /// Nobody accepts connections there.
    #[error("dial tcp {authority}: connect: {why}")]
    Connect {
        /// Where.
        authority: String,
        /// In Go's words, where they are known.
        why: String,
    },
    /// Its certificate does not hold, or ours is not taken.
    #[error("tls: failed to verify certificate: {0}")]
    Tls(std::io::Error),
    /// It broke off.
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

/// A group and version that another server answers.
pub struct Remote {
    /// The APIService's name, `VERSION.GROUP`.
    pub name: String,
    /// The group.
    pub group: String,
    /// The version.
    pub version: String,
    /// `groupPriorityMinimum` and `versionPriority`.
    pub priority: (i64, i64),
    /// The APIService's `spec`, to see whether it has changed.
    pub(super) spec: Value,
    namespace: String,
    service: String,
    port: u16,
    tls: Result<Arc<ClientConfig>, String>,
    known: Mutex<Known>,
}

/// What was found out about the server.
#[derive(Default)]
struct Known {
    is_available: bool,
    resources: Option<Arc<Value>>,
}

impl Remote {
    /// What `api_service` names; `None` if that is this server itself.
    pub(super) fn of(pki: &Pki, api_service: &Value) -> Option<Self> {
        let spec = &api_service["spec"];
        let reference = spec.get("service").filter(|value| value.is_object())?;
        let text =
            |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let number = |field: &str| spec[field].as_i64().unwrap_or(0);
        let (namespace, service) = (text(reference, "namespace"), text(reference, "name"));
        let conditions = api_service["status"]["conditions"].as_array();
        let is_available = conditions
            .into_iter()
            .flatten()
            .any(|one| one["type"] == "Available" && one["status"] == "True");
        Some(Self {
            name: text(&api_service["metadata"], "name"),
            group: text(spec, "group"),
            version: text(spec, "version"),
            priority: (number("groupPriorityMinimum"), number("versionPriority")),
            port: reference["port"]
                .as_u64()
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(443),
            tls: client_config(pki, spec).map_err(|error| error.to_string()),
            spec: spec.clone(),
            namespace,
            service,
            known: Mutex::new(Known {
                is_available,
                resources: None,
            }),
        })
    }

    /// Whether its `Available` condition is true.
    pub fn is_available(&self) -> bool {
        self.known().is_available
    }

    /// The `APIResourceList` that it answered last, if it ever did.
    pub fn resources(&self) -> Option<Arc<Value>> {
        self.known().resources.clone()
    }

    /// Takes over what a check has found.
    pub(super) fn found(&self, is_available: bool, resources: Option<Value>) {
        let mut known = self.known();
        known.is_available = is_available;
        if let Some(resources) = resources {
            known.resources = Some(Arc::new(resources));
        }
    }

    /// Whether it stands behind this Service.
    pub(super) fn is_behind(&self, namespace: &str, service: &str) -> bool {
        self.namespace == namespace && self.service == service
    }

    /// The Service, as `namespace`, `name`, `port`.
    pub(super) fn reference(&self) -> (&str, &str, u16) {
        (&self.namespace, &self.service, self.port)
    }

    /// Where it is at this moment.
    pub(super) fn resolve(&self, store: &Store) -> Result<Upstream, ResolveError> {
        service::resolve(store, &self.namespace, &self.service, self.port)
    }

    /// Sends one request over a connection of its own, which stays open for an upgrade.
    pub(super) async fn send<B>(
        &self,
        upstream: &Upstream,
        request: Request<B>,
    ) -> Result<Response<Incoming>, SendError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let tls = self.tls.clone().map_err(SendError::Configuration)?;
        let refused = |error: std::io::Error| SendError::Connect {
            authority: upstream.authority(),
            why: go_words(&error),
        };
        let tcp = TcpStream::connect((upstream.host.as_str(), upstream.port))
            .await
            .map_err(refused)?;
        tcp.set_nodelay(true).map_err(refused)?;
        let name = ServerName::try_from(service::server_name(&self.namespace, &self.service))
            .map_err(|_| SendError::Configuration(format!("{:?} is no host name", self.service)))?;
        let stream = TlsConnector::from(tls)
            .connect(name, tcp)
            .await
            .map_err(SendError::Tls)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an aggregated API ended");
            }
        });
        Ok(sender.send_request(request).await?)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn go_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        std::io::ErrorKind::TimedOut => "i/o timeout".to_owned(),
        _ => error.to_string(),
    }
}

/// Why no connection can be made at all.
#[derive(Debug, thiserror::Error)]
enum ConfigError {
    #[error("unable to load root certificates: spec.caBundle is not PEM")]
    Bundle,
    #[error(transparent)]
    Pki(#[from] crate::pki::PkiError),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

/// TLS with the front-proxy certificate, trusting `caBundle`, the machine's authorities if there is none, or anybody if
/// the APIService says so.
fn client_config(pki: &Pki, spec: &Value) -> Result<Arc<ClientConfig>, ConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = if spec["insecureSkipTLSVerify"] == true {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        builder.with_root_certificates(roots(spec)?)
    };
    let (chain, key) = pki.front_proxy()?;
    let mut config = builder.with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn roots(spec: &Value) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    let Some(bundle) = spec["caBundle"].as_str().filter(|text| !text.is_empty()) else {
        // Those that cannot be read are trusted for nothing.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    let pem = STANDARD.decode(bundle).map_err(|_| ConfigError::Bundle)?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|_| ConfigError::Bundle)?)?;
    }
    if roots.is_empty() {
        return Err(ConfigError::Bundle);
    }
    Ok(roots)
}

/// Takes any certificate (`insecureSkipTLSVerify`), but only from somebody who holds its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
