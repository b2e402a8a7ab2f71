//! The quality-of-service class of a Pod (`pkg/apis/core/v1/helper/qos`).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kinds::quantity::Quantity;

fn amounts(container: &Value, kind: &str) -> BTreeMap<String, Quantity> {
    let map = container["resources"][kind].as_object();
    map.into_iter()
        .flatten()
        .filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory"))
        .filter_map(|(name, amount)| {
            Some((name.clone(), amount.as_str()?.parse::<Quantity>().ok()?))
        })
        .filter(|(_, amount)| !amount.is_zero() && !amount.is_negative())
        .collect()
}

/// `Guaranteed`, `Burstable` or `BestEffort`. Ephemeral containers do not count.
pub(super) fn class(pod: &Value) -> &'static str {
    // A Pod that has resources of its own is judged by them alone.
    let own = &pod["spec"];
    let held = |kind: &str| {
        let amounts = own["resources"][kind].as_object();
        amounts.is_some_and(|amounts| !amounts.is_empty())
    };
    if held("requests") || held("limits") {
        let (requests, limits) = (amounts(own, "requests"), amounts(own, "limits"));
        return match (requests.is_empty() && limits.is_empty(), requests == limits) {
            (true, _) => "BestEffort",
            (false, true) if limits.len() == 2 => "Guaranteed",
            _ => "Burstable",
        };
    }
    let lists = [&pod["spec"]["initContainers"], &pod["spec"]["containers"]];
    let containers = || lists.iter().filter_map(|list| list.as_array()).flatten();
    let mut asks = false;
    let mut guaranteed = true;
    for container in containers() {
        let (requests, limits) = (amounts(container, "requests"), amounts(container, "limits"));
        asks |= !requests.is_empty() || !limits.is_empty();
        guaranteed &= limits.len() == 2 && (requests.is_empty() || requests == limits);
    }
    match (asks, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_class_follows_from_requests_and_limits() {
        for (resources, expected) in [
            (json!({}), "BestEffort"),
            (json!({"requests": {"cpu": "1"}}), "Burstable"),
            (
                json!({"limits": {"cpu": "1", "memory": "1Mi"}}),
                "Guaranteed",
            ),
            (
                json!({"limits": {"cpu": "1", "memory": "1Mi"}, "requests": {"cpu": "1000m", "memory": "1024Ki"}}),
                "Guaranteed",
            ),
            (
                json!({"limits": {"cpu": "1", "memory": "1Mi"}, "requests": {"cpu": "1", "memory": "1Ki"}}),
                "Burstable",
            ),
        ] {
            assert_eq!(
                class(&json!({"spec": {"containers": [{"resources": resources}]}})),
                expected,
                "{resources}"
            );
        }
    }
}
