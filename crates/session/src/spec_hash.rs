//! What an approval binds: one hash over everything an approver says yes to.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::{Container, Request};

/// A policy as it stood when it was asked.
///
/// The uid is part of it: a policy deleted and made anew starts at generation 1 again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyVersion {
    /// Name of the `DebugPolicy`.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its `metadata.generation`.
    pub generation: i64,
}

/// SHA-256 over the canonical JSON (RFC 8785) of a visit's terms.
///
/// A different person, Pod, container, reason, policy or reach is a different hash, and an approval
/// of the one is no approval of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpecHash([u8; 32]);

/// Text that is no spec hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no spec hash: it is `sha256:` and 64 hexadecimal digits")]
pub struct NotASpecHash(pub String);

impl SpecHash {
    /// The hash of a request on these terms.
    ///
    /// `container` is what a server-side dry run returned, so that defaults and other webhooks' changes
    /// are in it; `policies` are those that were satisfied, in the order of their names;
    /// `exposure_digest` is the digest of what the visit would expose.
    pub fn of(
        request: &Request,
        container: &Container,
        policies: &[PolicyVersion],
        exposure_digest: &str,
    ) -> Self {
        let policies: Vec<Value> = policies
            .iter()
            .map(|p| json!({"name": p.name, "uid": p.uid, "generation": p.generation}))
            .collect();
        let terms = json!({
            "session": request.session.uid,
            "person": {
                "username": request.requester.username,
                "uid": request.requester.uid,
                "groups": request.requester.groups,
            },
            "pod": request.pod.uid,
            "mode": request.mode.as_str(),
            "container": container.raw(),
            "target": container.target(),
            "injection": request.injection.as_str(),
            "durationSeconds": request.duration.as_secs(),
            "reason": request.reason,
            "ticket": request.ticket,
            "policies": policies,
            "exposure": exposure_digest,
        });
        Self(Sha256::digest(canonical(&terms)).into())
    }
}

/// The canonical JSON (RFC 8785) of a value.
pub fn canonical(value: &Value) -> Vec<u8> {
    // Serialising a `Value` to memory cannot fail; an empty answer would still never equal another hash's input.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

impl fmt::Display for SpecHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl FromStr for SpecHash {
    type Err = NotASpecHash;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || NotASpecHash(text.to_owned());
        let digits = text.strip_prefix("sha256:").ok_or_else(wrong)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| wrong())?;
        Ok(Self(bytes))
    }
}
