//! What a Pod that is created may hold but better would not (`pkg/api/pod/warnings.go`).

use std::collections::HashSet;

use serde_json::Value;

use crate::field::Path;
use crate::kinds::quantity::Quantity;

/// Old labels of nodes, and what to select by instead.
const OLD_LABELS: &[(&str, &str)] = &[
    (
        "beta.kubernetes.io/arch",
        "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
    ),
    (
        "beta.kubernetes.io/os",
        "deprecated since v1.14; use \"kubernetes.io/os\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
];

/// The texts of `Warning` headers for a new Pod.
pub(super) fn of(pod: &Value) -> Vec<String> {
    let spec = &pod["spec"];
    let path = Path::new("spec");
    let mut out = Vec::new();
    for (label, advice) in OLD_LABELS {
        if spec["nodeSelector"].get(*label).is_some() {
            out.push(format!(
                "{}: {advice}",
                path.child("nodeSelector").key(label)
            ));
        }
    }
    for (at, secret) in list(spec, "imagePullSecrets").iter().enumerate() {
        if secret["name"].as_str().unwrap_or_default().is_empty() {
            let field = path.child("imagePullSecrets").index(at);
            out.push(format!("{field}: invalid empty name \"\""));
        }
    }
    for kind in ["containers", "initContainers"] {
        for (at, container) in list(spec, kind).iter().enumerate() {
            of_container(container, &path.child(kind).index(at), &mut out);
        }
    }
    out
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn of_container(container: &Value, path: &Path, out: &mut Vec<String>) {
    for kind in ["limits", "requests"] {
        for (name, amount) in container["resources"][kind]
            .as_object()
            .into_iter()
            .flatten()
        {
            let text = amount.as_str().unwrap_or_default();
            let whole = text
                .parse::<Quantity>()
                .is_ok_and(|quantity| quantity.is_whole());
            if matches!(name.as_str(), "memory" | "ephemeral-storage") && !whole {
                let field = path.child("resources").child(kind).key(name);
                out.push(format!(
                    "{field}: fractional byte value {text:?} is invalid, must be an integer"
                ));
            }
        }
    }
    let mut seen = HashSet::new();
    for (at, variable) in list(container, "env").iter().enumerate() {
        let name = variable["name"].as_str().unwrap_or_default();
        let own = variable["value"].as_str().unwrap_or_default();
        // A later value that builds on the earlier one is meant so.
        let builds_on = own.contains(&format!("$({name})"));
        if !seen.insert(name) && !builds_on {
            let field = path.child("env").index(at);
            out.push(format!(
                "{field}: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_given_twice_is_warned_of() {
        let env = json!([{"name": "A"}, {"name": "B"}, {"name": "A", "value": "x"}, {"name": "B", "value": "$(B)c"}]);
        let pod = json!({"spec": {"containers": [{"env": env}]}});
        let expected = "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply";
        assert_eq!(of(&pod), [expected]);
    }
}
