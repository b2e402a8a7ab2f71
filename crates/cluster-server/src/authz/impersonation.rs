//! `Impersonate-User`, `-Group`, `-Uid`, `-Extra-…`: acting as somebody else, if that is allowed
//! (`k8s.io/apiserver/pkg/endpoints/filters/impersonation`).
//!
//! The constrained modes of KEP-5284 are asked first (may this user do *this* while impersonating, and may it
//! impersonate *that* one), then the old all-or-nothing verb `impersonate`. The refusal printed is the first one.

use std::collections::BTreeMap;

use http::HeaderMap;

use super::{Authorizer, forbidden};
use crate::error::ApiError;
use crate::identity::{Attributes, User};
use crate::kinds::names;

const AUTHENTICATION: &str = "authentication.k8s.io";
const EXTRA_PREFIX: &str = "impersonate-extra-";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// From so many groups or extras on, the right to all of them is asked for first.
const MANY: usize = 4;

/// Somebody else's identity, and the verb that allowed it (empty for the old one), for audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Impersonated {
    /// The user that the request acts as.
    pub user: User,
    /// `impersonate:user-info` and the like, or empty.
    pub constraint: String,
}

/// Whom the request acts as, if its headers name somebody and `user` may impersonate them; `None` if they name nobody.
///
/// # Errors
/// 400 for headers that name no user, 403 if it is not allowed.
pub fn impersonate(
    authorizer: &Authorizer,
    user: &User,
    headers: &HeaderMap,
    attributes: &Attributes,
) -> Result<Option<Impersonated>, ApiError> {
    let Some(wanted) = wanted(headers)? else {
        return Ok(None);
    };
    let mut first = None;
    let modes = Mode::ALL.into_iter();
    for mode in modes.filter(|mode| mode.fits(&wanted, user)) {
        let attempt = Attempt {
            authorizer,
            requestor: user,
            wanted: &wanted,
            mode,
        };
        match attempt.check(attributes) {
            Ok(()) => {
                return Ok(Some(Impersonated {
                    user: completed(wanted, mode),
                    constraint: mode.verb(),
                }));
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| ApiError::internal("all impersonation modes failed")))
}

/// The user as the headers describe it, nothing filled in.
fn wanted(headers: &HeaderMap) -> Result<Option<User>, ApiError> {
    let text = |name: &str| {
        let value = headers.get(name).map(http::HeaderValue::as_bytes);
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    let groups = headers.get_all("impersonate-group").iter();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA_PREFIX) {
            let key = percent_encoding::percent_decode_str(key)
                .decode_utf8()
                .map_or_else(|_| key.to_owned(), std::borrow::Cow::into_owned);
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            extra.entry(key).or_default().push(value);
        }
    }
    let user = User {
        name: text("impersonate-user"),
        uid: text("impersonate-uid"),
        groups: groups
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect(),
        extra,
    };
    if !user.name.is_empty() {
        return Ok(Some(user));
    }
    if user == User::default() {
        return Ok(None);
    }
    Err(ApiError::bad_request(format!(
        "requested {} without impersonating a user name",
        go_syntax(&user)
    )))
}

/// The user as Go's `%#v` prints it.
fn go_syntax(user: &User) -> String {
    let list = |items: &[String]| {
        let items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
        format!("[]string{{{}}}", items.join(", "))
    };
    let groups = if user.groups.is_empty() {
        "[]string(nil)".to_owned()
    } else {
        list(&user.groups)
    };
    let extra = if user.extra.is_empty() {
        "map[string][]string(nil)".to_owned()
    } else {
        let pairs: Vec<String> = user
            .extra
            .iter()
            .map(|(key, values)| format!("{key:?}:{}", list(values)))
            .collect();
        format!("map[string][]string{{{}}}", pairs.join(", "))
    };
    format!(
        "&user.DefaultInfo{{Name:{:?}, UID:{:?}, Groups:{groups}, Extra:{extra}}}",
        user.name, user.uid
    )
}

/// The groups that a real login of that name would carry.
fn completed(mut user: User, mode: Mode) -> User {
    if mode != Mode::Legacy && node(&user.name).is_some() {
        user.groups = vec!["system:nodes".to_owned()];
    }
    if user.groups.is_empty()
        && let Some((namespace, _)) = service_account(&user.name)
    {
        user.groups = vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ];
    }
    let (known, unknown) = ("system:authenticated", "system:unauthenticated");
    let has = |group: &str| user.groups.iter().any(|one| one == group);
    let missing = if user.name == "system:anonymous" {
        (!has(unknown)).then_some(unknown)
    } else {
        (!has(unknown) && !has(known)).then_some(known)
    };
    user.groups.extend(missing.map(str::to_owned));
    user
}

/// Namespace and name of a service account's user name.
fn service_account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    let holds = names::dns_label(namespace).is_empty() && names::dns_subdomain(name).is_empty();
    holds.then_some((namespace, name))
}

/// The node of a node's user name.
fn node(user: &str) -> Option<&str> {
    let name = user.strip_prefix("system:node:")?;
    names::dns_subdomain(name).is_empty().then_some(name)
}

/// A way of impersonating, with verbs of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// A service account acts as the node that its Pod runs on.
    AssociatedNode,
    ArbitraryNode,
    ServiceAccount,
    UserInfo,
    Legacy,
}

impl Mode {
    /// In the order in which they are asked.
    const ALL: [Self; 5] = [
        Self::AssociatedNode,
        Self::ArbitraryNode,
        Self::ServiceAccount,
        Self::UserInfo,
        Self::Legacy,
    ];

