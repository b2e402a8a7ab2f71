//! Which requests a webhook or a policy concerns: resource rules and selectors
//! (`k8s.io/apiserver/pkg/admission/plugin/webhook/predicates`, `…/plugin/policy/matching`).

use serde_json::Value;

use super::selector::matches_labels;
use super::{GroupVersionResource, Request};
use crate::error::ApiError;
use crate::kinds::Kinds;
use crate::store::Store;

/// Configurations of admission itself are never sent to webhooks nor judged by policies, or a broken one could not be
/// removed.
pub(super) fn is_exempt(request: &Request) -> bool {
    const EXEMPT: [&str; 6] = [
        "validatingwebhookconfigurations",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
    ];
    request.resource.group == "admissionregistration.k8s.io"
        && EXEMPT.contains(&request.resource.resource.as_str())
}

/// The version that a rule names: the request's own, or with `matchPolicy: Equivalent` another one under which the
/// same objects are served, so that nobody passes by writing through another version.
pub(super) fn matched_version(
    kinds: &Kinds,
    rules: &Value,
    policy: &Value,
    request: &Request,
) -> Option<String> {
    let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
    let own = &request.resource;
    let matches = |version: &str| {
        rules
            .iter()
            .any(|rule| rule_matches(rule, request, version))
    };
    if matches(&own.version) {
        return Some(own.version.clone());
    }
    if policy == "Exact" {
        return None;
    }
    let served = kinds.all().into_iter();
    let mut same = served.filter(|one| is_same(one, own));
    same.find(|one| matches(&one.version))
        .map(|one| one.version.clone())
}

fn is_same(one: &crate::kinds::Resource, own: &GroupVersionResource) -> bool {
    one.group == own.group && one.plural == own.resource
}

/// Whether the rule of a webhook, or a rule of a policy with its `resourceNames`, speaks of the request.
pub(super) fn rule_matches(rule: &Value, request: &Request, version: &str) -> bool {
    let strings = |key: &str| {
        rule[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    };
    let lists = |key: &str, wanted: &str| strings(key).any(|item| item == "*" || item == wanted);
    lists("operations", request.operation.as_str())
        && lists("apiGroups", &request.resource.group)
        && lists("apiVersions", version)
        && strings("resources").any(|one| resource_matches(one, request))
        && scope_matches(rule["scope"].as_str(), request)
        && (strings("resourceNames").next().is_none()
            || strings("resourceNames").any(|name| name == request.name))
}

/// `pods` is the resource alone, `pods/*` it and all its subresources, `*` all resources without theirs.
fn resource_matches(pattern: &str, request: &Request) -> bool {
    let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
    (resource == "*" || resource == request.resource.resource)
        && (subresource == "*" || subresource == request.subresource)
}

fn scope_matches(scope: Option<&str>, request: &Request) -> bool {
    let namespaced = !request.namespace.is_empty() && !request.is_namespace();
    match scope {
        Some("Namespaced") => namespaced,
        Some("Cluster") => !namespaced,
        _ => true,
    }
}

fn is_empty(selector: &Value) -> bool {
    let no_labels = selector["matchLabels"]
        .as_object()
        .is_none_or(serde_json::Map::is_empty);
    no_labels
        && selector["matchExpressions"]
            .as_array()
            .is_none_or(Vec::is_empty)
}

/// Whether the namespace of the request has the labels that are asked for. What is in no namespace always matches.
pub(super) fn namespace_matches(
    store: &Store,
    selector: &Value,
    request: &Request,
) -> Result<bool, ApiError> {
    if is_empty(selector) || (request.namespace.is_empty() && !request.is_namespace()) {
        return Ok(true);
    }
    // A Namespace that is being made or changed is judged by the labels it will have.
    let written = request
        .object
        .as_ref()
        .filter(|_| request.is_namespace() && request.subresource.is_empty());
    if let Some(object) = written {
        return Ok(matches_labels(selector, &object["metadata"]["labels"]));
    }
    let name = if request.namespace.is_empty() {
        &request.name
    } else {
        &request.namespace
    };
    let namespace = store
        .get("namespaces", "", name)
        .ok_or_else(|| ApiError::not_found("", "namespaces", name))?;
    Ok(matches_labels(
        selector,
        &namespace.value["metadata"]["labels"],
    ))
}

/// Whether the new or the old object has the labels that are asked for: nobody escapes by changing them.
pub(super) fn object_matches(selector: &Value, request: &Request) -> bool {
    let matches = |object: &Option<Value>| {
        object.as_ref().is_some_and(|object| {
            object.get("metadata").is_some()
                && matches_labels(selector, &object["metadata"]["labels"])
        })
    };
    is_empty(selector) || matches(&request.object) || matches(&request.old_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::request::tests::connect;
    use super::*;

    fn check_rule(resources: &str, subresource: &str, expected: bool) {
        let rule = json!({"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resources]});
        let request = connect("pods", subresource, "n");
        assert_eq!(
            rule_matches(&rule, &request, "v1"),
            expected,
            "{resources} {subresource}"
        );
    }

    #[test]
    fn a_rule_for_pods_alone_never_sees_subresources() {
        check_rule("pods", "", true);
        check_rule("pods", "exec", false);
        check_rule("pods/exec", "exec", true);
        check_rule("pods/exec", "attach", false);
        check_rule("pods/*", "attach", true);
        check_rule("*/*", "attach", true);
        check_rule("*", "attach", false);
        check_rule("*/attach", "attach", true);
        check_rule("services/*", "attach", false);
    }

    #[test]
    fn a_rule_with_names_speaks_of_those_alone() {
        let rule = |names: Value| json!({"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "resourceNames": names});
        let request = connect("pods", "", "n");
        assert!(rule_matches(&rule(json!([])), &request, "v1"));
        assert!(rule_matches(&rule(json!(["other", "p"])), &request, "v1"));
        assert!(!rule_matches(&rule(json!(["other"])), &request, "v1"));
    }

    #[test]
    fn scopes_tell_namespaces_from_what_is_in_them() {
        assert!(scope_matches(Some("Namespaced"), &connect("pods", "", "n")));
        assert!(!scope_matches(Some("Cluster"), &connect("pods", "", "n")));
        assert!(scope_matches(
            Some("Cluster"),
            &connect("namespaces", "", "n")
        ));
        assert!(scope_matches(None, &connect("nodes", "", "")));
    }
}
