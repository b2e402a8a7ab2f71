//! Bound service-account tokens: JWTs (ES256) that name their account, audience, expiry and the object they
//! are bound to, and that are void once that object is gone.
//!
//! Source: `pkg/serviceaccount/claims.go`.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::api::meta;
use crate::clock::Clock;
use crate::identity::User;
use crate::store::Store;

/// The issuer of all tokens, and the audience of those meant for the API server.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// How far a token's times may lie beside ours, and how long it outlives the deletion of what it is bound to, in seconds.
const LEEWAY: i64 = 60;

/// Why a token is not accepted, in the words of TokenReview, or could not be made. It never holds the token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// The signing key is not usable.
    #[error("the service-account key is not a P-256 key in PKCS#8")]
    Key,
    /// It is no token that anybody here knows.
    #[error("invalid bearer token")]
    Unknown,
    /// The signature does not hold.
    #[error("[invalid bearer token, go-jose/go-jose: error in cryptographic primitive]")]
    Signature,
    /// It is no more valid.
    #[error("[invalid bearer token, service account token has expired]")]
    Expired,
    /// It is not valid yet.
    #[error("[invalid bearer token, service account token is not valid yet]")]
    Early,
    /// It is meant for somebody else.
    #[error(
        "[invalid bearer token, token audiences {meant} is invalid for the target audiences {wanted}]"
    )]
    Audience {
        /// Whom it is meant for, as Go prints lists.
        meant: String,
        /// Who asks.
        wanted: String,
    },
    /// The account is gone, or another one of that name.
    #[error("[invalid bearer token, {0}]")]
    Account(String),
    /// What it is bound to is gone.
    #[error("[invalid bearer token, service account token has been invalidated]")]
    Invalidated,
}

/// What a token is bound to besides its account.
#[derive(Debug, Clone, Default)]
pub struct Bound {
    /// `pod`, `secret` or `node`.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The object's uid.
    pub uid: String,
    /// The node of a bound Pod, name and uid, if it has one.
    pub node: Option<(String, String)>,
}

/// A new token.
#[derive(Clone)]
pub struct Issued {
    /// The token.
    pub token: String,
    /// What tells it from others without giving it away, for audit: `JTI=…`.
    pub credential: String,
    /// When it was made, in Unix seconds.
    pub at: i64,
}

/// Makes and checks service-account tokens.
pub struct ServiceAccountTokens {
    key: EcdsaKeyPair,
    key_id: String,
    random: SystemRandom,
    store: Arc<Store>,
    clock: Clock,
}

