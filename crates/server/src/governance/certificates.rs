//! The webhook's own CA, kept, and its serving certificate, made anew at every start.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::accounts::write_secret;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The CA's files.
    #[error("{} cannot be used: make the data directory writable, or remove the file", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Making or reading one.
    #[error(
        "the webhook's certificate could not be made: remove webhook-ca.* from the data directory"
    )]
    Make(#[from] rcgen::Error),
    /// Serving with it.
    #[error("the webhook cannot serve TLS")]
    Tls(#[from] rustls::Error),
}

/// What the webhook serves with, and what the API server is told to trust.
pub(crate) struct Certificate {
    pub(crate) ca_pem: String,
    pub(crate) tls: Arc<ServerConfig>,
}

/// The CA of this folder, made if there is none, and a serving certificate for the loopback address.
///
/// A crash between the CA's two files leaves a key without a certificate, and both are made anew:
/// nobody trusts that CA yet.
pub(crate) fn load_or_create(folder: &Path) -> Result<Certificate, CertificateError> {
    let (key_file, ca_file) = (folder.join("webhook-ca.key"), folder.join("webhook-ca.pem"));
    let (ca_pem, ca_key) = if let (Some(pem), Some(key)) = (read(&ca_file)?, read(&key_file)?) {
        (pem, KeyPair::from_pem(&key)?)
    } else {
        let key = KeyPair::generate()?;
        let pem = authority()?.self_signed(&key)?.pem();
        write(&key_file, &key.serialize_pem())?;
        write(&ca_file, &pem)?;
        (pem, key)
    };
    let issuer = Issuer::from_ca_cert_pem(&ca_pem, ca_key)?;
    let key = KeyPair::generate()?;
    let serving = serving()?.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![serving.der().clone()], private)?;
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Certificate {
        ca_pem,
        tls: Arc::new(tls),
    })
}

fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "ephemera webhook CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn serving() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    params.subject_alt_names.push(SanType::IpAddress(loopback));
    params
        .distinguished_name
        .push(DnType::CommonName, "ephemera webhook");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn read(path: &Path) -> Result<Option<String>, CertificateError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CertificateError::File {
            path: path.to_owned(),
            source,
        }),
    }
}

fn write(path: &Path, text: &str) -> Result<(), CertificateError> {
    write_secret(path, text).map_err(|source| CertificateError::File {
        path: path.to_owned(),
        source,
    })
}
