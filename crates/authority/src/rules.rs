//! Whether a rule allows an action.

use std::fmt;

use k8s_openapi::api::rbac::v1::PolicyRule;

/// Something that can be asked of the API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Action {
    /// `get`, `patch`, …
    pub verb: &'static str,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// The plural, with its subresource: `pods/exec`.
    pub resource: &'static str,
    /// Whether such objects lie in namespaces.
    pub namespaced: bool,
}

impl Action {
    /// On something in a namespace.
    pub const fn namespaced(
        verb: &'static str,
        group: &'static str,
        resource: &'static str,
    ) -> Self {
        Self {
            verb,
            group,
            resource,
            namespaced: true,
        }
    }

    /// On something of the whole cluster.
    pub const fn cluster(verb: &'static str, group: &'static str, resource: &'static str) -> Self {
        Self {
            verb,
            group,
            resource,
            namespaced: false,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.group.is_empty() {
            return Ok(());
        }
        write!(f, ".{}", self.group)
    }
}

/// Whether a rule allows the action on at least one object (`rbac.RuleAllows`, without names).
pub(crate) fn allows(rule: &PolicyRule, action: &Action) -> bool {
    let groups = rule.api_groups.iter().flatten();
    has(&rule.verbs, action.verb)
        && groups.clone().any(|g| g == "*" || g == action.group)
        && rule
            .resources
            .iter()
            .flatten()
            .any(|r| names_resource(r, action.resource))
}

/// `*` is everything, subresources included; `*/exec` the subresource of anything. `pods/*` is nothing special.
fn names_resource(written: &str, asked: &str) -> bool {
    if written == "*" || written == asked {
        return true;
    }
    let subresource = asked.split_once('/').map(|(_, subresource)| subresource);
    match (written.strip_prefix("*/"), subresource) {
        (Some(written), Some(asked)) => written == asked,
        _ => false,
    }
}

fn has(list: &[String], verb: &str) -> bool {
    list.iter().any(|v| v == "*" || v == verb)
}

/// Whether it is a `*` that makes the rule allow the action.
pub(crate) fn by_wildcard(rule: &PolicyRule, action: &Action) -> bool {
    let lists = |word: &str, list: Option<&Vec<String>>| {
        list.is_some_and(|list| list.iter().any(|w| w == word))
    };
    !lists(action.verb, Some(&rule.verbs))
        || !lists(action.group, rule.api_groups.as_ref())
        || !lists(action.resource, rule.resources.as_ref())
}
