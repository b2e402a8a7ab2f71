//! `ObjectMeta`: what every object's metadata must hold (`apimachinery/pkg/api/validation/objectmeta.go`),
//! and what an update may not touch.

use serde_json::{Map, Value};

use super::names;
use crate::field::{FieldError, Path};

/// All annotations of an object together, keys and values.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

/// The rule that the names of a resource's objects follow.
fn name_rule(group: &str, resource: &str) -> fn(&str) -> Vec<String> {
    match (group, resource) {
        ("", "namespaces") => names::dns_label,
        ("rbac.authorization.k8s.io", _) | ("apiregistration.k8s.io", "apiservices") => {
            names::path_segment
        }
        _ => names::dns_subdomain,
    }
}

/// What does not hold in the metadata of an object about to be created (`rest.BeforeCreate`).
pub fn validate_create(
    object: &Value,
    group: &str,
    resource: &str,
    namespaced: bool,
) -> Vec<FieldError> {
    let path = Path::new("metadata");
    let metadata = &object["metadata"];
    let rule = name_rule(group, resource);
    let mut out = Vec::new();
    if let Some(prefix) = metadata["generateName"]
        .as_str()
        .filter(|prefix| !prefix.is_empty())
    {
        // What is appended is always valid, so a prefix may end in the dash that a name may not.
        let trial = prefix
            .strip_suffix('-')
            .map_or_else(|| prefix.to_owned(), |stem| format!("{stem}a"));
        out.extend(
            rule(&trial)
                .into_iter()
                .map(|text| FieldError::invalid(&path.child("generateName"), prefix, text)),
        );
    }
    match metadata["name"].as_str().unwrap_or_default() {
        "" => out.push(FieldError::required(
            &path.child("name"),
            "name or generateName is required",
        )),
        name => out.extend(
            rule(name)
                .into_iter()
                .map(|text| FieldError::invalid(&path.child("name"), name, text)),
        ),
    }
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    if namespaced && namespace.is_empty() {
        out.push(FieldError::required(&path.child("namespace"), ""));
    } else if !namespaced && !namespace.is_empty() {
        out.push(FieldError::forbidden(
            &path.child("namespace"),
            "not allowed on this type",
        ));
    } else if namespaced {
        let texts = names::dns_label(namespace);
        out.extend(
            texts
                .into_iter()
                .map(|text| FieldError::invalid(&path.child("namespace"), namespace, text)),
        );
    }
    out.extend(validate_common(metadata, &path, checks_finalizers(object)));
    out
}

