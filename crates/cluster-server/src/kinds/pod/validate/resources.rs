//! Resource requests and limits, of containers and of the Pod as a whole.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{invalid_each, list, text};
use crate::field::{FieldError, Path};
use crate::kinds::names;
use crate::kinds::pod::amounts;
use crate::kinds::quantity::Quantity;

const HUGE: &str = "hugepages-";
/// What a container may ask for without naming a domain.
const OF_CONTAINERS: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// What else is a resource without a domain (`helper.IsStandardResourceName`).
const STANDARD: [&str; 16] = [
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
];

/// The faults of a container's `resources` (`ValidateContainerResourceRequirements`).
pub(super) fn of_container(
    resources: &Value,
    claims: &BTreeSet<&str>,
    path: &Path,
) -> Vec<FieldError> {
    let mut out = requirements(resources, container_name, path);
    out.extend(claim_names(resources, claims, &path.child("claims")));
    out
}

/// The faults of a Pod's `overhead`, which are those of limits.
pub(super) fn overhead(overhead: &Value, path: &Path) -> Vec<FieldError> {
    requirements(
        &serde_json::json!({ "limits": overhead }),
        container_name,
        path,
    )
}

/// The faults of a Pod's own `resources` (`validatePodResources`).
pub(super) fn of_pod(spec: &Value, claims: &BTreeSet<&str>, path: &Path) -> Vec<FieldError> {
    let resources = &spec["resources"];
    if !resources.is_object() {
        return Vec::new();
    }
    let mut out = Vec::new();
    if resources["claims"].is_array() {
        let detail = "claims cannot be set for Resources at pod-level";
        out.push(FieldError::forbidden(&path.child("claims"), detail));
    }
    out.extend(requirements(resources, pod_name, path));
    out.extend(claim_names(resources, claims, &path.child("claims")));
    for (name, asked) in amounts::of_containers(spec) {
        let own = amount(resources, "requests", &name).unwrap_or_default();
        if asked.nanos() > own.nanos() {
            let detail =
                format!("must be greater than or equal to aggregate container requests of {asked}");
            let field = path.child("requests").key(&name);
            out.push(FieldError::invalid(&field, own.to_string(), detail));
        }
    }
    for (at, container) in list(&spec["containers"]).iter().enumerate() {
        for (name, limit) in entries(&container["resources"]["limits"]) {
            let Some(own) = amount(resources, "limits", name) else {
                continue;
            };
            if limit.nanos() > own.nanos() {
                let detail = format!("must be less than or equal to pod limits of {own}");
                let field = path.child("containers").index(at).key(name).child("limits");
                out.push(FieldError::invalid(&field, limit.to_string(), detail));
            }
        }
    }
    out
}

fn entries(map: &Value) -> impl Iterator<Item = (&str, Quantity)> {
    let entries = map.as_object().into_iter().flatten();
    entries.filter_map(|(name, amount)| Some((name.as_str(), amount.as_str()?.parse().ok()?)))
}

fn amount(resources: &Value, kind: &str, name: &str) -> Option<Quantity> {
    resources[kind][name].as_str()?.parse().ok()
}

fn requirements(
    resources: &Value,
    name_faults: fn(&str, &Path) -> Vec<FieldError>,
    path: &Path,
) -> Vec<FieldError> {
    let mut out = Vec::new();
    let (mut huge, mut computes) = (false, false);
    for kind in ["limits", "requests"] {
        for (name, amount) in entries(&resources[kind]) {
            let field = path.child(kind).key(name);
            out.extend(name_faults(name, &field));
            out.extend(amount_faults(name, &amount, &field));
            if kind == "requests" {
                out.extend(beyond_limit(resources, name, &amount, path));
            }
            huge |= name.starts_with(HUGE);
            computes |= matches!(name, "cpu" | "memory");
            out.extend(indivisible(name, &amount, &field));
        }
    }
    if huge && !computes {
        let detail = "HugePages require cpu or memory";
        out.push(FieldError::forbidden(path, detail));
    }
    out
}

fn beyond_limit(
    resources: &Value,
    name: &str,
    asked: &Quantity,
    path: &Path,
) -> Option<FieldError> {
    let requests = path.child("requests");
    let Some(limit) = amount(resources, "limits", name) else {
        let detail = "Limit must be set for non overcommitable resources";
        return (!overcommits(name)).then(|| FieldError::required(&path.child("limits"), detail));
    };
    let relation = if *asked != limit && !overcommits(name) {
        "must be equal to"
    } else if asked.nanos() > limit.nanos() {
        "must be less than or equal to"
    } else {
        return None;
    };
    let detail = format!("{relation} {name} limit of {limit}");
    Some(FieldError::invalid(&requests, asked.to_string(), detail))
}

/// Whether a resource is Kubernetes' own (`helper.IsNativeResource`).
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Kubernetes' own resources may be asked for beyond what is there; others, and huge pages, may not.
fn overcommits(name: &str) -> bool {
    is_native(name) && !name.starts_with(HUGE)
}

/// Whether a resource is counted in whole devices (`helper.IsExtendedResourceName`).
fn is_extended(name: &str) -> bool {
    let quota = format!("requests.{name}");
    !is_native(name) && !name.starts_with("requests.") && names::qualified(&quota).is_empty()
}

