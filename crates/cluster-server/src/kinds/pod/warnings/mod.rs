//! What a Pod or a template may hold but better would not (`pkg/api/pod/warnings.go`), in Kubernetes' order.

mod ports;
#[cfg(test)]
mod tests;
mod volumes;

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::Value;

use super::validate::{APP_ARMOR, SECCOMP, SECCOMP_POD, each_container};
use crate::field::Path;
use crate::kinds::names;
use crate::kinds::quantity::Quantity;

const NO_SELECTOR: &str = "a null labelSelector results in matching no pod";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
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
/// Annotations that mean nothing any more.
const OLD_ANNOTATIONS: &[(&str, &str)] = &[
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

/// The warnings for a new Pod.
pub(super) fn of_pod(pod: &Value) -> Vec<String> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let complaints = names::dns_label(name);
    let mut out = Vec::new();
    if !complaints.is_empty() {
        out.push(format!(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [{}]",
            complaints.join(" ")
        ));
    }
    out.extend(all(pod, &Path::default(), Holder::Pod));
    out
}

/// The warnings for a template at `path`.
pub(crate) fn of_template(template: &Value, path: &Path) -> Vec<String> {
    all(template, path, Holder::Template)
}

/// Whose spec it is. A Pod's AppArmor annotations are spoken of elsewhere, before they become fields.
#[derive(Clone, Copy, PartialEq)]
enum Holder {
    Pod,
    Template,
}

fn all(holder: &Value, path: &Path, kind: Holder) -> Vec<String> {
    let (spec, at) = (&holder["spec"], path.child("spec"));
    let annotations = path.child("metadata").child("annotations");
    let held = &holder["metadata"]["annotations"];
    let mut out = Vec::new();
    nodes(spec, &at, &mut out);
    for (key, advice) in OLD_ANNOTATIONS {
        if held.get(*key).is_some() {
            out.push(format!("{}: {advice}", annotations.key(key)));
        }
    }
    volumes::warn(spec, &at, &mut out);
    twice(spec, "hostAliases", "ip", &at, &mut out);
    twice(spec, "imagePullSecrets", "name", &at, &mut out);
    for (index, secret) in list(spec, "imagePullSecrets").iter().enumerate() {
        if text(secret, "name").is_empty() {
            let field = at.child("imagePullSecrets").index(index).child("name");
            out.push(format!("{field}: invalid empty name \"\""));
        }
    }
    for name in ["memory", "ephemeral-storage"] {
        fraction(&spec["overhead"], name, &at.child("overhead"), &mut out);
    }
    if spec["securityContext"]["seccompProfile"].is_null() && held.get(SECCOMP_POD).is_some() {
        out.push(no_seccomp(&annotations.key(SECCOMP_POD)));
    }
    for (container, at) in each_container(spec, &at) {
        let key = |prefix: &str| format!("{prefix}{}", text(container, "name"));
        let context = &container["securityContext"];
        let seccomp = key(SECCOMP);
        if context["seccompProfile"].is_null() && held.get(&seccomp).is_some() {
            out.push(no_seccomp(&annotations.key(&seccomp)));
        }
        let app_armor = key(APP_ARMOR);
        let said = [&spec["securityContext"], context]
            .iter()
            .any(|context| !context["appArmorProfile"].is_null());
        if kind == Holder::Template && !said && held.get(&app_armor).is_some() {
            let field = annotations.key(&app_armor);
            out.push(format!(
                "{field}: deprecated since v1.30; use the \"appArmorProfile\" field instead"
            ));
        }
        of_container(container, &at, &mut out);
    }
    ports::warn(spec, &at, &mut out);
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds < 0)
    {
        out.push(format!(
            "{}: must be >= 0; negative values are invalid and will be treated as 1",
            at.child("terminationGracePeriodSeconds")
        ));
    }
    neighbours(&spec["affinity"], &at.child("affinity"), &mut out);
    addresses(spec, &at, &mut out);
    out
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn no_seccomp(field: &Path) -> String {
    format!("{field}: non-functional in v1.27+; use the \"seccompProfile\" field instead")
}

fn advice(label: &str) -> Option<&'static str> {
    let known = OLD_LABELS.iter().find(|(old, _)| *old == label);
    known.map(|(_, advice)| *advice)
}

