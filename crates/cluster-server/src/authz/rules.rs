//! One RBAC rule: what it allows, and whether it covers another one.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go` and `component-helpers/auth/rbac/validation`.

use serde_json::{Map, Value, json};

use crate::identity::Attributes;

/// `rbac.authorization.k8s.io/v1 PolicyRule`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Verbs, or `*`.
    pub verbs: Vec<String>,
    /// API groups, or `*`.
    pub groups: Vec<String>,
    /// Resources with their subresources (`pods/log`), `*` or `*/log`.
    pub resources: Vec<String>,
    /// Names that the rule is limited to; none means all.
    pub names: Vec<String>,
    /// Paths that are no resources, with an optional trailing `*`.
    pub paths: Vec<String>,
}

/// The rules of a Role or ClusterRole.
pub(super) fn of(role: &Value) -> Vec<Rule> {
    role["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .map(Rule::parse)
        .collect()
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|one| one == wanted)
}

fn has_or_star(list: &[String], wanted: &str) -> bool {
    has(list, "*") || has(list, wanted)
}

impl Rule {
    /// Every verb on every resource.
    pub(super) fn everything() -> Self {
        let star = || vec!["*".to_owned()];
        Self {
            verbs: star(),
            groups: star(),
            resources: star(),
            ..Self::default()
        }
    }

    /// Every verb on every path that is no resource.
    pub(super) fn every_path() -> Self {
        Self {
            verbs: vec!["*".to_owned()],
            paths: vec!["*".to_owned()],
            ..Self::default()
        }
    }

    /// Reads a rule; what is not a list of strings counts as empty, which allows nothing.
    pub fn parse(value: &Value) -> Self {
        let list = |key: &str| {
            let items = value[key].as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            paths: list("nonResourceURLs"),
        }
    }

    /// The rule as Kubernetes writes it, empty fields left out.
    pub fn to_value(&self) -> Value {
        let mut out = Map::new();
        let fields = [
            ("apiGroups", &self.groups),
            ("nonResourceURLs", &self.paths),
            ("resourceNames", &self.names),
            ("resources", &self.resources),
        ];
        for (key, list) in fields {
            if !list.is_empty() {
                out.insert(key.to_owned(), json!(list));
            }
        }
        out.insert("verbs".to_owned(), json!(self.verbs));
        Value::Object(out)
    }

    /// Whether the rule allows the request.
    pub fn allows(&self, request: &Attributes) -> bool {
        if !has_or_star(&self.verbs, &request.verb) {
            return false;
        }
        if !request.is_resource() {
            return self
                .paths
                .iter()
                .any(|pattern| path_matches(pattern, &request.path));
        }
        has_or_star(&self.groups, &request.group)
            && self
                .resources
                .iter()
                .any(|resource| resource_matches(resource, &request.resource, &request.subresource))
            && (self.names.is_empty() || has(&self.names, &request.name))
    }

    /// Whether everything that `other` (one verb, one resource, …) allows is allowed by this rule.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let verbs = has(&self.verbs, "*") || other.verbs.iter().all(|verb| has(&self.verbs, verb));
        let groups =
            has(&self.groups, "*") || other.groups.iter().all(|group| has(&self.groups, group));
        let resources = other.resources.iter().all(|resource| {
            let (name, sub) = resource.split_once('/').unwrap_or((resource, ""));
            self.resources
                .iter()
                .any(|own| resource_matches(own, name, sub))
        });
        let names = self.names.is_empty()
            || (!other.names.is_empty() && other.names.iter().all(|name| has(&self.names, name)));
        let paths = other
            .paths
            .iter()
            .all(|path| self.paths.iter().any(|own| path_covers(own, path)));
        verbs && groups && resources && names && paths
    }

    /// The rule as many rules of one verb, one group, one resource and at most one name each.
    pub(super) fn broken_down(&self) -> Vec<Self> {
        let one = |text: &String| vec![text.clone()];
        let mut out = Vec::new();
        for verb in &self.verbs {
            for group in &self.groups {
                for resource in &self.resources {
                    let base = Self {
                        verbs: one(verb),
                        groups: one(group),
                        resources: one(resource),
                        ..Self::default()
                    };
                    if self.names.is_empty() {
                        out.push(base);
                    } else {
                        out.extend(self.names.iter().map(|name| Self {
                            names: one(name),
                            ..base.clone()
                        }));
                    }
                }
            }
            out.extend(self.paths.iter().map(|path| Self {
                verbs: one(verb),
                paths: one(path),
                ..Self::default()
            }));
        }
        out
    }

    /// `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`, as escalation errors print it.
    pub(super) fn compact(&self) -> String {
        let fields = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.paths),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let parts: Vec<String> = fields
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, list)| format!("{name}:{}", quoted(list)))
            .collect();
        format!("{{{}}}", parts.join(", "))
    }
}

