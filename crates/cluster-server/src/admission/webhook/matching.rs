//! Which webhooks a request concerns: rules, selectors, match conditions.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use kube_cel::KubeCelExt;
use kube_cel::cel::objects::Key;
use kube_cel::cel::{Context, Program, Value as Cel};
use serde_json::Value;

use super::super::selector::matches_labels;
use super::super::{Chain, Operation, Request};
use super::Hook;
use crate::error::ApiError;

/// The version of the resource about which the webhook is to be asked, if it is to be asked. An error refuses the
/// request: it cannot be known whether to ask.
pub(super) fn applies(
    chain: &Chain,
    hook: &Hook,
    request: &Request,
) -> Result<Option<String>, ApiError> {
    if is_exempt(request) {
        return Ok(None);
    }
    let Some(version) = matched_version(chain, hook, request) else {
        return Ok(None);
    };
    let asked = namespace_matches(chain, hook, request)?
        && object_matches(hook, request)
        && conditions_match(hook, request)?;
    Ok(asked.then_some(version))
}

/// The version that a rule names: the request's own, or with `matchPolicy: Equivalent` another one under which the
/// same objects are served, so that nobody passes a webhook by writing through another version.
fn matched_version(chain: &Chain, hook: &Hook, request: &Request) -> Option<String> {
    let rules = hook.value["rules"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let own = &request.resource;
    let matches = |version: &str| {
        rules
            .iter()
            .any(|rule| rule_matches(rule, request, version))
    };
    if matches(&own.version) {
        return Some(own.version.clone());
    }
    if hook.value["matchPolicy"] == "Exact" {
        return None;
    }
    let served = chain.kinds.all().into_iter();
    let mut same = served.filter(|one| one.group == own.group && one.plural == own.resource);
    same.find(|one| matches(&one.version))
        .map(|one| one.version.clone())
}

/// Configurations of admission itself are never sent to webhooks, or a broken one could not be removed.
fn is_exempt(request: &Request) -> bool {
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

fn rule_matches(rule: &Value, request: &Request, version: &str) -> bool {
    let lists = |key: &str, wanted: &str| {
        let items = rule[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        items.into_iter().any(|item| item == "*" || item == wanted)
    };
    lists("operations", request.operation.as_str())
        && lists("apiGroups", &request.resource.group)
        && lists("apiVersions", version)
        && rule["resources"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|one| resource_matches(one, request))
        && scope_matches(rule["scope"].as_str(), request)
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
    let empty = |key: &str| {
        selector[key].as_array().is_none_or(Vec::is_empty)
            && selector[key]
                .as_object()
                .is_none_or(serde_json::Map::is_empty)
    };
    empty("matchLabels") && empty("matchExpressions")
}

fn namespace_matches(chain: &Chain, hook: &Hook, request: &Request) -> Result<bool, ApiError> {
    let selector = &hook.value["namespaceSelector"];
    if is_empty(selector) || (request.namespace.is_empty() && !request.is_namespace()) {
        return Ok(true);
    }
    // A Namespace that is being made or changed is judged by the labels it will have.
    if let Some(object) = request
        .object
        .as_ref()
        .filter(|_| request.is_namespace() && request.subresource.is_empty())
    {
        return Ok(matches_labels(selector, &object["metadata"]["labels"]));
    }
    let name = if request.namespace.is_empty() {
        &request.name
    } else {
        &request.namespace
    };
    let namespace = chain
        .store
        .get("namespaces", "", name)
        .ok_or_else(|| ApiError::not_found("", "namespaces", name))?;
    Ok(matches_labels(
        selector,
        &namespace.value["metadata"]["labels"],
    ))
}

/// The new or the old labels will do, so that nobody escapes by changing them.
fn object_matches(hook: &Hook, request: &Request) -> bool {
    let selector = &hook.value["objectSelector"];
    let matches = |object: &Option<Value>| {
        object.as_ref().is_some_and(|object| {
            object.get("metadata").is_some()
                && matches_labels(selector, &object["metadata"]["labels"])
        })
    };
    is_empty(selector) || matches(&request.object) || matches(&request.old_object)
}

/// All conditions must hold. One that is false decides, else one that cannot be evaluated is an error, unless the
/// webhook's failures are to be ignored.
fn conditions_match(hook: &Hook, request: &Request) -> Result<bool, ApiError> {
    let conditions = hook.value["matchConditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if conditions.is_empty() {
        return Ok(true);
    }
    let context = context(request);
    let mut failure = None;
    for condition in conditions {
        let expression = condition["expression"].as_str().unwrap_or_default();
        match evaluate(expression, &context) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(why) => failure = failure.or(Some(why)),
        }
    }
    match failure {
        None => Ok(true),
        Some(_) if hook.fails_open() => Ok(false),
        Some(why) => Err(request.forbidden(&why)),
    }
}

fn evaluate(expression: &str, context: &Context<'_>) -> Result<bool, String> {
    match program(expression)?.execute(context) {
        Ok(Cel::Bool(holds)) => Ok(holds),
        Ok(_) => Err(format!(
            "expression '{expression}' resulted in something that is not a bool"
        )),
        Err(error) => Err(format!(
            "expression '{expression}' resulted in error: {error}"
        )),
    }
}

/// Compiled once and remembered; configurations change rarely and expressions repeat.
fn program(expression: &str) -> Result<Arc<Program>, String> {
    static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Program>>>> = LazyLock::new(Mutex::default);
    const REMEMBERED: usize = 1024;
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = compiled.get(expression) {
        return Ok(Arc::clone(program));
    }
    let program =
        Program::compile(expression).map_err(|error| format!("compilation failed: {error}"))?;
    let program = Arc::new(program);
    if compiled.len() >= REMEMBERED {
        compiled.clear();
    }
    compiled.insert(expression.to_owned(), Arc::clone(&program));
    Ok(program)
}

fn context(request: &Request) -> Context<'static> {
    let mut context = Context::default().with_all();
    let review = request.to_review("", &request.resource.version);
    let mut asked = review["request"].clone();
    if let Some(asked) = asked.as_object_mut() {
        for key in ["object", "oldObject", "uid"] {
            asked.remove(key);
        }
        // What a review leaves out when it is empty, an expression may still name.
        for key in ["name", "namespace", "subResource", "requestSubResource"] {
            asked.entry(key).or_insert_with(|| "".into());
        }
    }
    let deleted = request.operation == Operation::Delete;
    let object = request.object.as_ref().filter(|_| !deleted);
    context.add_variable_from_value("object", object.map_or(Cel::Null, to_cel));
    context.add_variable_from_value(
        "oldObject",
        request.old_object.as_ref().map_or(Cel::Null, to_cel),
    );
    context.add_variable_from_value("request", to_cel(&asked));
    context
}

/// JSON as CEL sees it: whole numbers are `int`.
fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Cel::Int(whole),
            (None, Some(large)) => Cel::UInt(large),
            (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            let entries = fields
                .iter()
                .map(|(key, value)| (Key::String(Arc::new(key.clone())), to_cel(value)));
            Cel::Map(entries.collect::<HashMap<Key, Cel>>().into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::{GroupVersionKind, GroupVersionResource};
    use super::*;
    use crate::audit::Annotations;
    use crate::identity::User;

    fn connect(resource: &str, subresource: &str, namespace: &str) -> Request {
        Request {
            operation: Operation::Connect,
            kind: GroupVersionKind {
                version: "v1".into(),
                kind: "PodExecOptions".into(),
                ..Default::default()
            },
            resource: GroupVersionResource {
                version: "v1".into(),
                resource: resource.into(),
                ..Default::default()
            },
            subresource: subresource.into(),
            namespace: namespace.into(),
            name: "p".into(),
            object: Some(json!({"kind": "PodExecOptions", "container": "debug-1"})),
            old_object: None,
            options: None,
            dry_run: false,
            user: User {
                name: "alice".into(),
                ..User::default()
            },
            warnings: Vec::new(),
            annotations: Annotations::default(),
        }
    }

    fn check_rule(resources: &str, subresource: &str, expected: bool) {
        let rule = json!({"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": [resources]});
        assert_eq!(
            rule_matches(&rule, &connect("pods", subresource, "n"), "v1"),
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
    fn scopes_tell_namespaces_from_what_is_in_them() {
        assert!(scope_matches(Some("Namespaced"), &connect("pods", "", "n")));
        assert!(!scope_matches(Some("Cluster"), &connect("pods", "", "n")));
        assert!(scope_matches(
            Some("Cluster"),
            &connect("namespaces", "", "n")
        ));
        assert!(scope_matches(None, &connect("nodes", "", "")));
    }

    fn check_condition(expression: &str, expected: Result<bool, ()>) {
        let got = evaluate(expression, &context(&connect("pods", "exec", "n"))).map_err(|_| ());
        assert_eq!(got, expected, "{expression}");
    }

    #[test]
    fn conditions_see_the_request_and_the_options_of_a_connect() {
        check_condition("request.subResource == 'exec'", Ok(true));
        check_condition(
            "has(object.container) && object.container.startsWith('debug-')",
            Ok(true),
        );
        check_condition("request.userInfo.username == 'bob'", Ok(false));
        check_condition("oldObject == null", Ok(true));
        check_condition("object.missing == 'x'", Err(()));
        check_condition("'text'", Err(()));
        check_condition("1 +", Err(()));
    }
}