/// What does not hold in the metadata that an update brings (`rest.BeforeUpdate`).
pub fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = Path::new("metadata");
    let only_standard = checks_finalizers(new);
    let (new, old) = (&new["metadata"], &old["metadata"]);
    let mut out = validate_common(new, &path, only_standard);
    if new["resourceVersion"]
        .as_str()
        .unwrap_or_default()
        .is_empty()
    {
        out.push(FieldError::invalid(
            &path.child("resourceVersion"),
            "",
            "must be specified for an update",
        ));
    }
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        if new.get(field) != old.get(field) {
            let value = new.get(field).cloned().unwrap_or(Value::Null);
            out.push(FieldError::invalid(
                &path.child(field),
                value,
                "field is immutable",
            ));
        }
    }
    if old["deletionTimestamp"].is_string() {
        let before: Vec<&Value> = old["finalizers"].as_array().into_iter().flatten().collect();
        let added: Vec<String> = new["finalizers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|finalizer| !before.contains(finalizer))
            .filter_map(|finalizer| finalizer.as_str().map(|text| format!("{text:?}")))
            .collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                added.join(", ")
            );
            out.push(FieldError::forbidden(&path.child("finalizers"), detail));
        }
    }
    out
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &str)> {
    let map: Option<&Map<String, Value>> = value.as_object();
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

fn validate_common(metadata: &Value, path: &Path, only_standard: bool) -> Vec<FieldError> {
    let mut out = validate_labels(&metadata["labels"], &path.child("labels"));
    out.extend(validate_annotations(
        &metadata["annotations"],
        &path.child("annotations"),
    ));
    out.extend(validate_owners(
        &metadata["ownerReferences"],
        &path.child("ownerReferences"),
    ));
    out.extend(validate_finalizers(
        &metadata["finalizers"],
        &path.child("finalizers"),
        only_standard,
    ));
    out
}

/// What does not hold in a map of labels.
pub fn validate_labels(labels: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (key, value) in entries(labels) {
        out.extend(
            names::qualified(key)
                .into_iter()
                .map(|text| FieldError::invalid(path, key, text)),
        );
        // The declarative rule names the entry.
        out.extend(
            names::label_value(value)
                .into_iter()
                .map(|text| FieldError::invalid(path, value, text)),
        );
    }
    out
}

/// What does not hold in a map of annotations.
pub fn validate_annotations(annotations: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut size = 0;
    for (key, value) in entries(annotations) {
        // Upper case is let through in an annotation's prefix.
        out.extend(
            names::qualified(&key.to_lowercase())
                .into_iter()
                .map(|text| FieldError::invalid(path, key, text)),
        );
        size += key.len() + value.len();
    }
    if size > ANNOTATIONS_LIMIT {
        out.push(FieldError::new(
            path,
            crate::field::Fault::TooLong(ANNOTATIONS_LIMIT),
            "",
        ));
    }
    out
}

fn validate_owners(owners: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut controllers: Vec<String> = Vec::new();
    for owner in owners.as_array().into_iter().flatten() {
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        let version = text("apiVersion");
        if version.is_empty() || version.matches('/').count() > 1 || version.ends_with('/') {
            out.push(FieldError::invalid(
                &path.child("apiVersion"),
                version,
                "version must not be empty",
            ));
        }
        for field in ["kind", "name", "uid"] {
            if text(field).is_empty() {
                out.push(FieldError::invalid(
                    &path.child(field),
                    "",
                    format!("{field} must not be empty"),
                ));
            }
        }
        if version == "v1" && text("kind") == "Event" {
            out.push(FieldError::invalid(
                path,
                owner.clone(),
                "/v1, Kind=Event is disallowed from being an owner",
            ));
        }
        if owner["controller"] == true {
            controllers.push(format!("{}/{}", text("kind"), text("name")));
        }
    }
    if let [first, second, ..] = controllers.as_slice() {
        let detail = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        out.push(FieldError::invalid(path, owners.clone(), detail));
    }
    out
}

/// Whether a finalizer without a domain must be one of the standard ones: so for the kinds that are validated by
/// `pkg/apis/core/validation.ValidateObjectMeta`, not for definitions, webhook configurations and custom resources.
fn checks_finalizers(object: &Value) -> bool {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let core = [
        "",
        "apps",
        "batch",
        "autoscaling",
        "policy",
        "events.k8s.io",
    ];
    let core_too = [
        "coordination.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
    ];
    core.contains(&group) || core_too.contains(&group)
}

fn validate_finalizers(finalizers: &Value, path: &Path, only_standard: bool) -> Vec<FieldError> {
    let mut out = Vec::new();
    let list: Vec<&str> = finalizers
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for name in &list {
        let texts = names::qualified(name);
        let held = texts.is_empty();
        out.extend(
            texts
                .into_iter()
                .map(|text| FieldError::invalid(path, *name, text)),
        );
        let standard = ["orphan", "foregroundDeletion", "kubernetes"].contains(name);
        if only_standard && held && !name.contains('/') && !standard {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            out.push(FieldError::invalid(path, *name, detail));
        }
    }
    if list.contains(&"orphan") && list.contains(&"foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        out.push(FieldError::invalid(path, finalizers.clone(), detail));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read better without a borrow"
    )]
    fn creates(metadata: Value, expected: &[&str]) {
        let errors = validate_create(&json!({"metadata": metadata}), "", "pods", true);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), expected.len(), "{texts:?}");
        for (text, start) in texts.iter().zip(expected) {
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn metadata_is_judged_on_create() {
        creates(json!({"name": "p", "namespace": "n"}), &[]);
        creates(
            json!({"name": "Bad_Name", "namespace": "n"}),
            &[
                "metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must consist",
            ],
        );
        creates(
            json!({"namespace": "n"}),
            &["metadata.name: Required value: name or generateName is required"],
        );
        creates(
            json!({"name": "p", "namespace": "n", "labels": {"a": "-"}}),
            &["metadata.labels: Invalid value: \"-\": a valid label"],
        );
        creates(
            json!({"name": "p", "namespace": "n", "finalizers": ["x"]}),
            &["metadata.finalizers: Invalid value: \"x\": name is neither a standard"],
        );
    }

    #[test]
    fn an_update_keeps_identity() {
        let old = json!({"metadata": {"name": "p", "uid": "1", "resourceVersion": "4"}});
        let new = json!({"metadata": {"name": "p", "uid": "2", "resourceVersion": "4"}});
        let texts: Vec<String> = validate_update(&new, &old)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            texts,
            ["metadata.uid: Invalid value: \"2\": field is immutable"]
        );
    }
}
