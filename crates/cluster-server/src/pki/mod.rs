//! The cluster's own keys: one certificate authority and one for the front proxy, the serving certificate, client certificates,
//! the key that signs service-account tokens, and the people's bearer tokens.
//!
//! Everything lives in the data directory, readable by its owner only. What is there is used as it is;
//! only what is missing is made, so that credentials survive a restart.

mod authority;
mod files;
mod kubeconfig;
mod people;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authn::AskForAny;

pub use authority::{Authority, KeyPairPem};
pub use files::write_private;
pub use people::{PEOPLE, Person};

/// The common name under which this server speaks for users to the servers of aggregated APIs.
pub const FRONT_PROXY: &str = "front-proxy-client";

/// Why the cluster's keys could not be read or made. Nothing can be served without them.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file of the data directory could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate could not be made or parsed.
    #[error("cannot make or read the certificate of {what}")]
    Certificate {
        /// Whose.
        what: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A PEM file does not hold what its name says; removing it lets a new one be made.
    #[error("{path} does not hold a usable key; remove it and start again to have a new one made")]
    Pem {
        /// Which file.
        path: PathBuf,
    },
    /// TLS refuses the certificates.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// Client certificates cannot be verified against the authority.
    #[error("cannot verify client certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The keys of one cluster, read from (or made in) its data directory.
pub struct Pki {
    data_dir: PathBuf,
    authority: Authority,
    serving: KeyPairPem,
    front_proxy_ca: Authority,
    front_proxy: KeyPairPem,
    service_account_key: Vec<u8>,
    people: Vec<Person>,
    now: Timestamp,
}

impl Pki {
    /// Reads the keys below `data_dir/pki`, and makes those that are missing.
    ///
    /// A crash in between leaves files that are whole (each is renamed into place); the next start makes the rest.
    pub fn open(data_dir: &Path, now: Timestamp) -> Result<Self, PkiError> {
        let pki = data_dir.join("pki");
        files::private_dir(&pki)?;
        let authority = Authority::open(&pki.join("ca.crt"), &pki.join("ca.key"), now)?;
        let serving = files::pair(&pki.join("server.crt"), &pki.join("server.key"), || {
            authority.serving("kube-apiserver", &serving_names(), now)
        })?;
        let front_proxy_ca = Authority::open(
            &pki.join("front-proxy-ca.crt"),
            &pki.join("front-proxy-ca.key"),
            now,
        )?;
        let front_proxy = files::pair(
            &pki.join("front-proxy-client.crt"),
            &pki.join("front-proxy-client.key"),
            || front_proxy_ca.client(FRONT_PROXY, &[], now),
        )?;
        let service_account_key =
            files::bytes(&pki.join("service-account.key"), authority::signing_key)?;
        files::settle(&pki)?;
        let people = people::open(&data_dir.join("users.json"))?;
        Ok(Self {
            data_dir: data_dir.to_owned(),
            authority,
            serving,
            front_proxy_ca,
            front_proxy,
            service_account_key,
            people,
            now,
        })
    }

    /// The certificate of the authority that signed everything here, as PEM.
    pub fn ca_pem(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// The certificate of the authority that signed the front-proxy certificate, as PEM. It signs nothing else, so that no
    /// other client can claim to speak for users.
    pub fn front_proxy_ca_pem(&self) -> &str {
        self.front_proxy_ca.certificate_pem()
    }

    /// What this server shows to the servers of aggregated APIs: a client certificate of [`FRONT_PROXY`], and its key.
    pub fn front_proxy(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), PkiError> {
        self.front_proxy
            .to_der(&self.data_dir.join("pki/front-proxy-client.key"))
    }

    /// The people of `users.json`, with their tokens and groups.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The bearer token of the administrator.
    pub fn admin_token(&self) -> &str {
        self.people
            .iter()
            .find(|person| person.name == "admin")
            .map_or("", |person| person.token.as_str())
    }

    /// The PKCS#8 key that signs service-account tokens (ECDSA P-256).
    pub fn service_account_key(&self) -> &[u8] {
        &self.service_account_key
    }

    /// A fresh client certificate: `user` becomes the common name, `groups` the organizations.
    pub fn client_certificate(&self, user: &str, groups: &[&str]) -> Result<KeyPairPem, PkiError> {
        self.authority.client(user, groups, self.now)
    }

    /// A fresh serving certificate for these names and addresses, for example of a node's endpoint.
    pub fn serving_certificate(
        &self,
        common_name: &str,
        names: &[String],
    ) -> Result<KeyPairPem, PkiError> {
        self.authority.serving(common_name, names, self.now)
    }

    /// Knows which client certificates are of this cluster's authority and hold.
    pub fn client_verifier(&self) -> Result<Arc<dyn ClientCertVerifier>, PkiError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.certificate_der().clone())?;
        Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
    }

    /// TLS as the API server offers it: HTTP/1.1 only (streams are upgraded), client certificates optional and judged
    /// later, by [`crate::authn`].
    pub fn server_config(&self) -> Result<Arc<rustls::ServerConfig>, PkiError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let clients = Arc::new(AskForAny(self.client_verifier()?));
        let (chain, key) = self.serving.to_der(&self.data_dir.join("pki/server.key"))?;
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Writes `kubeconfig` with one context per person, for a server at `url`.
    pub fn write_kubeconfig(&self, url: &str) -> Result<PathBuf, PkiError> {
        let path = self.data_dir.join("kubeconfig");
        write_private(
            &path,
            kubeconfig::render(url, self.ca_pem(), &self.people).as_bytes(),
        )?;
        Ok(path)
    }
}

impl KeyPairPem {
    /// Certificate and key in the form that TLS wants; `path` names the key in the error.
    pub fn to_der(
        &self,
        path: &Path,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), PkiError> {
        let unusable = || PkiError::Pem {
            path: path.to_owned(),
        };
        let certificate =
            CertificateDer::from_pem_slice(self.certificate.as_bytes()).map_err(|_| unusable())?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(|_| unusable())?;
        Ok((vec![certificate], key))
    }
}

/// What the API server may be called: loopback, and the names that Pods know it by.
fn serving_names() -> Vec<String> {
    let mut names = vec![
        IpAddr::from(Ipv4Addr::LOCALHOST).to_string(),
        IpAddr::from(Ipv6Addr::LOCALHOST).to_string(),
    ];
    for name in [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
    ] {
        names.push(name.to_owned());
    }
    names.push("kubernetes.default.svc.cluster.local".to_owned());
    names
}
