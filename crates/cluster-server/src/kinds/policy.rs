//! PodDisruptionBudgets: how many of a set of Pods may be missing at a time (`pkg/apis/policy`).

use serde_json::{Value, json};

use super::{Strategy, metadata, names};
use crate::field::{FieldError, Path};

const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

/// What is particular to PodDisruptionBudgets.
pub struct BudgetStrategy;

/// The strategy of PodDisruptionBudgets.
pub static BUDGET: BudgetStrategy = BudgetStrategy;

impl Strategy for BudgetStrategy {
    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({
            "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
        });
        object["metadata"]["generation"] = 1.into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        validate(&object["spec"], &Path::new("spec"))
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        if subresource == "status" {
            new["spec"] = old["spec"].clone();
            return;
        }
        new["status"] = old["status"].clone();
        if new["spec"] != old["spec"] {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
            new["metadata"]["generation"] = (generation + 1).into();
        }
    }

    fn validate_update(&self, subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        if subresource != "status" {
            return self.validate_create(new);
        }
        let path = Path::new("status");
        let counts = [
            "disruptionsAllowed",
            "currentHealthy",
            "desiredHealthy",
            "expectedPods",
        ];
        counts
            .into_iter()
            .filter_map(|key| not_negative(&new["status"][key], &path.child(key)))
            .collect()
    }
}

fn not_negative(value: &Value, path: &Path) -> Option<FieldError> {
    let number = value.as_i64().filter(|number| *number < 0)?;
    let why = "must be greater than or equal to 0";
    Some(FieldError::invalid(path, number, why))
}

fn validate(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let bounds = ["minAvailable", "maxUnavailable"];
    if bounds.iter().all(|key| !spec[*key].is_null()) {
        // Kubernetes shows its internal type.
        let shown = json!({
            "MinAvailable": spec["minAvailable"], "Selector": spec["selector"], "MaxUnavailable": spec["maxUnavailable"],
            "UnhealthyPodEvictionPolicy": spec["unhealthyPodEvictionPolicy"],
        });
        let why = "minAvailable and maxUnavailable cannot be both set";
        errors.push(FieldError::invalid(path, shown, why));
    }
    for key in bounds {
        errors.extend(validate_bound(&spec[key], &path.child(key)));
    }
    errors.extend(validate_selector(
        &spec["selector"],
        &path.child("selector"),
    ));
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    if let Some(other) = spec["unhealthyPodEvictionPolicy"]
        .as_str()
        .filter(|policy| !policies.contains(policy))
    {
        let at = path.child("unhealthyPodEvictionPolicy");
        errors.push(FieldError::not_supported(&at, other, &policies));
    }
    errors
}

/// A number of Pods, or a part of them: `1`, `"30%"`.
fn validate_bound(bound: &Value, path: &Path) -> Vec<FieldError> {
    let Some(text) = bound.as_str() else {
        return not_negative(bound, path).into_iter().collect();
    };
    let digits = text
        .strip_suffix('%')
        .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    match digits.map(|digits| digits.parse::<u64>().unwrap_or(u64::MAX)) {
        None => vec![FieldError::invalid(path, text, PERCENT)],
        Some(percent) if percent > 100 => {
            vec![FieldError::invalid(
                path,
                text,
                "must not be greater than 100%",
            )]
        }
        Some(_) => Vec::new(),
    }
}

/// `metav1validation.ValidateLabelSelector`.
fn validate_selector(selector: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors =
        metadata::validate_labels(&selector["matchLabels"], &path.child("matchLabels"));
    let all = selector["matchExpressions"]
        .as_array()
        .into_iter()
        .flatten();
    for (index, one) in all.enumerate() {
        let at = path.child("matchExpressions").index(index);
        let none = Vec::new();
        let values = one["values"].as_array().unwrap_or(&none);
        match one["operator"].as_str().unwrap_or_default() {
            "In" | "NotIn" if values.is_empty() => errors.push(FieldError::required(
                &at.child("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if !values.is_empty() => errors.push(FieldError::forbidden(
                &at.child("values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.push(FieldError::invalid(
                &at.child("operator"),
                other,
                "not a valid selector operator",
            )),
        }
        let key = one["key"].as_str().unwrap_or_default();
        let faults = names::qualified(key).into_iter();
        errors.extend(faults.map(|why| FieldError::invalid(&at.child("key"), key, why)));
        for (index, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            let at = at.child("values").index(index);
            let faults = names::label_value(value).into_iter();
            errors.extend(faults.map(|why| FieldError::invalid(&at, value, why)));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read better without a borrow"
    )]
    fn check(spec: Value, expected: &[&str]) {
        let errors = BUDGET.validate_create(&json!({"spec": spec}));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn a_budget_has_one_bound() {
        check(json!({"minAvailable": 1, "selector": {}}), &[]);
        check(
            json!({"minAvailable": 1, "maxUnavailable": "10%"}),
            &[
                "spec: Invalid value: {\"MinAvailable\":1,\"Selector\":null,\"MaxUnavailable\":\"10%\",\"UnhealthyPodEvictionPolicy\":null}: minAvailable and maxUnavailable cannot be both set",
            ],
        );
        check(
            json!({"minAvailable": -1}),
            &["spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"],
        );
        check(
            json!({"maxUnavailable": "101%"}),
            &["spec.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"],
        );
        check(
            json!({"minAvailable": 1, "unhealthyPodEvictionPolicy": "Never"}),
            &[
                "spec.unhealthyPodEvictionPolicy: Unsupported value: \"Never\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\"",
            ],
        );
        check(
            json!({"minAvailable": 1, "selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
            &[
                "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            ],
        );
    }
}