impl ServiceAccountTokens {
    /// Signs with `pkcs8`; accounts and bound objects are looked up in `store`.
    pub fn new(pkcs8: &[u8], store: Arc<Store>, clock: Clock) -> Result<Self, TokenError> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| TokenError::Key)?;
        let key_id = URL_SAFE_NO_PAD.encode(Sha256::digest(key.public_key().as_ref()));
        Ok(Self {
            key,
            key_id,
            random: SystemRandom::new(),
            store,
            clock,
        })
    }

    /// The public key as a JSON Web Key.
    pub fn public_key(&self) -> Value {
        // An uncompressed point: one byte that says so, then both coordinates.
        let point = self.key.public_key().as_ref();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        json!({
            "use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// A token for the account, valid for `seconds`. Past `warn_after` seconds its use is to be warned of.
    pub fn issue(
        &self,
        namespace: &str,
        (name, uid): (&str, &str),
        audiences: &[String],
        (seconds, warn_after): (i64, Option<i64>),
        bound: Option<&Bound>,
    ) -> Result<Issued, TokenError> {
        let now = self.clock.now().as_second();
        let mut private =
            json!({"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}});
        if let Some(bound) = bound {
            private[&bound.kind] = json!({"name": bound.name, "uid": bound.uid});
            if let Some((node, node_uid)) = &bound.node {
                private["node"] = json!({"name": node});
                if !node_uid.is_empty() {
                    private["node"]["uid"] = node_uid.as_str().into();
                }
            }
        }
        if let Some(after) = warn_after {
            private["warnafter"] = (now + after).into();
        }
        let audiences = if audiences.is_empty() {
            vec![ISSUER.to_owned()]
        } else {
            audiences.to_vec()
        };
        let id = uuid::Uuid::new_v4().to_string();
        let claims = json!({
            "aud": audiences, "exp": now + seconds, "iat": now, "iss": ISSUER, "jti": id,
            "kubernetes.io": private, "nbf": now, "sub": format!("system:serviceaccount:{namespace}:{name}"),
        });
        let header = json!({"alg": "ES256", "kid": self.key_id});
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self
            .key
            .sign(&self.random, signed.as_bytes())
            .map_err(|_| TokenError::Key)?;
        Ok(Issued {
            token: format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())),
            credential: format!("JTI={id}"),
            at: now,
        })
    }

    /// The user of a token that holds now, and for which of `audiences` (none: the API server's own) it is meant.
    pub fn verify(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), TokenError> {
        let claims = self.claims(token)?;
        let now = self.clock.now().as_second();
        let time = |key: &str| claims[key].as_i64().ok_or(TokenError::Unknown);
        let meant: Vec<String> = claims["aud"]
            .as_array()
            .ok_or(TokenError::Unknown)?
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let own = [ISSUER.to_owned()];
        let wanted = if audiences.is_empty() {
            &own[..]
        } else {
            audiences
        };
        let both: Vec<String> = meant
            .iter()
            .filter(|one| wanted.contains(one))
            .cloned()
            .collect();
        if both.is_empty() {
            return Err(TokenError::Audience {
                meant: quoted(&meant),
                wanted: quoted(wanted),
            });
        }
        if now - LEEWAY > time("exp")? {
            return Err(TokenError::Expired);
        }
        if now + LEEWAY < time("nbf")? {
            return Err(TokenError::Early);
        }
        Ok((self.user(&claims, now)?, both))
    }

    /// The claims of a token of ours whose signature holds.
    fn claims(&self, token: &str) -> Result<Value, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Unknown)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Unknown)?;
        let (header, claims) = (decoded(header)?, decoded(claims)?);
        if header["alg"] != "ES256" || claims["iss"] != ISSUER {
            return Err(TokenError::Unknown);
        }
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Unknown)?;
        let public =
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        public
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        Ok(claims)
    }

    /// The account of the claims, if it and what it is bound to are still the same objects.
    fn user(&self, claims: &Value, now: i64) -> Result<User, TokenError> {
        let private = &claims["kubernetes.io"];
        let namespace = private["namespace"].as_str().ok_or(TokenError::Unknown)?;
        let (name, uid) = self.account(namespace, &private["serviceaccount"], now)?;
        let mut extra = std::collections::BTreeMap::new();
        let mut add = |key: &str, value: &str| {
            let key = format!("authentication.kubernetes.io/{key}");
            extra.insert(key, vec![value.to_owned()]);
        };
        let id = claims["jti"].as_str().unwrap_or_default();
        add("credential-id", &format!("JTI={id}"));
        for (kind, resource, scope) in [
            ("pod", "pods", namespace),
            ("secret", "secrets", namespace),
            ("node", "nodes", ""),
        ] {
            let Some(reference) = private.get(kind) else {
                continue;
            };
            let text = |key: &str| reference[key].as_str().unwrap_or_default();
            // The node of a bound Pod may go first; only a token bound to the node itself dies with it.
            let told_only = kind == "node" && private.get("pod").is_some();
            if !told_only {
                self.bound_to(kind, (resource, scope), reference, now)?;
            }
            if kind != "secret" {
                add(&format!("{kind}-name"), text("name"));
                if !text("uid").is_empty() {
                    add(&format!("{kind}-uid"), text("uid"));
                }
            }
        }
        let groups = [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ];
        Ok(User {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid,
            groups: groups.into(),
            extra,
        })
    }

    /// Name and uid of the account, if it is there and still the same.
    fn account(
        &self,
        namespace: &str,
        reference: &Value,
        now: i64,
    ) -> Result<(String, String), TokenError> {
        let text = |key: &str| reference[key].as_str().ok_or(TokenError::Unknown);
        let (name, uid) = (text("name")?, text("uid")?);
        let found = self
            .store
            .get("serviceaccounts", namespace, name)
            .ok_or_else(|| TokenError::Account(format!("serviceaccounts {name:?} not found")))?;
        let actual = meta(&found.value, "uid");
        if actual != uid {
            return Err(TokenError::Account(format!(
                "service account UID ({actual}) does not match claim ({uid})"
            )));
        }
        if is_deleted(&found.value, now) {
            return Err(TokenError::Account(format!(
                "service account {namespace}/{name} has been deleted"
            )));
        }
        Ok((name.to_owned(), uid.to_owned()))
    }

    /// `Ok` if the object is there, the same, and not long deleted.
    fn bound_to(
        &self,
        kind: &str,
        (resource, scope): (&str, &str),
        reference: &Value,
        now: i64,
    ) -> Result<(), TokenError> {
        let text = |key: &str| reference[key].as_str().unwrap_or_default();
        let found = self
            .store
            .get(resource, scope, text("name"))
            .ok_or(TokenError::Invalidated)?;
        if is_deleted(&found.value, now) {
            return Err(TokenError::Invalidated);
        }
        let (actual, uid) = (meta(&found.value, "uid"), text("uid"));
        if actual == uid {
            return Ok(());
        }
        let kind_word = match kind {
            "pod" => "pod UID",
            "node" => "node UID",
            _ => "secret UID",
        };
        Err(TokenError::Account(format!(
            "{kind_word} ({actual}) does not match service account {kind} ref claim ({uid})"
        )))
    }
}

/// Whether the object was to be gone more than a minute ago.
fn is_deleted(object: &Value, now: i64) -> bool {
    let since = object["metadata"]["deletionTimestamp"].as_str();
    // A time that cannot be read is taken for long ago.
    since.is_some_and(|since| {
        since
            .parse::<jiff::Timestamp>()
            .map_or(true, |since| since.as_second() < now - LEEWAY)
    })
}

/// A list as Go's `%q` prints it.
fn quoted(list: &[String]) -> String {
    let items: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", items.join(" "))
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decoded(part: &str) -> Result<Value, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Unknown)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Unknown)
}
