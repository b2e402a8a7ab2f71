//! Whether a Pod may run on a node (`pkg/scheduler/framework/plugins`), as pure rules.

use serde_json::Value;

use crate::kinds::quantity::Quantity;

/// Why a node does not take a Pod, in the scheduler's words.
pub(super) fn obstacle(pod: &Value, node: &Value, others: &[&Value]) -> Option<String> {
    let spec = &pod["spec"];
    if node["spec"]["unschedulable"] == true
        && !tolerates(spec, "node.kubernetes.io/unschedulable", "", "NoSchedule")
    {
        return Some("node(s) were unschedulable".to_owned());
    }
    if let Some(taint) = untolerated(spec, node) {
        let (key, value) = (
            taint["key"].as_str().unwrap_or_default(),
            taint["value"].as_str().unwrap_or_default(),
        );
        return Some(format!("node(s) had untolerated taint {{{key}: {value}}}"));
    }
    if !is_ready(node) {
        return Some("node(s) had untolerated taint {node.kubernetes.io/not-ready: }".to_owned());
    }
    if !selected(spec, node) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    lacking(pod, node, others).map(|resource| match resource {
        "pods" => "Too many pods".to_owned(),
        resource => format!("Insufficient {resource}"),
    })
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn is_ready(node: &Value) -> bool {
    list(&node["status"], "conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn untolerated<'a>(spec: &Value, node: &'a Value) -> Option<&'a Value> {
    list(&node["spec"], "taints").iter().find(|taint| {
        let text = |field: &str| taint[field].as_str().unwrap_or_default();
        let effect = text("effect");
        matches!(effect, "NoSchedule" | "NoExecute")
            && !tolerates(spec, text("key"), text("value"), effect)
    })
}

fn tolerates(spec: &Value, key: &str, value: &str, effect: &str) -> bool {
    list(spec, "tolerations").iter().any(|toleration| {
        let text = |field: &str| toleration[field].as_str().unwrap_or_default();
        let same_effect = text("effect").is_empty() || text("effect") == effect;
        let exists = text("operator") == "Exists";
        let same_key = text("key") == key || (text("key").is_empty() && exists);
        same_effect && same_key && (exists || text("value") == value)
    })
}

fn selected(spec: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let by_label = spec["nodeSelector"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value));
    let required =
        &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    by_label
        && (!required.is_object()
            || list(required, "nodeSelectorTerms")
                .iter()
                .any(|term| term_holds(term, node)))
}

/// Terms are alternatives; an empty one matches nothing.
fn term_holds(term: &Value, node: &Value) -> bool {
    let (expressions, fields) = (list(term, "matchExpressions"), list(term, "matchFields"));
    let label = |key: &str| node["metadata"]["labels"].get(key).and_then(Value::as_str);
    let field = |key: &str| {
        if key == "metadata.name" {
            node["metadata"]["name"].as_str()
        } else {
            None
        }
    };
    (!expressions.is_empty() || !fields.is_empty())
        && expressions
            .iter()
            .all(|rule| rule_holds(rule, label(rule["key"].as_str().unwrap_or_default())))
        && fields
            .iter()
            .all(|rule| rule_holds(rule, field(rule["key"].as_str().unwrap_or_default())))
}

fn rule_holds(rule: &Value, actual: Option<&str>) -> bool {
    let values = || list(rule, "values").iter().filter_map(Value::as_str);
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
    let compare = |holds: fn(i64, i64) -> bool| match (number(actual), number(values().next())) {
        (Some(actual), Some(bound)) => holds(actual, bound),
        _ => false,
    };
    match rule["operator"].as_str() {
        Some("In") => actual.is_some_and(|actual| values().any(|value| value == actual)),
        Some("NotIn") => actual.is_none_or(|actual| values().all(|value| value != actual)),
        Some("Exists") => actual.is_some(),
        Some("DoesNotExist") => actual.is_none(),
        Some("Gt") => compare(|actual, bound| actual > bound),
        Some("Lt") => compare(|actual, bound| actual < bound),
        _ => false,
    }
}

/// The resource of which the node has not enough left, if any.
fn lacking(pod: &Value, node: &Value, others: &[&Value]) -> Option<&'static str> {
    let allocatable = &node["status"]["allocatable"];
    for resource in ["pods", "cpu", "memory", "ephemeral-storage"] {
        let Some(Ok(capacity)) = allocatable[resource].as_str().map(str::parse::<Quantity>) else {
            continue;
        };
        let asked = asks(pod, resource);
        let used: i128 = others.iter().map(|other| asks(other, resource)).sum();
        if asked > 0 && used + asked > capacity.nanos() {
            return Some(resource);
        }
    }
    None
}

/// What a Pod asks for, in billionths: its containers together, or its greediest init container.
fn asks(pod: &Value, resource: &str) -> i128 {
    if resource == "pods" {
        return 1_000_000_000;
    }
    let of = |container: &Value| {
        let text = container["resources"]["requests"][resource]
            .as_str()
            .unwrap_or("0");
        text.parse::<Quantity>()
            .map_or(0, |quantity| quantity.nanos())
    };
    let running: i128 = list(&pod["spec"], "containers").iter().map(of).sum();
    let starting = list(&pod["spec"], "initContainers")
        .iter()
        .map(of)
        .max()
        .unwrap_or(0);
    running.max(starting)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node() -> Value {
        json!({
            "metadata": {"name": "n", "labels": {"disk": "ssd", "size": "4"}},
            "spec": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
                "allocatable": {"cpu": "2", "memory": "1Gi", "pods": "2"}},
        })
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read better without a borrow"
    )]
    fn check(spec: Value, node: Value, expected: Option<&str>) {
        let pod = json!({"spec": spec});
        assert_eq!(obstacle(&pod, &node, &[]).as_deref(), expected, "{pod}");
    }

    #[test]
    fn a_pod_goes_where_its_selector_and_affinity_let_it() {
        check(json!({}), node(), None);
        check(json!({"nodeSelector": {"disk": "ssd"}}), node(), None);
        let elsewhere = Some("node(s) didn't match Pod's node affinity/selector");
        check(json!({"nodeSelector": {"disk": "hdd"}}), node(), elsewhere);
        let affinity = |rule: Value| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}}}})
        };
        check(
            affinity(json!({"key": "size", "operator": "Gt", "values": ["3"]})),
            node(),
            None,
        );
        check(
            affinity(json!({"key": "size", "operator": "NotIn", "values": ["4"]})),
            node(),
            elsewhere,
        );
        check(
            affinity(json!({"key": "gpu", "operator": "DoesNotExist"})),
            node(),
            None,
        );
    }

    #[test]
    fn a_pod_keeps_off_nodes_that_refuse_it() {
        let mut tainted = node();
        tainted["spec"]["taints"] = json!([{"key": "a", "value": "b", "effect": "NoSchedule"}]);
        check(
            json!({}),
            tainted.clone(),
            Some("node(s) had untolerated taint {a: b}"),
        );
        check(
            json!({"tolerations": [{"operator": "Exists"}]}),
            tainted,
            None,
        );
        let mut cordoned = node();
        cordoned["spec"]["unschedulable"] = true.into();
        check(json!({}), cordoned, Some("node(s) were unschedulable"));
        check(
            json!({"containers": [{"resources": {"requests": {"cpu": "3"}}}]}),
            node(),
            Some("Insufficient cpu"),
        );
    }
}