fn container_name(name: &str, field: &Path) -> Vec<FieldError> {
    let mut out = resource_name(name, field);
    let detail = if name.contains('/') {
        "doesn't follow extended resource name standard"
    } else {
        "must be a standard resource for containers"
    };
    let holds = if name.contains('/') {
        is_native(name) || is_extended(name)
    } else {
        OF_CONTAINERS.contains(&name) || name.starts_with(HUGE)
    };
    if !holds {
        out.push(FieldError::invalid(field, name, detail));
    }
    out
}

fn pod_name(name: &str, field: &Path) -> Vec<FieldError> {
    let out = resource_name(name, field);
    let supported = matches!(name, "cpu" | "memory") || name.starts_with(HUGE);
    if out.is_empty() && !supported {
        return vec![FieldError::not_supported(field, name, &["cpu", "memory"])];
    }
    out
}

/// `validateResourceName`.
fn resource_name(name: &str, field: &Path) -> Vec<FieldError> {
    let mut out = invalid_each(field, name, names::qualified(name));
    let standard = OF_CONTAINERS.contains(&name)
        || STANDARD.contains(&name)
        || name == "services.loadbalancers"
        || name.starts_with(HUGE)
        || name.starts_with("requests.hugepages-");
    if out.is_empty() && !name.contains('/') && !standard {
        let detail = "must be a standard resource type or fully qualified";
        out.push(FieldError::invalid(field, name, detail));
    }
    out
}

/// `ValidateResourceQuantityValue`.
fn amount_faults(name: &str, amount: &Quantity, field: &Path) -> Vec<FieldError> {
    const COUNTED: [&str; 9] = [
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    ];
    let mut out = Vec::new();
    if amount.is_negative() {
        let detail = "must be greater than or equal to 0";
        out.push(FieldError::invalid(field, amount.to_string(), detail));
    }
    if (COUNTED.contains(&name) || is_extended(name)) && !amount.is_whole() {
        let detail = "must be an integer";
        out.push(FieldError::invalid(field, amount.to_string(), detail));
    }
    out
}

/// Huge pages come in multiples of their size.
fn indivisible(name: &str, amount: &Quantity, field: &Path) -> Option<FieldError> {
    let size = name.strip_prefix(HUGE)?.parse::<Quantity>();
    let divides = size.is_ok_and(|size| {
        size.nanos() > 0 && size.is_whole() && amount.nanos() % size.nanos() == 0
    });
    (!divides).then(|| {
        let detail = format!("{amount} is not positive integer multiple of {name}");
        FieldError::invalid(field, amount.to_string(), detail)
    })
}

/// The faults of references to the Pod's `resourceClaims` (`validateResourceClaimNames`).
fn claim_names(resources: &Value, claims: &BTreeSet<&str>, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (at, claim) in list(&resources["claims"]).iter().enumerate() {
        let (name, request, field) = (text(claim, "name"), text(claim, "request"), path.index(at));
        if name.is_empty() {
            out.push(FieldError::required(&field, ""));
            continue;
        }
        if seen.contains(name) {
            out.push(FieldError::duplicate(&field, name));
        } else {
            let key = if request.is_empty() {
                name.to_owned()
            } else {
                let complaints = names::dns_label(request);
                out.extend(invalid_each(&field.child("request"), request, complaints));
                format!("{name}/{request}")
            };
            if seen.contains(&key) {
                out.push(FieldError::duplicate(&field, key.as_str()));
            } else if request.is_empty() {
                let own = |one: &&String| one.split_once('/').is_some_and(|(of, _)| of == name);
                let twice = seen.iter().filter(own);
                out.extend(twice.map(|_| FieldError::duplicate(&field, name)));
            }
            seen.insert(key);
        }
        if !claims.contains(name) {
            let mut error = FieldError::not_found(&field, name);
            let known: Vec<&str> = claims.iter().copied().collect();
            error.detail = if known.is_empty() {
                "must be one of the names in pod.spec.resourceClaims which is empty".to_owned()
            } else {
                let known = known.join(", ");
                format!("must be one of the names in pod.spec.resourceClaims: {known}")
            };
            out.push(error);
        }
    }
    out
}

/// The faults of `resourceClaims` (`validatePodResourceClaims`).
pub(super) fn pod_claims(claims: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, claim) in list(claims).iter().enumerate() {
        let (name, path) = (text(claim, "name"), path.index(at));
        let field = path.child("name");
        if name.is_empty() {
            out.push(FieldError::required(&field, ""));
        } else if seen.insert(name) {
            out.extend(invalid_each(&field, name, names::dns_label(name)));
        } else {
            out.push(FieldError::duplicate(&field, name));
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        let held: Vec<&str> = sources
            .into_iter()
            .filter(|source| claim[*source].is_string())
            .collect();
        let detail = match held.len() {
            0 => Some("must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"),
            1 => None,
            _ => Some(
                "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            ),
        };
        let printed = || crate::kinds::pod::internal::compact("PodResourceClaim", claim);
        out.extend(detail.map(|detail| FieldError::invalid(&path, printed(), detail)));
        for source in held {
            let complaints = names::dns_subdomain(text(claim, source));
            out.extend(invalid_each(
                &path.child(source),
                text(claim, source),
                complaints,
            ));
        }
    }
    out
}