/// A list as Go's `%q` prints it: `["a" "b"]`.
pub(super) fn quoted(list: &[String]) -> String {
    let items: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", items.join(" "))
}

fn resource_matches(pattern: &str, resource: &str, subresource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.split_once('/') {
        None => subresource.is_empty() && pattern == resource,
        Some((name, sub)) => {
            sub == subresource && !sub.is_empty() && (name == "*" || name == resource)
        }
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    pattern == "*"
        || pattern == path
        || pattern
            .strip_suffix('*')
            .is_some_and(|_| path.starts_with(pattern.trim_end_matches('*')))
}

fn path_covers(own: &str, other: &str) -> bool {
    own == "*"
        || own == other
        || own
            .strip_suffix('*')
            .is_some_and(|prefix| other.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &str, groups: &str, resources: &str, names: &str) -> Rule {
        let list = |text: &str| {
            text.split(' ')
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        Rule {
            verbs: list(verbs),
            groups: vec![groups.to_owned()],
            resources: list(resources),
            names: list(names),
            ..Rule::default()
        }
    }

    fn check(
        rule: &Rule,
        verb: &str,
        resource: &str,
        subresource: &str,
        name: &str,
        expected: bool,
    ) {
        let request = Attributes {
            verb: verb.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: name.into(),
            ..Attributes::default()
        };
        assert_eq!(rule.allows(&request), expected, "{rule:?} {request:?}");
    }

    #[test]
    fn a_rule_allows_exactly_what_it_names() {
        let pods = rule("get", "", "pods", "");
        check(&pods, "get", "pods", "", "p", true);
        check(&pods, "get", "pods", "log", "p", false);
        check(
            &rule("get", "apps", "pods", ""),
            "get",
            "pods",
            "",
            "p",
            false,
        );
        let everything = rule("*", "*", "*", "");
        check(&everything, "delete", "pods", "log", "p", true);
        let debug = rule("patch", "", "pods/ephemeralcontainers", "");
        check(&debug, "patch", "pods", "ephemeralcontainers", "p", true);
        check(&debug, "patch", "pods", "", "p", false);
        let any = rule("patch", "", "*/ephemeralcontainers", "");
        check(&any, "patch", "pods", "ephemeralcontainers", "p", true);
    }

    #[test]
    fn a_rule_with_names_is_for_those_alone() {
        let named = rule("get list", "", "pods", "p q");
        check(&named, "get", "pods", "", "q", true);
        check(&named, "get", "pods", "", "r", false);
        check(&named, "list", "pods", "", "", false);
    }

    #[test]
    fn paths_match_by_a_trailing_star_only() {
        assert!(path_matches("/apis/*", "/apis/x/y"));
        assert!(path_matches("*", "/anything"));
        assert!(!path_matches("/apis/*", "/apis"));
        assert!(!path_matches("/healthz", "/healthz/log"));
    }

    #[test]
    fn a_limited_rule_does_not_cover_an_unlimited_one() {
        assert!(rule("get list", "", "pods services", "").covers(&rule("get", "", "pods", "")));
        assert!(!rule("get", "", "pods", "p").covers(&rule("get", "", "pods", "")));
        assert!(rule("get", "", "pods", "").covers(&rule("get", "", "pods", "p")));
        assert!(!rule("get", "", "pods", "").covers(&rule("get", "", "pods/log", "")));
    }
}
