//! Resource requests and limits of a container.

use serde_json::Value;

use crate::field::{FieldError, Path};
use crate::kinds::names;
use crate::kinds::quantity::Quantity;

/// The faults of `resources` (`ValidateContainerResourceRequirements`).
pub(super) fn requirements(resources: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let (limits, requests) = (path.child("limits"), path.child("requests"));
    for (name, amount) in amounts(&resources["limits"]) {
        out.extend(amount_faults(name, &amount, &limits.key(name)));
    }
    for (name, amount) in amounts(&resources["requests"]) {
        out.extend(amount_faults(name, &amount, &requests.key(name)));
        let limit = resources["limits"][name]
            .as_str()
            .and_then(|text| text.parse::<Quantity>().ok());
        match limit {
            Some(limit) if amount != limit && !overcommits(name) => {
                let detail = format!("must be equal to {name} limit of {limit}");
                out.push(FieldError::invalid(&requests, amount.to_string(), detail));
            }
            Some(limit) if amount.nanos() > limit.nanos() => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                out.push(FieldError::invalid(&requests, amount.to_string(), detail));
            }
            None if !overcommits(name) => {
                out.push(FieldError::required(
                    &limits,
                    "Limit must be set for non overcommitable resources",
                ));
            }
            _ => {}
        }
    }
    out
}

fn amounts(map: &Value) -> impl Iterator<Item = (&str, Quantity)> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(name, amount)| Some((name.as_str(), amount.as_str()?.parse().ok()?)))
}

/// Kubernetes' own resources may be asked for beyond what is there; others, and huge pages, may not.
fn overcommits(name: &str) -> bool {
    (!name.contains('/') || name.contains("kubernetes.io/")) && !name.starts_with("hugepages-")
}

fn amount_faults(name: &str, amount: &Quantity, field: &Path) -> Vec<FieldError> {
    let mut out: Vec<FieldError> = names::qualified(name)
        .into_iter()
        .map(|text| FieldError::invalid(field, name, text))
        .collect();
    let standard =
        matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
    if !name.contains('/') && !standard {
        out.push(FieldError::invalid(
            field,
            name,
            "must be a standard resource for containers",
        ));
    }
    if amount.is_negative() {
        out.push(FieldError::invalid(
            field,
            amount.to_string(),
            "must be greater than or equal to 0",
        ));
    }
    if !overcommits(name) && !amount.is_whole() {
        out.push(FieldError::invalid(
            field,
            amount.to_string(),
            "must be an integer",
        ));
    }
    out
}
