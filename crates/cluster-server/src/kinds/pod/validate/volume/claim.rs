//! Generic ephemeral volumes: a claim that lives as long as its Pod (`ValidatePersistentVolumeClaimSpec`).

use serde_json::Value;

use super::{invalid_each, list, names, text};
use crate::field::{FieldError, Path};
use crate::kinds::metadata;
use crate::kinds::quantity::Quantity;

const ACCESS_MODES: [&str; 4] = [
    "ReadOnlyMany",
    "ReadWriteMany",
    "ReadWriteOnce",
    "ReadWriteOncePod",
];

/// The faults of a volume with a claim template. The claim's name is the Pod's and the volume's.
pub(super) fn ephemeral(volume: &Value, pod: &str, path: &Path) -> Vec<FieldError> {
    let template = &volume["ephemeral"]["volumeClaimTemplate"];
    let field = path.child("ephemeral.volumeClaimTemplate");
    let mut out = if template.is_object() {
        let mut out = template_metadata(&template["metadata"], &field.child("metadata"));
        out.extend(claim(&template["spec"], &field.child("spec")));
        out
    } else {
        vec![FieldError::required(&field, "")]
    };
    let name = text(volume, "name");
    if !pod.is_empty() && !name.is_empty() {
        let claim = format!("{pod}-{name}");
        for complaint in names::dns_subdomain(&claim) {
            let detail = format!("PVC name {claim:?}: {complaint}");
            out.push(FieldError::invalid(&path.child("name"), name, detail));
        }
    }
    out
}

/// Only labels and annotations may be set (`ValidateTemplateObjectMeta`).
fn template_metadata(held: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = metadata::validate_annotations(&held["annotations"], &path.child("annotations"));
    out.extend(metadata::validate_labels(
        &held["labels"],
        &path.child("labels"),
    ));
    for (key, value) in held.as_object().into_iter().flatten() {
        let allowed = matches!(key.as_str(), "annotations" | "labels");
        if !allowed && !value.is_null() {
            out.push(FieldError::forbidden(&path.child(key), "cannot be set"));
        }
    }
    out
}

fn claim(spec: &Value, path: &Path) -> Vec<FieldError> {
    let modes = list(&spec["accessModes"]);
    let field = path.child("accessModes");
    let mut out = Vec::new();
    if modes.is_empty() {
        let detail = "at least 1 access mode is required";
        out.push(FieldError::required(&field, detail));
    }
    let selector = &path.child("selector");
    out.extend(super::super::selector::faults(&spec["selector"], selector));
    let modes: Vec<&str> = modes.iter().filter_map(Value::as_str).collect();
    for mode in modes.iter().filter(|mode| !ACCESS_MODES.contains(mode)) {
        out.push(FieldError::not_supported(&field, *mode, &ACCESS_MODES));
    }
    let alone = modes.contains(&"ReadWriteOncePod");
    let others = |mode: &&str| *mode != "ReadWriteOncePod" && ACCESS_MODES.contains(mode);
    if alone && modes.iter().any(others) {
        let detail = "may not use ReadWriteOncePod with other access modes";
        out.push(FieldError::forbidden(&field, detail));
    }
    out.extend(size(spec, &path.child("resources")));
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        let complaints = names::dns_subdomain(class);
        out.extend(invalid_each(
            &path.child("storageClassName"),
            class,
            complaints,
        ));
    }
    if let Some(mode) = spec["volumeMode"].as_str() {
        let supported = ["Block", "Filesystem"];
        if !supported.contains(&mode) {
            let field = path.child("volumeMode");
            out.push(FieldError::not_supported(&field, mode, &supported));
        }
    }
    out
}

fn size(spec: &Value, path: &Path) -> Vec<FieldError> {
    let field = path.key("storage");
    match spec["resources"]["requests"]["storage"].as_str() {
        None => vec![FieldError::required(&field, "")],
        Some(text) => match text.parse::<Quantity>() {
            Ok(size) if size.is_negative() || size.is_zero() => {
                let detail = "must be greater than zero";
                vec![FieldError::invalid(&field, size.to_string(), detail)]
            }
            _ => Vec::new(),
        },
    }
}
