//! Annotations of Pods that mean something to Kubernetes, mostly old forms of fields.

use serde_json::{Map, Value};

use super::platform::each_container;
use super::{descending_path, list, spec, text};
use crate::field::{FieldError, Path};

/// Marks a Pod that a node made from a file of its own.
pub(in crate::kinds::pod) const MIRROR: &str = "kubernetes.io/config.mirror";
/// The AppArmor profile of the container whose name follows.
pub(in crate::kinds::pod) const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
/// The seccomp profile of the Pod.
pub(in crate::kinds::pod) const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
/// The seccomp profile of the container whose name follows.
pub(in crate::kinds::pod) const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
const TOLERATIONS: &str = "scheduler.alpha.kubernetes.io/tolerations";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const LOCALHOST: &str = "localhost/";

/// The faults of a Pod's annotations (`ValidatePodSpecificAnnotations`).
pub(in crate::kinds::pod) fn faults(pod: &Value) -> Vec<FieldError> {
    let path = Path::new("metadata.annotations");
    let held = &pod["metadata"]["annotations"];
    let mut out = Vec::new();
    if let Some(value) = held[MIRROR].as_str()
        && text(&pod["spec"], "nodeName").is_empty()
    {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        out.push(FieldError::invalid(&path.key(MIRROR), value, detail));
    }
    if let Some(written) = held[TOLERATIONS].as_str().filter(|text| !text.is_empty()) {
        out.extend(tolerations(written, &path));
    }
    if let Some(cost) = held[DELETION_COST].as_str().filter(|cost| !is_cost(cost)) {
        let field = path.key(DELETION_COST);
        out.push(FieldError::invalid(&field, cost, "must be a 32bit integer"));
    }
    if let Some(profile) = held[SECCOMP_POD].as_str() {
        out.extend(seccomp(profile, &path.child(SECCOMP_POD)));
    }
    let entries: Vec<(&str, &str)> = entries(held.as_object()).collect();
    for (key, profile) in entries.iter().filter(|(key, _)| key.starts_with(SECCOMP)) {
        out.extend(seccomp(profile, &path.child(key)));
    }
    for (key, profile) in entries {
        if let Some(name) = key.strip_prefix(APP_ARMOR) {
            out.extend(app_armor(pod, name, profile, &path.key(key)));
        }
    }
    out
}

fn entries(map: Option<&Map<String, Value>>) -> impl Iterator<Item = (&str, &str)> {
    let entries = map.into_iter().flatten();
    entries.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

fn tolerations(written: &str, path: &Path) -> Vec<FieldError> {
    match serde_json::from_str::<Option<Vec<Value>>>(written) {
        Ok(read) => {
            let read = serde_json::json!({"tolerations": read.unwrap_or_default()});
            spec::tolerations(&read, &path.child(TOLERATIONS))
        }
        Err(error) => vec![FieldError::invalid(path, TOLERATIONS, error.to_string())],
    }
}

/// A number of 32 bits without a plus sign or leading zeros.
fn is_cost(text: &str) -> bool {
    let first = text.bytes().next();
    let begins =
        first.is_some_and(|c| c == b'-' || c.is_ascii_digit() && (c != b'0' || text == "0"));
    begins && text.parse::<i32>().is_ok()
}

fn seccomp(profile: &str, field: &Path) -> Vec<FieldError> {
    match profile {
        "runtime/default" | "docker/default" | "unconfined" => Vec::new(),
        other => other.strip_prefix(LOCALHOST).map_or_else(
            || {
                let detail = "must be a valid seccomp profile";
                vec![FieldError::invalid(field, other, detail)]
            },
            |file| descending_path(field, file),
        ),
    }
}

fn app_armor(pod: &Value, name: &str, profile: &str, field: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let known = ["initContainers", "containers", "ephemeralContainers"]
        .iter()
        .flat_map(|kind| list(&pod["spec"][*kind]))
        .any(|container| text(container, "name") == name);
    if !known {
        out.push(FieldError::invalid(field, name, "container not found"));
    }
    let holds = matches!(profile, "" | "runtime/default" | "unconfined");
    if !holds && !profile.starts_with(LOCALHOST) {
        let detail = format!("invalid AppArmor profile name: {profile:?}");
        out.push(FieldError::invalid(field, profile, detail));
    }
    out
}

/// An annotation and the field that replaced it must say the same
/// (`validateSeccompAnnotationsAndFields`, `validateAppArmorAnnotationsAndFieldsMatchOnCreate`).
pub(super) fn match_fields(pod: &Value) -> Vec<FieldError> {
    let (spec, path) = (&pod["spec"], Path::new("spec"));
    let held = &pod["metadata"]["annotations"];
    let mut out = Vec::new();
    let mut compare = |key: &str, profile: &Value, words: [&str; 2], path: &Path| {
        if let (Some(written), true) = (held[key].as_str(), profile.is_object()) {
            out.extend(differ(written, profile, words, path));
        }
    };
    let seccomp_words = ["seccomp", "seccompProfile"];
    let own = &spec["securityContext"]["seccompProfile"];
    let context = path.child("securityContext");
    compare(SECCOMP_POD, own, seccomp_words, &context);
    for (container, path) in each_container(spec, &path) {
        let key = format!("{SECCOMP}{}", text(container, "name"));
        let profile = &container["securityContext"]["seccompProfile"];
        compare(&key, profile, seccomp_words, &path.child("securityContext"));
    }
    if text(&spec["os"], "name") == "windows" {
        return out;
    }
    for (container, path) in each_container(spec, &path) {
        let key = format!("{APP_ARMOR}{}", text(container, "name"));
        let profile = match &container["securityContext"]["appArmorProfile"] {
            Value::Null => &spec["securityContext"]["appArmorProfile"],
            own => own,
        };
        let words = ["apparmor", "appArmorProfile"];
        compare(&key, profile, words, &path.child("securityContext"));
    }
    out
}

fn differ(written: &str, profile: &Value, words: [&str; 2], path: &Path) -> Option<FieldError> {
    let [word, field] = words;
    let path = path.child(field);
    let of_type = || {
        let detail = format!("{word} type in annotation and field must match");
        FieldError::forbidden(&path.child("type"), detail)
    };
    match text(profile, "type") {
        "Unconfined" => (written != "unconfined").then(of_type),
        "RuntimeDefault" => {
            let docker = word == "seccomp" && written == "docker/default";
            (written != "runtime/default" && !docker).then(of_type)
        }
        "Localhost" => match written.strip_prefix(LOCALHOST) {
            None => Some(of_type()),
            Some(file) if profile["localhostProfile"] != file => {
                let detail = format!("{word} profile in annotation and field must match");
                Some(FieldError::forbidden(
                    &path.child("localhostProfile"),
                    detail,
                ))
            }
            Some(_) => None,
        },
        _ => None,
    }
}
