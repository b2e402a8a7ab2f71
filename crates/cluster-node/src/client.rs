//! A client of the API server from the node's credential.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// What a node shows the API server, and whom it trusts; all PEM.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Client certificate of `system:node:<name>` in `system:nodes`.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// The cluster's authority.
    pub authority: String,
}

/// Why there is no client. The credential or the URL must be corrected.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is none.
    #[error("{0:?} is no URL of an API server")]
    Url(String),
    /// The authority's certificate is not PEM.
    #[error("the authority's certificate is not PEM")]
    Authority(#[source] rustls::pki_types::pem::Error),
    /// The client library refuses them.
    #[error("the credential cannot be used")]
    Credential(#[source] Box<kube::Error>),
}

/// A client for the API server at `url`.
pub fn connect(url: &str, credential: &Credential) -> Result<kube::Client, ClientError> {
    let url = url.parse().map_err(|_| ClientError::Url(url.to_owned()))?;
    let mut config = kube::Config::new(url);
    let roots: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(credential.authority.as_bytes()).collect();
    let roots = roots.map_err(ClientError::Authority)?;
    config.root_cert = Some(roots.into_iter().map(|root| root.to_vec()).collect());
    config.auth_info.client_certificate_data = Some(STANDARD.encode(&credential.certificate));
    config.auth_info.client_key_data = Some(STANDARD.encode(&credential.key).into());
    kube::Client::try_from(config).map_err(|error| ClientError::Credential(Box::new(error)))
}

/// An error of the API in one line: the server's own message where there is one.
pub fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
