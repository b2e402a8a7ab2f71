//! Who is this? Client certificates, bearer tokens of people and of service accounts, or nobody in particular.
//!
//! **Invariant:** a credential that is offered and does not hold is a 401, never an anonymous request, unless another
//! one that is offered beside it holds.

mod bearer;
mod certificate;
pub mod oidc;
mod token;

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderMap;
use rustls_pki_types::CertificateDer;

pub use certificate::{AskForAny, Certificates};
pub use token::{Bound, ISSUER, Issued, ServiceAccountTokens, TokenError};

use crate::clock::Clock;
use crate::error::ApiError;
use crate::identity::User;
use crate::pki::Person;

/// Turns credentials into users.
pub struct Authenticator {
    people: HashMap<String, User>,
    accounts: Arc<ServiceAccountTokens>,
    certificates: Certificates,
    clock: Clock,
}

impl Authenticator {
    /// Knows these people by their tokens, the service accounts whose tokens `accounts` can check, and the certificates
    /// that `certificates` takes.
    pub fn new(
        people: &[Person],
        accounts: Arc<ServiceAccountTokens>,
        certificates: Certificates,
        clock: Clock,
    ) -> Self {
        let people = people
            .iter()
            .map(|person| (person.token.clone(), person.user()))
            .collect();
        Self {
            people,
            accounts,
            certificates,
            clock,
        }
    }

    /// The user of a request: of its client certificate, else of its bearer token, else of the token among its WebSocket
    /// protocols, else `system:anonymous`.
    ///
    /// `certificate` is the one whose key the client has proved to hold.
    ///
    /// # Errors
    /// 401 if something was offered and none of it holds.
    #[expect(
        clippy::unused_async,
        reason = "part of the contract: token webhooks and issuers' keys are asked over the network"
    )]
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
        certificate: Option<&CertificateDer<'_>>,
    ) -> Result<User, ApiError> {
        let mut refused = false;
        if let Some(certificate) = certificate {
            match self.certificates.user(certificate, self.clock.now()) {
                Ok(Some(user)) => return Ok(user),
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "a client certificate does not hold");
                    refused = true;
                }
            }
        }
        for offered in [bearer::of_header(headers), bearer::of_protocols(headers)] {
            let Some(token) = offered.transpose() else {
                continue;
            };
            match token.and_then(|token| self.review(&token, &[])) {
                Ok((user, _)) => return Ok(user),
                Err(error) => {
                    tracing::debug!(%error, "a token does not hold");
                    refused = true;
                }
            }
        }
        if refused {
            Err(ApiError::unauthorized())
        } else {
            Ok(anonymous())
        }
    }

    /// The user that a bearer token stands for, and for which of `audiences` it is meant; none means the API server's own.
    ///
    /// # Errors
    /// It does not hold, or is for somebody else.
    pub fn review(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), TokenError> {
        // The tokens have 256 random bits: finding one in a hash table tells nothing about the others.
        let Some(person) = self.people.get(token) else {
            return self.accounts.verify(token, audiences);
        };
        // People's tokens are meant for the API server and nobody else.
        if audiences.is_empty() || audiences.iter().any(|one| one == ISSUER) {
            Ok((person.clone(), vec![ISSUER.to_owned()]))
        } else {
            Err(TokenError::Unknown)
        }
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
