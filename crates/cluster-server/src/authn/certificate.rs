//! Client certificates: the common name is the user, the organizations are the groups.

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::identity::User;

/// The user that a verified certificate stands for; `None` if it has no common name.
pub(super) fn user(certificate: &CertificateDer<'_>) -> Option<User> {
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
    groups.push("system:authenticated".to_owned());
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
