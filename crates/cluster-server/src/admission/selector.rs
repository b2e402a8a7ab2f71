//! Label selectors as objects carry them (`metav1.LabelSelector`).

use serde_json::Value;

/// Whether the labels of `object` satisfy `selector`.
pub fn matches(selector: &Value, object: &Value) -> bool {
    matches_labels(selector, &object["metadata"]["labels"])
}

/// Whether `labels` (an object's `metadata.labels`) satisfy `selector`.
///
/// An empty selector matches everything, an absent one nothing, and so does one that cannot be read.
pub fn matches_labels(selector: &Value, labels: &Value) -> bool {
    let Some(selector) = selector.as_object() else {
        return false;
    };
    let equal = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let mut wanted = equal.map(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    wanted.all(|holds| holds)
        && expressions
            .into_iter()
            .all(|expression| holds(expression, labels))
}

fn holds(expression: &Value, labels: &Value) -> bool {
    let Some(key) = expression["key"].as_str() else {
        return false;
    };
    let label = labels.get(key);
    let listed = || {
        let values = expression["values"].as_array().into_iter().flatten();
        label.is_some_and(|label| values.into_iter().any(|value| value == label))
    };
    match expression["operator"].as_str() {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => label.is_some(),
        Some("DoesNotExist") => label.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(selector: &Value, expected: bool) {
        let labels = json!({"app": "web", "tier": "front"});
        assert_eq!(matches_labels(selector, &labels), expected, "{selector}");
    }

    #[test]
    fn selectors_match_as_kubernetes_says() {
        check(&json!({}), true);
        check(&Value::Null, false);
        check(&json!({"matchLabels": {"app": "web"}}), true);
        check(&json!({"matchLabels": {"app": "web", "x": "y"}}), false);
        check(
            &json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "web"]}]}),
            true,
        );
        check(
            &json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
            false,
        );
        check(
            &json!({"matchExpressions": [{"key": "none", "operator": "NotIn", "values": ["web"]}]}),
            true,
        );
        check(
            &json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
            true,
        );
        check(
            &json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}),
            false,
        );
        check(
            &json!({"matchExpressions": [{"key": "app", "operator": "Sometimes"}]}),
            false,
        );
    }
}
