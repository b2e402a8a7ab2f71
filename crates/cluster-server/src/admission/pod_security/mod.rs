//! Pod Security: what the labels of a namespace say about the Pods in it.
//!
//! Source: `k8s.io/pod-security-admission`. Nobody is exempt, and a namespace without labels allows everything: that
//! is how Kubernetes is configured where nobody configured it.

mod baseline;
mod policy;
mod registry;
mod restricted;
mod view;

use serde_json::Value;

use super::{Operation, Request};
use crate::error::ApiError;
use crate::store::Store;
use policy::{Level, LevelVersion, PREFIX, Policy};
use registry::evaluate;
use view::PodView;

/// Subresources that cannot change what a Pod may do.
const IGNORED: [&str; 8] = [
    "exec",
    "attach",
    "binding",
    "eviction",
    "log",
    "portforward",
    "proxy",
    "status",
];

/// What one check found wrong: `hostPath volumes`, `volume "host"`.
struct Violation {
    reason: &'static str,
    detail: String,
}

impl Violation {
    fn new(reason: &'static str, detail: String) -> Self {
        Self { reason, detail }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.reason)?;
        if self.detail.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.detail)
    }
}

pub(super) fn validate(store: &Store, request: &mut Request) -> Result<(), ApiError> {
    let written = matches!(request.operation, Operation::Create | Operation::Update);
    if !written || request.object.is_none() {
        return Ok(());
    }
    if request.is_namespace() {
        return if request.subresource.is_empty() {
            on_namespace(store, request)
        } else {
            Ok(())
        };
    }
    let (group, resource) = (
        request.resource.group.as_str(),
        request.resource.resource.as_str(),
    );
    match (group, resource) {
        ("", "pods") if !IGNORED.contains(&request.subresource.as_str()) => {
            let pod = request.object.clone().unwrap_or_default();
            judge(store, request, &pod, true)
        }
        ("", "podtemplates") if request.subresource.is_empty() => {
            let template = request
                .object
                .as_ref()
                .map(|object| object["template"].clone())
                .unwrap_or_default();
            judge(store, request, &template, false)
        }
        _ => Ok(()),
    }
}

/// An update is judged only if containers come or go or an image changes; then the whole Pod is.
fn is_significant(request: &Request) -> bool {
    let (Operation::Update, Some(new), Some(old)) =
        (request.operation, &request.object, &request.old_object)
    else {
        return true;
    };
    let list = |pod: &'_ Value, kind: &str| -> Vec<Value> {
        let containers = pod["spec"][kind].as_array();
        containers.cloned().unwrap_or_default()
    };
    let of_pod = ["containers", "initContainers"].iter().any(|kind| {
        let (new, old) = (list(new, kind), list(old, kind));
        new.len() != old.len() || new.iter().zip(&old).any(|(a, b)| a["image"] != b["image"])
    });
    let known = list(old, "ephemeralContainers");
    let unchanged = |one: &Value| {
        let before = known.iter().find(|before| before["name"] == one["name"]);
        before.is_some_and(|before| before["image"] == one["image"])
    };
    of_pod || !list(new, "ephemeralContainers").iter().all(unchanged)
}

/// Judges a Pod, or with `enforce` off the template of one: that is told and warned of, not refused.
fn judge(store: &Store, request: &mut Request, pod: &Value, enforce: bool) -> Result<(), ApiError> {
    let namespace = store
        .get("namespaces", "", &request.namespace)
        .ok_or_else(|| {
            ApiError::internal(format!(
                "failed to lookup namespace {:?}",
                request.namespace
            ))
        })?;
    let (policy, errors) = Policy::of(&namespace.value["metadata"]["labels"]);
    let told = [policy.audit, policy.warn];
    let asks_nothing = policy.is_privileged()
        || !enforce && told.iter().all(|mode| mode.level == Level::Privileged);
    let note = |request: &mut Request, key: &str, text: String| {
        request.annotations.insert(format!("{PREFIX}{key}"), text);
    };
    if errors.is_empty() && asks_nothing {
        if enforce {
            note(request, "enforce-policy", "privileged:latest".to_owned());
        }
        return Ok(());
    }
    if enforce && !is_significant(request) {
        return Ok(());
    }
    if !errors.is_empty() {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let text = match texts.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        note(request, "error", format!("Failed to parse policy: {text}"));
    }
    let view = PodView::new(pod);
    let would = |mode: LevelVersion| {
        violations(mode, &view)
            .map(|found| format!("would violate PodSecurity \"{mode}\": {found}"))
    };
    if enforce {
        note(request, "enforce-policy", policy.enforce.to_string());
    }
    if let Some(text) = would(policy.audit) {
        note(request, "audit-violations", text);
    }
    if let Some(found) = violations(policy.enforce, &view).filter(|_| enforce) {
        let text = format!("violates PodSecurity \"{}\": {found}", policy.enforce);
        return Err(request.forbidden(&text));
    }
    request.warnings.extend(would(policy.warn));
    Ok(())
}

fn violations(policy: LevelVersion, pod: &PodView<'_>) -> Option<String> {
    let found = evaluate(policy, pod);
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn on_namespace(store: &Store, request: &mut Request) -> Result<(), ApiError> {
    let labels = |object: Option<&Value>| {
        object
            .map(|one| one["metadata"]["labels"].clone())
            .unwrap_or_default()
    };
    let (new, old) = (
        labels(request.object.as_ref()),
        labels(request.old_object.as_ref()),
    );
    let ((new, errors), (old, before)) = (Policy::of(&new), Policy::of(&old));
    if !errors.is_empty() && (request.operation == Operation::Create || errors != before) {
        let name = request.object_name();
        return Err(ApiError::invalid("", "Namespace", &name, &errors));
    }
    let (enforced, before) = (new.enforce, old.enforce);
    let tightened = enforced != before
        && enforced.level != Level::Privileged
        && (enforced.version != before.version || enforced.level > before.level);
    if request.operation == Operation::Update && tightened {
        let name = request.object_name();
        request
            .warnings
            .extend(existing_violations(store, &name, enforced));
    }
    Ok(())
}

/// A warning per kind of violation among the Pods that are already there.
fn existing_violations(store: &Store, namespace: &str, policy: LevelVersion) -> Vec<String> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for pod in store.list("pods", Some(namespace)).0 {
        let reasons: Vec<&str> = evaluate(policy, &PodView::new(&pod.value))
            .iter()
            .map(|found| found.reason)
            .collect();
        if reasons.is_empty() {
            continue;
        }
        let (reasons, name) = (
            reasons.join(", "),
            pod.value["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        );
        match groups.iter_mut().find(|(known, _)| *known == reasons) {
            Some((_, names)) => names.push(name),
            None => groups.push((reasons, vec![name])),
        }
    }
    if groups.is_empty() {
        return Vec::new();
    }
    let head = format!(
        "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level {:?}",
        policy.to_string()
    );
    let lines = groups
        .into_iter()
        .map(|(reasons, names)| match names.len() {
            1 => format!("{}: {reasons}", names[0]),
            2 => format!("{} (and 1 other pod): {reasons}", names[0]),
            many => format!("{} (and {} other pods): {reasons}", names[0], many - 1),
        });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines.insert(0, head);
    lines
}
