//! Whether a rule is about a request (`policy/checker.go`).

use super::{Resources, Rule};
use crate::identity::{Attributes, User};

/// Whether every field of the rule fits.
pub(super) fn matches(rule: &Rule, user: Option<&User>, attributes: &Attributes) -> bool {
    let holds = |list: &[String], value: &str| list.iter().any(|entry| entry == value);
    if !rule.users.is_empty() && !user.is_some_and(|user| holds(&rule.users, &user.name)) {
        return false;
    }
    if !rule.user_groups.is_empty()
        && !user.is_some_and(|user| user.groups.iter().any(|g| holds(&rule.user_groups, g)))
    {
        return false;
    }
    if !rule.verbs.is_empty() && !holds(&rule.verbs, &attributes.verb) {
        return false;
    }
    if !rule.namespaces.is_empty() || !rule.resources.is_empty() {
        return attributes.is_resource()
            && (rule.namespaces.is_empty() || holds(&rule.namespaces, &attributes.namespace))
            && (rule.resources.is_empty()
                || rule.resources.iter().any(|r| resource(r, attributes)));
    }
    if !rule.non_resource_urls.is_empty() {
        return !attributes.is_resource()
            && rule
                .non_resource_urls
                .iter()
                .any(|url| path(url, &attributes.path));
    }
    true
}

/// Exactly, everything (`*`), or everything below (`/healthz*`).
fn path(wanted: &str, path: &str) -> bool {
    wanted == "*"
        || wanted == path
        || (wanted.ends_with('*') && path.starts_with(wanted.trim_end_matches('*')))
}

fn resource(wanted: &Resources, attributes: &Attributes) -> bool {
    if wanted.group != "*" && wanted.group != attributes.group {
        return false;
    }
    if wanted.names.is_empty() {
        return true;
    }
    if !wanted.resource_names.is_empty() && !wanted.resource_names.contains(&attributes.name) {
        return false;
    }
    let (resource, subresource) = (&attributes.resource, &attributes.subresource);
    wanted.names.iter().any(|wanted| {
        let whole = if subresource.is_empty() {
            wanted == resource
        } else {
            *wanted == format!("{resource}/{subresource}")
        };
        whole
            || wanted == "*"
            || (!subresource.is_empty() && wanted.strip_prefix("*/") == Some(subresource))
            || wanted.strip_suffix("/*") == Some(resource)
    })
}