    fn fits(self, wanted: &User, requestor: &User) -> bool {
        let only_name =
            wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let (node, account) = (node(&wanted.name), service_account(&wanted.name));
        match self {
            Self::AssociatedNode => {
                let own = requestor.extra.get(NODE_NAME).map(Vec::as_slice);
                only_name
                    && service_account(&requestor.name).is_some()
                    && matches!((node, own), (Some(node), Some([one])) if one == node)
            }
            Self::ArbitraryNode => only_name && node.is_some(),
            Self::ServiceAccount => only_name && account.is_some(),
            Self::UserInfo => node.is_none() && account.is_none(),
            Self::Legacy => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::AssociatedNode => "associated-node",
            Self::ArbitraryNode => "arbitrary-node",
            Self::ServiceAccount => "serviceaccount",
            Self::UserInfo => "user-info",
            Self::Legacy => "",
        }
    }

    /// The verb that says so, as audit tells it.
    fn verb(self) -> String {
        match self {
            Self::Legacy => String::new(),
            mode => format!("impersonate:{}", mode.name()),
        }
    }
}

/// One mode, tried.
struct Attempt<'a> {
    authorizer: &'a Authorizer,
    requestor: &'a User,
    wanted: &'a User,
    mode: Mode,
}

impl Attempt<'_> {
    fn check(&self, request: &Attributes) -> Result<(), ApiError> {
        if self.mode != Mode::Legacy {
            let verb = format!("impersonate-on:{}:{}", self.mode.name(), request.verb);
            self.require(&Attributes {
                verb,
                ..request.clone()
            })?;
        }
        self.name()?;
        if !self.wanted.uid.is_empty() {
            self.require(&self.ask(AUTHENTICATION, "uids", &self.wanted.uid))?;
        }
        self.groups()?;
        self.extra()
    }

    fn require(&self, attributes: &Attributes) -> Result<(), ApiError> {
        self.authorizer.require(self.requestor, attributes)
    }

    fn ask(&self, group: &str, resource: &str, name: &str) -> Attributes {
        let verb = match self.mode {
            Mode::Legacy => "impersonate".to_owned(),
            mode => mode.verb(),
        };
        Attributes {
            verb,
            group: group.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        }
    }

    /// The group of users, groups and service accounts.
    fn group(&self) -> &'static str {
        if self.mode == Mode::Legacy {
            ""
        } else {
            AUTHENTICATION
        }
    }

    fn name(&self) -> Result<(), ApiError> {
        let group = self.group();
        if let Some((namespace, name)) = service_account(&self.wanted.name) {
            return self.require(&Attributes {
                namespace: namespace.to_owned(),
                ..self.ask(group, "serviceaccounts", name)
            });
        }
        let attributes = match (node(&self.wanted.name), self.mode) {
            // The right to one's own node is a right to whatever node that is.
            (Some(_), Mode::AssociatedNode) => self.ask(group, "nodes", "*"),
            (Some(node), mode) if mode != Mode::Legacy => self.ask(group, "nodes", node),
            _ => self.ask(group, "users", &self.wanted.name),
        };
        self.require(&attributes)
    }

    fn groups(&self) -> Result<(), ApiError> {
        let groups = &self.wanted.groups;
        let ask = |name: &str| self.ask(self.group(), "groups", name);
        if self.mode != Mode::Legacy {
            if groups.iter().any(String::is_empty) {
                let why = "impersonating the empty string group is not allowed";
                return Err(forbidden(self.requestor, &ask(""), why));
            }
            let masters = "system:masters";
            if groups.iter().any(|group| group == masters) {
                let why = "impersonating the system:masters group is not allowed";
                return Err(forbidden(self.requestor, &ask(masters), why));
            }
            if groups.len() >= MANY && self.require(&ask("*")).is_ok() {
                return Ok(());
            }
        }
        groups
            .iter()
            .try_for_each(|group| self.require(&ask(group)))
    }

    fn extra(&self) -> Result<(), ApiError> {
        let extra = &self.wanted.extra;
        let ask = |key: &str, value: &str| Attributes {
            subresource: key.to_owned(),
            ..self.ask(AUTHENTICATION, "userextras", value)
        };
        if self.mode != Mode::Legacy {
            if let Some(why) = extra.iter().find_map(|(key, values)| fault(key, values)) {
                return Err(forbidden(self.requestor, &ask("", ""), &why));
            }
            let values: usize = extra.values().map(Vec::len).sum();
            if values >= MANY && self.require(&ask("*", "*")).is_ok() {
                return Ok(());
            }
        }
        for (key, values) in extra {
            for value in values {
                self.require(&ask(key, value))?;
            }
        }
        Ok(())
    }
}

/// Why the constrained modes do not take this extra. A key without a domain is left to the old mode.
fn fault(key: &str, values: &[String]) -> Option<String> {
    if key.is_empty() {
        return Some("impersonating the empty string key in extra is not allowed".to_owned());
    }
    let invalid = |why: &str| {
        format!(
            "impersonating an invalid key in extra is not allowed: extra.key: Invalid value: {key:?}: {why}"
        )
    };
    let Some((domain, path)) = key.split_once('/') else {
        return Some(invalid(
            "must be a domain-prefixed path (such as \"acme.io/foo\")",
        ));
    };
    if let Some(why) = names::dns_subdomain(domain).first() {
        return Some(invalid(why));
    }
    if path.is_empty() {
        return Some(invalid(
            "must be a domain-prefixed path (such as \"acme.io/foo\")",
        ));
    }
    if key.chars().any(char::is_uppercase) {
        return Some(format!(
            "impersonating a non-lowercase key in extra is not allowed: {key:?}"
        ));
    }
    values
        .iter()
        .any(String::is_empty)
        .then(|| "impersonating the empty string value in extra is not allowed".to_owned())
}
