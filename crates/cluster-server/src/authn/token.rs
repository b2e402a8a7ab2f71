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

use crate::clock::Clock;
use crate::identity::User;
use crate::store::Store;

/// The issuer of all tokens, and the audience of those meant for the API server.
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// How far a token's times may lie beside ours, in seconds.
const LEEWAY: i64 = 60;

/// Why a token is not accepted, or could not be made. It never holds the token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TokenError {
    /// The signing key is not usable.
    #[error("the service-account key is not a P-256 key in PKCS#8")]
    Key,
    /// It is no JWT of ours.
    #[error("not a token of this cluster")]
    Malformed,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// It is not valid yet or no more.
    #[error("the token has expired")]
    Expired,
    /// It is meant for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// The account, or the object it is bound to, is gone.
    #[error("{0} is gone")]
    Gone(String),
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

    /// A token for the account, valid for `seconds`; the second value is its expiry (Unix seconds).
    pub fn issue(
        &self,
        namespace: &str,
        (name, uid): (&str, &str),
        audiences: &[String],
        seconds: i64,
        bound: Option<&Bound>,
    ) -> Result<(String, i64), TokenError> {
        let now = self.clock.now().as_second();
        let mut private =
            json!({"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}});
        if let Some(bound) = bound {
            private[&bound.kind] = json!({"name": bound.name, "uid": bound.uid});
            if let Some((node, node_uid)) = &bound.node {
                private["node"] = json!({"name": node, "uid": node_uid});
            }
        }
        let audiences = if audiences.is_empty() {
            vec![ISSUER.to_owned()]
        } else {
            audiences.to_vec()
        };
        let expiry = now + seconds;
        let claims = json!({
            "aud": audiences, "exp": expiry, "iat": now, "iss": ISSUER, "jti": uuid::Uuid::new_v4().to_string(),
            "kubernetes.io": private, "nbf": now, "sub": format!("system:serviceaccount:{namespace}:{name}"),
        });
        let header = json!({"alg": "ES256", "kid": self.key_id});
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self
            .key
            .sign(&self.random, signed.as_bytes())
            .map_err(|_| TokenError::Key)?;
        Ok((
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())),
            expiry,
        ))
    }

    /// The user of a token that holds now, for one of `audiences` (none: the API server's own).
    pub fn verify(&self, token: &str, audiences: &[String]) -> Result<User, TokenError> {
        let claims = self.claims(token)?;
        let now = self.clock.now().as_second();
        let time = |key: &str| claims[key].as_i64().ok_or(TokenError::Malformed);
        if claims["iss"] != ISSUER {
            return Err(TokenError::Malformed);
        }
        if now >= time("exp")? || now + LEEWAY < time("nbf")? {
            return Err(TokenError::Expired);
        }
        let own = [ISSUER.to_owned()];
        let accepted = if audiences.is_empty() {
            &own[..]
        } else {
            audiences
        };
        let meant = claims["aud"].as_array().ok_or(TokenError::Malformed)?;
        if !meant
            .iter()
            .filter_map(Value::as_str)
            .any(|one| accepted.iter().any(|audience| audience == one))
        {
            return Err(TokenError::Audience);
        }
        self.user(&claims)
    }

    /// The claims of a token whose signature holds.
    fn claims(&self, token: &str) -> Result<Value, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        if decoded(header)?["alg"] != "ES256" {
            return Err(TokenError::Malformed);
        }
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Malformed)?;
        let public =
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref());
        public
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        decoded(claims)
    }

    /// The account of the claims, if it and what it is bound to are still the same objects.
    fn user(&self, claims: &Value) -> Result<User, TokenError> {
        let private = &claims["kubernetes.io"];
        let namespace = private["namespace"].as_str().ok_or(TokenError::Malformed)?;
        let account = &private["serviceaccount"];
        let (name, uid) = self.still_there("serviceaccounts", namespace, account)?;
        let mut extra = std::collections::BTreeMap::new();
        let mut add = |key: &str, value: String| {
            extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
        };
        add(
            "credential-id",
            format!("JTI={}", claims["jti"].as_str().unwrap_or_default()),
        );
        for (kind, resource, scope) in [
            ("pod", "pods", namespace),
            ("secret", "secrets", namespace),
            ("node", "nodes", ""),
        ] {
            let Some(reference) = private.get(kind) else {
                continue;
            };
            // The node of a bound Pod may go first; only a token bound to the node itself dies with it.
            let told_only = kind == "node" && private.get("pod").is_some();
            let (bound, bound_uid) = if told_only {
                named(reference)?
            } else {
                self.still_there(resource, scope, reference)?
            };
            if kind != "secret" {
                add(&format!("{kind}-name"), bound);
                add(&format!("{kind}-uid"), bound_uid);
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

    fn still_there(
        &self,
        resource: &str,
        namespace: &str,
        reference: &Value,
    ) -> Result<(String, String), TokenError> {
        let (name, uid) = named(reference)?;
        let found = self.store.get(resource, namespace, &name);
        let same = found.is_some_and(|object| object.value["metadata"]["uid"] == uid.as_str());
        if same {
            Ok((name, uid))
        } else {
            Err(TokenError::Gone(format!("{resource} {name:?}")))
        }
    }
}

fn named(reference: &Value) -> Result<(String, String), TokenError> {
    let text = |key: &str| {
        reference[key]
            .as_str()
            .map(str::to_owned)
            .ok_or(TokenError::Malformed)
    };
    Ok((text("name")?, text("uid")?))
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decoded(part: &str) -> Result<Value, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}
