//! TLS of the node's endpoint: its serving certificate, and whose client certificate is accepted.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

/// Common name of the client certificate that the API server shows to nodes (as kubeadm calls it).
pub const API_SERVER_NAME: &str = "kube-apiserver-kubelet-client";

/// The given PEM texts are not what they should be. Nothing can be served with them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key that cannot be read.
    #[error("{what} is not PEM: {error}")]
    Pem {
        /// Which.
        what: &'static str,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// The authority cannot be used to verify clients.
    #[error("the authority's certificate cannot verify clients: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// The library refuses them.
    #[error("the serving certificate cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3, with a client certificate of the authority required.
pub fn server_config(
    certificate: &str,
    key: &str,
    authority: &str,
) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let pem = |what| move |error| TlsError::Pem { what, error };
    let chain = certificates(certificate).map_err(pem("the serving certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(pem("the serving key"))?;
    let mut roots = RootCertStore::empty();
    for root in certificates(authority).map_err(pem("the authority's certificate"))? {
        roots.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?;
    Ok(Arc::new(
        config
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?,
    ))
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, rustls::pki_types::pem::Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect()
}

/// Whether the verified client certificate is the API server's.
pub(super) fn is_api_server(chain: Option<&[CertificateDer<'_>]>) -> bool {
    let Some(leaf) = chain.and_then(<[_]>::first) else {
        return false;
    };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(leaf) else {
        return false;
    };
    certificate
        .subject()
        .iter_common_name()
        .any(|name| name.as_str() == Ok(API_SERVER_NAME))
}
