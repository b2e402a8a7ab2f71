//! `Impersonate-User`, `-Group`, `-Uid`, `-Extra-…`: acting as somebody else, if that is allowed.
//!
//! The constrained modes of KEP-5284 are asked first (may this user do *this* while impersonating, and may it
//! impersonate *that* one), then the old all-or-nothing verb `impersonate`. The refusal printed is the first one.

use std::collections::BTreeMap;

use http::HeaderMap;

use super::{Authorizer, forbidden};
use crate::error::ApiError;
use crate::identity::{Attributes, User};

const AUTHENTICATION: &str = "authentication.k8s.io";
const EXTRA_PREFIX: &str = "impersonate-extra-";

/// The user that the request acts as: `user` itself, or the one its headers name and it may impersonate.
pub fn impersonate(
    authorizer: &Authorizer,
    user: User,
    headers: &HeaderMap,
    attributes: &Attributes,
) -> Result<User, ApiError> {
    let Some(wanted) = wanted(headers)? else {
        return Ok(user);
    };
    let mut first = None;
    for mode in Mode::of(&wanted) {
        match mode.check(authorizer, &user, &wanted, attributes) {
            Ok(()) => return Ok(completed(wanted)),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| ApiError::internal("all impersonation modes failed")))
}

/// The user as the headers describe it, nothing filled in.
fn wanted(headers: &HeaderMap) -> Result<Option<User>, ApiError> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    let groups = headers
        .get_all("impersonate-group")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix(EXTRA_PREFIX), value.to_str()) {
            let key = percent_encoding::percent_decode_str(key)
                .decode_utf8_lossy()
                .into_owned();
            extra.entry(key).or_default().push(value.to_owned());
        }
    }
    let user = User {
        name: text("impersonate-user"),
        uid: text("impersonate-uid"),
        groups: groups.map(str::to_owned).collect(),
        extra,
    };
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if user == User::default() {
        return Ok(None);
    }
    Err(ApiError::bad_request(format!(
        "requested groups {:?}, uid {:?}, extra {:?} without impersonating a user name",
        user.groups, user.uid, user.extra
    )))
}

/// The groups that a real login of that name would carry.
fn completed(mut user: User) -> User {
    if user.groups.is_empty()
        && let Some((namespace, _)) = service_account(&user.name)
    {
        user.groups = vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ];
    }
    let standing = if user.name == "system:anonymous" {
        "system:unauthenticated"
    } else {
        "system:authenticated"
    }
    .to_owned();
    if !user.groups.contains(&standing) {
        user.groups.push(standing);
    }
    user
}

fn service_account(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix("system:serviceaccount:")?.split_once(':')
}

/// A way of impersonating, with verbs of its own.
#[derive(Clone, Copy)]
enum Mode {
    UserInfo,
    ServiceAccount,
    ArbitraryNode,
    Legacy,
}

impl Mode {
    /// The modes that fit the wanted user, in the order in which they are asked.
    fn of(wanted: &User) -> [Self; 2] {
        let constrained = if service_account(&wanted.name).is_some() {
            Self::ServiceAccount
        } else if wanted.name.starts_with("system:node:") {
            Self::ArbitraryNode
        } else {
            Self::UserInfo
        };
        [constrained, Self::Legacy]
    }

    fn name(self) -> &'static str {
        match self {
            Self::UserInfo => "user-info",
            Self::ServiceAccount => "serviceaccount",
            Self::ArbitraryNode => "arbitrary-node",
            Self::Legacy => "",
        }
    }

    fn check(
        self,
        authorizer: &Authorizer,
        user: &User,
        wanted: &User,
        request: &Attributes,
    ) -> Result<(), ApiError> {
        let require = |attributes: &Attributes| {
            let decision = authorizer.authorize(user, attributes);
            if decision.allowed {
                Ok(())
            } else {
                Err(forbidden(user, attributes, &decision.reason))
            }
        };
        if !matches!(self, Self::Legacy) {
            let verb = format!("impersonate-on:{}:{}", self.name(), request.verb);
            require(&Attributes {
                verb,
                ..request.clone()
            })?;
        }
        self.identities(wanted).iter().try_for_each(require)
    }

    /// One question for every part of the wanted identity.
    fn identities(self, wanted: &User) -> Vec<Attributes> {
        let legacy = matches!(self, Self::Legacy);
        let verb = if legacy {
            "impersonate".to_owned()
        } else {
            format!("impersonate:{}", self.name())
        };
        let core = if legacy { "" } else { AUTHENTICATION };
        let ask = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
            Attributes {
                verb: verb.clone(),
                group: group.to_owned(),
                version: "v1".to_owned(),
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ..Attributes::default()
            }
        };
        let mut out = vec![match service_account(&wanted.name) {
            Some((namespace, name)) => ask(core, "serviceaccounts", "", namespace, name),
            None => match wanted.name.strip_prefix("system:node:") {
                Some(node) if !legacy => ask(core, "nodes", "", "", node),
                _ => ask(core, "users", "", "", &wanted.name),
            },
        }];
        out.extend(
            wanted
                .groups
                .iter()
                .map(|group| ask(core, "groups", "", "", group)),
        );
        if !wanted.uid.is_empty() {
            out.push(ask(AUTHENTICATION, "uids", "", "", &wanted.uid));
        }
        for (key, values) in &wanted.extra {
            out.extend(
                values
                    .iter()
                    .map(|value| ask(AUTHENTICATION, "userextras", key, "", value)),
            );
        }
        out
    }
}
