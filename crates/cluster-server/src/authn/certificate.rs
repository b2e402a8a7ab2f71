//! Client certificates: the common name is the user, the organizations are the groups
//! (`k8s.io/apiserver/pkg/authentication/request/x509`).
//!
//! A connection is made with any certificate whose key the client holds ([`AskForAny`]); whether it counts is asked at
//! each request ([`Certificates::user`]), so that one that has expired meanwhile counts no more, and that one which
//! does not count is a 401 and no broken connection.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::identity::User;

/// Judges client certificates.
pub struct Certificates(Arc<dyn ClientCertVerifier>);

impl Certificates {
    /// Judges by `verifier`, which knows the authorities.
    pub fn new(verifier: Arc<dyn ClientCertVerifier>) -> Self {
        Self(verifier)
    }

    /// The user that the certificate stands for at this time.
    ///
    /// # Errors
    /// It is from somebody else, too old, too young, or for another use.
    pub(super) fn user(
        &self,
        certificate: &CertificateDer<'_>,
        now: Timestamp,
    ) -> Result<Option<User>, rustls::Error> {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        self.0.verify_client_cert(certificate, &[], now)?;
        Ok(user(certificate))
    }
}

/// `None` if it has no common name.
fn user(certificate: &CertificateDer<'_>) -> Option<User> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let name = parsed
        .subject()
        .iter_common_name()
        .next()?
        .as_str()
        .ok()?
        .to_owned();
    if name.is_empty() {
        return None;
    }
    let organizations = parsed.subject().iter_organization();
    let mut groups: Vec<String> = organizations
        .filter_map(|part| part.as_str().ok())
        .map(str::to_owned)
        .collect();
    let everybody = "system:authenticated".to_owned();
    if !groups.contains(&everybody) {
        groups.push(everybody);
    }
    let digest = format!(
        "X509SHA256={}",
        hex::encode(Sha256::digest(certificate.as_ref()))
    );
    let extra = [(
        "authentication.kubernetes.io/credential-id".to_owned(),
        vec![digest],
    )]
    .into();
    Some(User {
        name,
        uid: String::new(),
        groups,
        extra,
    })
}

/// Takes any certificate whose key the client proves to hold (`tls.RequestClientCert` of Go).
#[derive(Debug)]
pub struct AskForAny(pub Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for AskForAny {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
