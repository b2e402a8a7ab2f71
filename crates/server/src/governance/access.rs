//! How a cluster is reached.

use std::path::Path;

use kube::config::AuthInfo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// A cluster and somebody's way in.
#[derive(Clone)]
pub enum Access {
    /// As a kubeconfig describes it.
    Config(Box<kube::Config>),
    /// By URL, CA and bearer token.
    Token {
        /// `https://…`
        url: String,
        /// The CA's certificates.
        ca_pem: String,
        /// The bearer token.
        token: String,
    },
}

/// Why a cluster cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No URL.
    #[error("{url:?} is no URL of a cluster")]
    Url {
        /// What was given.
        url: String,
        /// Why it is none.
        source: http::uri::InvalidUri,
    },
    /// No CA.
    #[error("the cluster's CA is no PEM certificate")]
    Ca(#[source] rustls::pki_types::pem::Error),
    /// No client.
    #[error("no client for the cluster could be made")]
    Client(#[source] Box<kube::Error>),
}

impl Access {
    /// By URL, CA and bearer token.
    pub fn token(url: &str, ca_pem: &str, token: &str) -> Self {
        Self::Token {
            url: url.to_owned(),
            ca_pem: ca_pem.to_owned(),
            token: token.to_owned(),
        }
    }

    /// By URL, CA and whatever else a kubeconfig's user may have.
    pub(crate) fn identity(
        url: &str,
        ca_pem: &str,
        identity: AuthInfo,
    ) -> Result<Self, AccessError> {
        let mut config = Self::token(url, ca_pem, "").config()?;
        config.auth_info = identity;
        Ok(Self::Config(Box::new(config)))
    }

    /// A client of this very access.
    pub fn client(&self) -> Result<kube::Client, AccessError> {
        connect(self.config()?)
    }

    /// A client of the same cluster with another token, read from this file and again when it changes.
    pub(crate) fn client_with(&self, token_file: &Path) -> Result<kube::Client, AccessError> {
        let mut config = self.config()?;
        config.auth_info = AuthInfo {
            token_file: Some(token_file.display().to_string()),
            ..AuthInfo::default()
        };
        connect(config)
    }

    fn config(&self) -> Result<kube::Config, AccessError> {
        let mut config = match self {
            Self::Config(config) => (**config).clone(),
            Self::Token { url, ca_pem, token } => {
                let parsed = url.parse().map_err(|source| AccessError::Url {
                    url: url.clone(),
                    source,
                })?;
                let mut config = kube::Config::new(parsed);
                let authorities = CertificateDer::pem_slice_iter(ca_pem.as_bytes());
                let authorities: Result<Vec<_>, _> =
                    authorities.map(|der| der.map(|der| der.to_vec())).collect();
                config.root_cert = Some(authorities.map_err(AccessError::Ca)?);
                config.auth_info.token = Some(token.clone().into());
                config
            }
        };
        // Whoever calls decides what may be tried again.
        config.default_retry = false;
        Ok(config)
    }
}

fn connect(config: kube::Config) -> Result<kube::Client, AccessError> {
    kube::Client::try_from(config).map_err(|error| AccessError::Client(Box::new(error)))
}
