//! Pod Security: what the labels of a namespace say about the Pods in it.
//!
//! Source: `k8s.io/pod-security-admission`. Of the versions a label can pin only the newest checks are known; an older
//! `…-version` is named in the messages and judged by them.

mod baseline;
mod restricted;
mod view;

use serde_json::Value;

use super::{Operation, Request};
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::store::Store;
use view::PodView;

const PREFIX: &str = "pod-security.kubernetes.io/";
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

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// A level and the version of its checks, printed as `baseline:latest`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LevelVersion {
    level: Level,
    version: String,
}

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

impl std::fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        write!(f, "{level}:{}", self.version)
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
        ("", "pods")
            if !IGNORED.contains(&request.subresource.as_str()) && is_significant(request) =>
        {
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

/// An update is judged only if the number of containers or an image changes; then the whole Pod is.
fn is_significant(request: &Request) -> bool {
    let (Operation::Update, Some(new), Some(old)) =
        (request.operation, &request.object, &request.old_object)
    else {
        return true;
    };
    ["containers", "initContainers", "ephemeralContainers"]
        .iter()
        .any(|list| {
            let images = |pod: &Value| -> Vec<(Value, Value)> {
                let containers = pod["spec"][*list].as_array().into_iter().flatten();
                containers
                    .into_iter()
                    .map(|one| (one["name"].clone(), one["image"].clone()))
                    .collect()
            };
            let (new, old) = (images(new), images(old));
            new.len() != old.len() || new.iter().any(|container| !old.contains(container))
        })
}

fn judge(store: &Store, request: &mut Request, pod: &Value, enforce: bool) -> Result<(), ApiError> {
    let namespace = store
        .get("namespaces", "", &request.namespace)
        .ok_or_else(|| {
            ApiError::internal(format!("failed to lookup namespace {}", request.namespace))
        })?;
    let labels = &namespace.value["metadata"]["labels"];
    let [(enforced, unread), (audited, more), (warned, most)] =
        ["enforce", "audit", "warn"].map(|mode| policy(labels, mode));
    let errors = [unread, more, most].concat();
    if errors.is_empty()
        && [&enforced, &audited, &warned]
            .iter()
            .all(|one| one.level == Level::Privileged)
    {
        return Ok(());
    }
    if !errors.is_empty() {
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let text = format!("Failed to parse policy: {}", texts.join(", "));
        request.annotations.insert(format!("{PREFIX}error"), text);
    }
    let view = PodView::new(pod);
    if enforce {
        request
            .annotations
            .insert(format!("{PREFIX}enforce-policy"), enforced.to_string());
        if let Some(found) = violations(&enforced, &view) {
            return Err(request.forbidden(&format!(
                "violates PodSecurity {:?}: {found}",
                enforced.to_string()
            )));
        }
    }
    let would = |policy: &LevelVersion| {
        violations(policy, &view).map(|found| {
            format!(
                "would violate PodSecurity {:?}: {found}",
                policy.to_string()
            )
        })
    };
    if let Some(text) = would(&audited) {
        request
            .annotations
            .insert(format!("{PREFIX}audit-violations"), text);
    }
    request.warnings.extend(would(&warned));
    Ok(())
}

fn evaluate(policy: &LevelVersion, pod: &PodView<'_>) -> Vec<Violation> {
    match policy.level {
        Level::Privileged => Vec::new(),
        Level::Baseline => baseline::check(pod, true),
        Level::Restricted => {
            let mut all = baseline::check(pod, false);
            all.extend(restricted::check(pod));
            all
        }
    }
}

fn violations(policy: &LevelVersion, pod: &PodView<'_>) -> Option<String> {
    let found = evaluate(policy, pod);
    let texts = found.iter().map(|one| {
        if one.detail.is_empty() {
            one.reason.to_owned()
        } else {
            format!("{} ({})", one.reason, one.detail)
        }
    });
    let text = texts.collect::<Vec<_>>().join(", ");
    (!text.is_empty()).then_some(text)
}

/// The policy of one mode; a label that cannot be read is an error and means `restricted` where it enforces.
fn policy(labels: &Value, mode: &str) -> (LevelVersion, Vec<FieldError>) {
    let mut errors = Vec::new();
    let path = |key: &str| Path::new("metadata.labels").key(key);
    let key = format!("{PREFIX}{mode}");
    let level = match labels[&key].as_str() {
        None | Some("privileged") => Level::Privileged,
        Some("baseline") => Level::Baseline,
        Some("restricted") => Level::Restricted,
        Some(other) => {
            errors.push(FieldError::invalid(
                &path(&key),
                other,
                "must be one of privileged, baseline, restricted",
            ));
            if mode == "enforce" {
                Level::Restricted
            } else {
                Level::Privileged
            }
        }
    };
    let key = format!("{PREFIX}{mode}-version");
    let version = match labels[&key].as_str() {
        None => "latest".to_owned(),
        Some(text) if text == "latest" || is_version(text) => text.to_owned(),
        Some(other) => {
            errors.push(FieldError::invalid(
                &path(&key),
                other,
                "must be \"latest\" or \"v1.x\"",
            ));
            "latest".to_owned()
        }
    };
    (LevelVersion { level, version }, errors)
}

fn is_version(text: &str) -> bool {
    text.strip_prefix("v1.").is_some_and(|minor| {
        !minor.is_empty()
            && minor.bytes().all(|digit| digit.is_ascii_digit())
            && (minor == "0" || !minor.starts_with('0'))
    })
}

fn on_namespace(store: &Store, request: &mut Request) -> Result<(), ApiError> {
    let labels = |object: Option<&Value>| {
        object
            .map(|one| one["metadata"]["labels"].clone())
            .unwrap_or_default()
    };
    let all = |labels: &Value| -> Vec<FieldError> {
        ["enforce", "audit", "warn"]
            .iter()
            .flat_map(|mode| policy(labels, mode).1)
            .collect()
    };
    let (new, old) = (
        labels(request.object.as_ref()),
        labels(request.old_object.as_ref()),
    );
    let errors = all(&new);
    if !errors.is_empty() && (request.operation == Operation::Create || errors != all(&old)) {
        return Err(ApiError::invalid(
            "",
            "Namespace",
            &request.object_name(),
            &errors,
        ));
    }
    let (enforced, before) = (policy(&new, "enforce").0, policy(&old, "enforce").0);
    let tightened = enforced != before
        && enforced.level != Level::Privileged
        && (enforced.version != before.version || enforced.level > before.level);
    if request.operation == Operation::Update && tightened {
        let name = request.object_name();
        request
            .warnings
            .extend(existing_violations(store, &name, &enforced));
    }
    Ok(())
}

/// A warning per kind of violation among the Pods that are already there.
fn existing_violations(store: &Store, namespace: &str, policy: &LevelVersion) -> Vec<String> {
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