/// Old labels in what selects nodes.
fn nodes(spec: &Value, path: &Path, out: &mut Vec<String>) {
    for (label, _) in spec["nodeSelector"].as_object().into_iter().flatten() {
        if let Some(advice) = advice(label) {
            out.push(format!(
                "{}: {advice}",
                path.child("nodeSelector").key(label)
            ));
        }
    }
    let affinity = &spec["affinity"]["nodeAffinity"];
    let at = path.child("affinity").child("nodeAffinity");
    let terms = list(&affinity[REQUIRED], "nodeSelectorTerms");
    for (index, one) in terms.iter().enumerate() {
        let at = at.child(REQUIRED).child("nodeSelectorTerms").index(index);
        term(one, false, &at, out);
    }
    for (index, one) in list(affinity, PREFERRED).iter().enumerate() {
        let at = at.child(PREFERRED).index(index).child("preference");
        term(&one["preference"], true, &at, out);
    }
    for (index, one) in list(spec, "topologySpreadConstraints").iter().enumerate() {
        let at = path.child("topologySpreadConstraints").index(index);
        let key = text(one, "topologyKey");
        if let Some(advice) = advice(key) {
            out.push(format!("{}: {key} is {advice}", at.child("topologyKey")));
        }
        if one["labelSelector"].is_null() {
            out.push(format!("{}: {NO_SELECTOR}", at.child("labelSelector")));
        }
    }
}

fn term(term: &Value, judge_values: bool, path: &Path, out: &mut Vec<String>) {
    for (index, one) in list(term, "matchExpressions").iter().enumerate() {
        let at = path.child("matchExpressions").index(index);
        let key = text(one, "key");
        if let Some(advice) = advice(key) {
            out.push(format!("{}: {key} is {advice}", at.child("key")));
        }
        let values = list(one, "values").iter().filter(|_| judge_values);
        for (index, value) in values.enumerate() {
            let value = value.as_str().unwrap_or_default();
            for complaint in names::label_value(value) {
                let field = at.child("values").index(index);
                out.push(format!("{field}: {value} is invalid, {complaint}"));
            }
        }
    }
}

/// Entries of a list with one key.
fn twice(spec: &Value, field: &str, key: &str, path: &Path, out: &mut Vec<String>) {
    let mut seen = HashSet::new();
    for (index, one) in list(spec, field).iter().enumerate() {
        let value = text(one, key);
        if !seen.insert(value) {
            let at = path.child(field).index(index).child(key);
            out.push(format!("{at}: duplicate {key} {value:?}"));
        }
    }
}

/// Part of a byte cannot be had.
fn fraction(amounts: &Value, name: &str, path: &Path, out: &mut Vec<String>) {
    let amount = amounts[name]
        .as_str()
        .and_then(|text| text.parse::<Quantity>().ok());
    if let Some(amount) = amount.filter(|amount| !amount.is_whole()) {
        let field = path.key(name);
        out.push(format!(
            "{field}: fractional byte value \"{amount}\" is invalid, must be an integer"
        ));
    }
}

fn of_container(container: &Value, path: &Path, out: &mut Vec<String>) {
    for name in ["memory", "ephemeral-storage"] {
        for kind in ["limits", "requests"] {
            let field = path.child("resources").child(kind);
            fraction(&container["resources"][kind], name, &field, out);
        }
    }
    let mut seen = HashSet::new();
    for (at, variable) in list(container, "env").iter().enumerate() {
        let (name, value) = (text(variable, "name"), text(variable, "value"));
        if seen.insert(name) {
            continue;
        }
        // A later value that builds on the earlier one is meant so.
        let earlier = format!("$({name})");
        let builds_on = value.contains(&earlier) && value != earlier;
        if variable["valueFrom"].is_object() || !builds_on {
            let field = path.child("env").index(at);
            out.push(format!(
                "{field}: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

/// Terms about other Pods that match none.
fn neighbours(affinity: &Value, path: &Path, out: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        for (list_name, inner) in [(REQUIRED, None), (PREFERRED, Some("podAffinityTerm"))] {
            for (at, one) in list(&affinity[kind], list_name).iter().enumerate() {
                let at = path.child(kind).child(list_name).index(at);
                let (one, at) = match inner {
                    Some(inner) => (&one[inner], at.child(inner)),
                    None => (one, at),
                };
                if one["labelSelector"].is_null() {
                    out.push(format!("{}: {NO_SELECTOR}", at.child("labelSelector")));
                }
            }
        }
    }
}

/// Addresses that others would write differently.
fn addresses(spec: &Value, path: &Path, out: &mut Vec<String>) {
    let servers = list(&spec["dnsConfig"], "nameservers").iter().enumerate();
    let field = path.child("dnsConfig").child("nameservers");
    let servers = servers.map(|(at, server)| (field.index(at), server.as_str()));
    let aliases = list(spec, "hostAliases").iter().enumerate();
    let field = path.child("hostAliases");
    let aliases = aliases.map(|(at, alias)| (field.index(at).child("ip"), alias["ip"].as_str()));
    for (field, text) in servers.chain(aliases) {
        let text = text.unwrap_or_default();
        out.extend(address(text, &field));
    }
}

/// An IPv6 address that is not in its canonical form (`GetWarningsForIP`).
pub(super) fn address(text: &str, field: &Path) -> Option<String> {
    let IpAddr::V6(read) = text.parse().ok()? else {
        return None;
    };
    let canonical = read.to_string();
    (canonical != text).then(|| {
        format!(
            "{field}: IPv6 address {text:?} should be in RFC 5952 canonical format ({canonical:?})"
        )
    })
}
