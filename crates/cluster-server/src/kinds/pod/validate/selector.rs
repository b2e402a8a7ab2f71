//! Label selectors (`ValidateLabelSelector` of `k8s.io/apimachinery/pkg/apis/meta/v1/validation`).

use serde_json::Value;

use super::{invalid_each, list, text};
use crate::field::{FieldError, Path};
use crate::kinds::{metadata, names};

/// The faults of a label selector; one that is not there has none.
pub(super) fn faults(selector: &Value, path: &Path) -> Vec<FieldError> {
    let labels = path.child("matchLabels");
    let mut out = metadata::validate_labels(&selector["matchLabels"], &labels);
    for (at, one) in list(&selector["matchExpressions"]).iter().enumerate() {
        out.extend(requirement(one, &path.child("matchExpressions").index(at)));
    }
    out
}

fn requirement(one: &Value, path: &Path) -> Vec<FieldError> {
    let (operator, key) = (text(one, "operator"), text(one, "key"));
    let (values, field) = (list(&one["values"]), path.child("values"));
    let mut out = Vec::new();
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let detail = "must be specified when `operator` is 'In' or 'NotIn'";
            out.push(FieldError::required(&field, detail));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            out.push(FieldError::forbidden(&field, detail));
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => {
            let detail = "not a valid selector operator";
            out.push(FieldError::invalid(&path.child("operator"), other, detail));
        }
    }
    out.extend(invalid_each(&path.child("key"), key, names::qualified(key)));
    out.extend(label_values(values, &field));
    out
}

/// The faults of values that labels are compared with.
pub(super) fn label_values(values: &[Value], path: &Path) -> Vec<FieldError> {
    let texts = values
        .iter()
        .map(|value| value.as_str().unwrap_or_default());
    texts
        .enumerate()
        .flat_map(|(at, value)| invalid_each(&path.index(at), value, names::label_value(value)))
        .collect()
}
