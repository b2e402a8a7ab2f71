//! Who is this? Bearer tokens of people and of service accounts, client certificates, or nobody in particular.
//!
//! **Invariant:** a credential that is offered and does not hold is a 401, never an anonymous request.

mod certificate;
mod token;

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use rustls_pki_types::CertificateDer;

pub use token::{Bound, ISSUER, ServiceAccountTokens, TokenError};

use crate::error::ApiError;
use crate::identity::User;
use crate::pki::Person;

/// Turns credentials into users.
pub struct Authenticator {
    people: HashMap<String, User>,
    accounts: Arc<ServiceAccountTokens>,
}

impl Authenticator {
    /// Knows these people by their tokens, and the service accounts whose tokens `accounts` can check.
    pub fn new(people: &[Person], accounts: Arc<ServiceAccountTokens>) -> Self {
        let people = people
            .iter()
            .map(|person| (person.token.clone(), person.user()))
            .collect();
        Self { people, accounts }
    }

    /// The user of a request: its client certificate if it has one, else its bearer token, else `system:anonymous`.
    ///
    /// `certificate` must have been verified against the cluster's authority by the TLS layer.
    #[expect(
        clippy::unused_async,
        reason = "part of the contract: token webhooks and issuers' keys are asked over the network"
    )]
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: Option<&CertificateDer<'_>>,
    ) -> Result<User, ApiError> {
        if let Some(certificate) = certificate {
            return certificate::user(certificate).ok_or_else(ApiError::unauthorized);
        }
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Ok(anonymous());
        };
        let text = header.to_str().map_err(|_| ApiError::unauthorized())?;
        match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => self
                .user_of(token.trim(), &[])
                .ok_or_else(ApiError::unauthorized),
            _ => Ok(anonymous()),
        }
    }

    /// The user that a bearer token stands for, if it holds. `audiences` are those that a service-account token must
    /// have one of; none means the API server's own.
    pub fn user_of(&self, token: &str, audiences: &[String]) -> Option<User> {
        // The tokens have 256 random bits: finding one in a hash table tells nothing about the others.
        self.people
            .get(token)
            .cloned()
            .or_else(|| self.accounts.verify(token, audiences).ok())
    }

    /// The service-account tokens that this authenticator accepts.
    pub fn accounts(&self) -> &Arc<ServiceAccountTokens> {
        &self.accounts
    }
}

/// The user of a request without credentials.
pub fn anonymous() -> User {
    User {
        name: "system:anonymous".into(),
        groups: vec!["system:unauthenticated".into()],
        ..User::default()
    }
}
