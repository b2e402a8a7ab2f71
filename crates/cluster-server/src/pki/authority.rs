//! The certificate authority, and what it signs.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::{PkiError, files};

/// How long certificates hold, in years: longer than anybody keeps a cluster of one machine.
const YEARS: i16 = 10;

/// A certificate and its private key, both PEM.
#[derive(Clone)]
pub struct KeyPairPem {
    /// The certificate.
    pub certificate: String,
    /// The key (PKCS#8).
    pub key: String,
}

impl std::fmt::Debug for KeyPairPem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPairPem").finish_non_exhaustive()
    }
}

/// The authority that signs the serving and client certificates of this cluster.
pub struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Reads the authority, or makes one whose certificate and key land in these two files.
    pub(super) fn open(certificate: &Path, key: &Path, now: Timestamp) -> Result<Self, PkiError> {
        let pair = files::pair(certificate, key, || make_authority(now))?;
        let failed = |source| PkiError::Certificate {
            what: "the cluster's authority".into(),
            source,
        };
        let der = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).map_err(|_| {
            PkiError::Pem {
                path: certificate.to_owned(),
            }
        })?;
        let key = KeyPair::from_pem(&pair.key).map_err(failed)?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(failed)?;
        Ok(Self {
            pem: pair.certificate,
            der,
            issuer,
        })
    }

    /// The authority's certificate as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The authority's certificate as DER.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// A client certificate of `user` in `groups` (common name and organizations, as Kubernetes reads them).
    pub(super) fn client(
        &self,
        user: &str,
        groups: &[&str],
        now: Timestamp,
    ) -> Result<KeyPairPem, PkiError> {
        let mut params = leaf(user, &[], now)?;
        for group in groups {
            params
                .distinguished_name
                .push(DnType::OrganizationName, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(user, &params)
    }

    /// A serving certificate for these names and addresses.
    pub(super) fn serving(
        &self,
        common_name: &str,
        names: &[String],
        now: Timestamp,
    ) -> Result<KeyPairPem, PkiError> {
        let mut params = leaf(common_name, names, now)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(common_name, &params)
    }

    fn sign(&self, what: &str, params: &CertificateParams) -> Result<KeyPairPem, PkiError> {
        let failed = |source| PkiError::Certificate {
            what: what.to_owned(),
            source,
        };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(KeyPairPem {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn make_authority(now: Timestamp) -> Result<KeyPairPem, PkiError> {
    let failed = |source| PkiError::Certificate {
        what: "the cluster's authority".into(),
        source,
    };
    let mut params = leaf("kubernetes", &[], now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.use_authority_key_identifier_extension = false;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(KeyPairPem {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// A PKCS#8 key for ECDSA P-256 signatures, as PEM-less DER.
pub(super) fn signing_key() -> Result<Vec<u8>, PkiError> {
    let failed = |source| PkiError::Certificate {
        what: "the service-account key".into(),
        source,
    };
    Ok(KeyPair::generate().map_err(failed)?.serialize_der())
}

fn leaf(
    common_name: &str,
    names: &[String],
    now: Timestamp,
) -> Result<CertificateParams, PkiError> {
    let failed = |source| PkiError::Certificate {
        what: common_name.to_owned(),
        source,
    };
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let today = now.to_zoned(TimeZone::UTC).date();
    // From the first of last year, so that a clock set back a little does not make them invalid.
    params.not_before = rcgen::date_time_ymd(i32::from(today.year()) - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(i32::from(today.year() + YEARS), 1, 1);
    Ok(params)
}
