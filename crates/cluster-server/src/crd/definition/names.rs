//! The names of a definition: its own, and those that it gives its objects.

use serde_json::Value;

use super::{holds, text};
use crate::field::{FieldError, Path};
use crate::kinds::names::{dns_1035_label, dns_subdomain};

const FROZEN: &str = "field is immutable";

/// The definition's own name. That it is a subdomain is checked with the rest of its metadata.
pub(super) fn validate_name(object: &Value) -> Vec<FieldError> {
    let name = text(&object["metadata"], "name");
    let (group, plural) = (
        text(&object["spec"], "group"),
        text(&object["spec"]["names"], "plural"),
    );
    if name.is_empty() || name == format!("{plural}.{group}") {
        return Vec::new();
    }
    let why = "must be spec.names.plural+\".\"+spec.group";
    vec![FieldError::invalid(
        &Path::new("metadata").child("name"),
        name,
        why,
    )]
}

/// `spec.group`.
pub(super) fn validate_group(group: &str, path: &Path) -> Option<FieldError> {
    if group.is_empty() {
        return Some(FieldError::required(path, ""));
    }
    let faults = dns_subdomain(group);
    if !faults.is_empty() {
        return Some(FieldError::invalid(path, group, faults.join(",")));
    }
    (!group.contains('.'))
        .then(|| FieldError::invalid(path, group, "should be a domain with at least one dot"))
}

/// A label as the names of versions and resources must be, with all its faults in one sentence.
pub(super) fn validate_label(name: &str, path: &Path) -> Option<FieldError> {
    let faults = dns_1035_label(name);
    (!faults.is_empty()).then(|| FieldError::invalid(path, name, faults.join(",")))
}

/// What must be there in `spec.names`.
pub(super) fn validate_present(names: &Value, path: &Path) -> Vec<FieldError> {
    ["plural", "singular", "kind", "listKind"]
        .into_iter()
        .filter(|key| text(names, key).is_empty())
        .map(|key| FieldError::required(&path.child(key), ""))
        .collect()
}

/// `ValidateCustomResourceDefinitionNames`.
pub(super) fn validate(names: &Value, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in ["plural", "singular"] {
        let name = text(names, key);
        if !name.is_empty() {
            errors.extend(validate_label(name, &path.child(key)));
        }
    }
    for key in ["kind", "listKind"] {
        let name = text(names, key);
        let faults = dns_1035_label(&name.to_lowercase());
        if !name.is_empty() && !faults.is_empty() {
            let why = format!(
                "may have mixed case, but should otherwise match: {}",
                faults.join(",")
            );
            errors.push(FieldError::invalid(&path.child(key), name, why));
        }
    }
    errors.extend(validate_labels(names, "shortNames", path));
    let list_kind = text(names, "listKind");
    if !list_kind.is_empty() && list_kind == text(names, "kind") {
        let why = "kind and listKind may not be the same";
        errors.push(FieldError::invalid(&path.child("listKind"), list_kind, why));
    }
    errors.extend(validate_labels(names, "categories", path));
    errors
}

fn validate_labels(names: &Value, key: &str, path: &Path) -> Vec<FieldError> {
    let list = names[key].as_array().into_iter().flatten();
    list.enumerate()
        .filter_map(|(index, name)| {
            let at = path.child(key).index(index);
            validate_label(name.as_str().unwrap_or_default(), &at)
        })
        .collect()
}

/// What an update must leave as it is: more, once the definition is established.
pub(super) fn validate_kept(new: &Value, old: &Value) -> Vec<FieldError> {
    let established = holds(old, "Established");
    let path = Path::new("spec");
    let (kept, was) = (&new["spec"], &old["spec"]);
    let checks = [
        (
            established,
            path.child("scope"),
            &kept["scope"],
            &was["scope"],
        ),
        (
            established,
            path.child("names.kind"),
            &kept["names"]["kind"],
            &was["names"]["kind"],
        ),
        (true, path.child("group"), &kept["group"], &was["group"]),
        (
            true,
            path.child("names.plural"),
            &kept["names"]["plural"],
            &was["names"]["plural"],
        ),
    ];
    checks
        .into_iter()
        .filter(|(applies, _, new, old)| *applies && new != old)
        .map(|(_, path, new, _)| FieldError::invalid(&path, new.clone(), FROZEN))
        .collect()
}
