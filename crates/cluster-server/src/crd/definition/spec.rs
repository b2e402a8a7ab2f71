//! `spec` of a definition (`validateCustomResourceDefinitionSpec`).
//!
//! Kubernetes judges the internal form of a definition: what all versions have in common stands once, above them. Errors
//! name that place (`spec.validation.openAPIV3Schema…`), and so do these.

use serde_json::Value;

use super::names::validate_label;
use super::{columns, defaults, internal, names, open_schema, structural, text};
use crate::field::{FieldError, Path};

/// What stands above the versions because it is the same in all of them.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four parts of a version, each of which may stand above them"
)]
pub(super) struct Common {
    pub(super) schema: bool,
    pub(super) subresources: bool,
    pub(super) columns: bool,
    pub(super) selectable: bool,
}

impl Common {
    pub(super) fn of(versions: &[Value]) -> Self {
        let same = |key: &str| {
            versions
                .windows(2)
                .all(|pair| match (&pair[0][key], &pair[1][key]) {
                    (a, b) if empty(a) && empty(b) => true,
                    (a, b) => a == b,
                })
        };
        Self {
            schema: same("schema"),
            subresources: same("subresources"),
            columns: same("additionalPrinterColumns"),
            selectable: same("selectableFields"),
        }
    }
}

/// Left out, or a list without elements: the same to Kubernetes.
fn empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

fn has_status(version: &Value) -> bool {
    version["subresources"]["status"].is_object()
}

/// What does not hold in `spec`.
pub(super) fn validate(spec: &Value) -> Vec<FieldError> {
    let path = Path::new("spec");
    let none = Vec::new();
    let versions = spec["versions"].as_array().unwrap_or(&none);
    let common = Common::of(versions);
    let mut errors = Vec::new();
    errors.extend(names::validate_group(
        text(spec, "group"),
        &path.child("group"),
    ));
    errors.extend(validate_scope(text(spec, "scope"), &path.child("scope")));
    for (index, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            let at = path.child("versions").index(index);
            errors.push(FieldError::required(
                &at.child("schema.openAPIV3Schema"),
                "",
            ));
        }
    }
    for (index, version) in versions.iter().enumerate() {
        let at = path.child("versions").index(index);
        errors.extend(validate_version(version, common, &at));
    }
    errors.extend(validate_versions(versions, common, &path));
    errors.extend(names::validate_present(
        &spec["names"],
        &path.child("names"),
    ));
    errors.extend(names::validate(&spec["names"], &path.child("names")));
    if let Some(first) = versions.first() {
        errors.extend(validate_common(first, versions, common, &path));
    }
    errors.extend(validate_conversion(&spec["conversion"], &path));
    errors
}

fn validate_scope(scope: &str, path: &Path) -> Option<FieldError> {
    match scope {
        "Namespaced" | "Cluster" => None,
        "" => Some(FieldError::required(path, "")),
        other => Some(FieldError::not_supported(
            path,
            other,
            &["Cluster", "Namespaced"],
        )),
    }
}

/// The versions as a whole: their names and which of them is stored.
fn validate_versions(versions: &[Value], common: Common, path: &Path) -> Vec<FieldError> {
    let (mut errors, at) = (Vec::new(), path.child("versions"));
    let shown = || internal::versions(versions, common);
    let twice = versions.iter().enumerate().any(|(index, version)| {
        versions[..index]
            .iter()
            .any(|other| other["name"] == version["name"])
    });
    if twice {
        let why = "must contain unique version names";
        errors.push(FieldError::invalid(&at, shown(), why));
    }
    let stored = versions
        .iter()
        .filter(|version| version["storage"] == true)
        .count();
    if stored != 1 {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid(&at, shown(), why));
    }
    if let Some(first) = versions
        .first()
        .map(|version| text(version, "name"))
        .filter(|name| !name.is_empty())
    {
        errors.extend(validate_label(first, &path.child("version")));
    }
    errors
}

/// One version, without what stands above all of them.
fn validate_version(version: &Value, common: Common, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    errors.extend(validate_label(text(version, "name"), &path.child("name")));
    errors.extend(validate_deprecation(version, path));
    let schema = &version["schema"]["openAPIV3Schema"];
    if !common.schema {
        let at = path.child("schema");
        errors.extend(validate_schema(schema, has_status(version), &at));
    }
    if !common.subresources {
        errors.extend(columns::validate_subresources(
            &version["subresources"],
            path,
        ));
    }
    if !common.columns {
        errors.extend(columns::validate(version, path));
    }
    if !common.selectable {
        let absent = "may only be set when `version.schema.openAPIV3Schema` is not included";
        errors.extend(columns::validate_selectable(version, schema, path, absent));
    }
    errors
}

/// What all versions have in common, as the first one says it.
fn validate_common(
    first: &Value,
    versions: &[Value],
    common: Common,
    path: &Path,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let schema = &first["schema"]["openAPIV3Schema"];
    if common.schema {
        let status = versions.iter().any(has_status);
        errors.extend(validate_schema(schema, status, &path.child("validation")));
    }
    if common.subresources {
        errors.extend(columns::validate_subresources(&first["subresources"], path));
    }
    if common.columns {
        errors.extend(columns::validate(first, path));
    }
    if common.selectable {
        let absent = "may only be set when validations.schema is included";
        errors.extend(columns::validate_selectable(first, schema, path, absent));
    }
    errors
}

fn validate_deprecation(version: &Value, path: &Path) -> Vec<FieldError> {
    let at = path.child("deprecationWarning");
    let Some(warning) = version["deprecationWarning"].as_str() else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    if version["deprecated"] == true {
        if warning.len() > 256 {
            faults.push("must be <= 256 characters long".to_owned());
        }
        if warning.is_empty() {
            faults.push("must not be an empty string".to_owned());
        }
        if let Some((index, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
            faults.push(format!(
                "must only contain printable UTF-8 characters; non-printable character found at index {index}"
            ));
        }
    } else {
        faults.push("can only be set for deprecated versions".to_owned());
    }
    faults
        .into_iter()
        .map(|why| FieldError::invalid(&at, warning, why))
        .collect()
}

/// `validateCustomResourceDefinitionValidation`; `path` is of what holds `openAPIV3Schema`.
fn validate_schema(schema: &Value, status: bool, path: &Path) -> Vec<FieldError> {
    if !schema.is_object() {
        return Vec::new();
    }
    let (mut errors, path) = (Vec::new(), path.child("openAPIV3Schema"));
    if status {
        errors.extend(validate_root(schema, &path));
    }
    if schema["nullable"] == true {
        let why = "nullable cannot be true at the root";
        errors.push(FieldError::forbidden(&path.child("nullable"), why));
    }
    let unreadable = structural::unreadable(schema);
    let mut found = Vec::new();
    if unreadable.is_none() {
        found = structural::validate(schema, &path);
        if found.is_empty() {
            found = defaults::validate(schema, &path);
        }
    }
    // Rules are about schemas that can be relied on.
    let with_rules = unreadable.is_none() && found.is_empty();
    errors.extend(found);
    errors.extend(open_schema::validate(schema, &path, with_rules));
    if let (true, Some(why)) = (errors.is_empty(), unreadable) {
        errors.push(FieldError::invalid(&path, "", why));
    }
    errors
}

/// With a status subresource the root may say only what makes sense of the whole.
fn validate_root(schema: &Value, path: &Path) -> Option<FieldError> {
    let kind = text(schema, "type");
    if !kind.is_empty() && kind != "object" {
        let why = "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        return Some(FieldError::invalid(&path.child("type"), kind, why));
    }
    let mut set = internal::set_fields(schema);
    let forbidden = set.any(|name| name != "Type" && !internal::ALLOWED_AT_ROOT.contains(&name));
    forbidden.then(|| {
        let why = format!(
            "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
            internal::ALLOWED_AT_ROOT.join(" ")
        );
        FieldError::invalid(path, internal::schema(schema), why)
    })
}

fn validate_conversion(conversion: &Value, path: &Path) -> Vec<FieldError> {
    let path = path.child("conversion");
    let strategy = path.child("strategy");
    match text(conversion, "strategy") {
        "None" if conversion["webhook"].is_object() => {
            let why = "should not be set when strategy is not set to Webhook";
            let mut errors = Vec::new();
            if conversion["webhook"]["clientConfig"].is_object() {
                errors.push(FieldError::forbidden(
                    &path.child("webhookClientConfig"),
                    why,
                ));
            }
            if !empty(&conversion["webhook"]["conversionReviewVersions"]) {
                errors.push(FieldError::forbidden(
                    &path.child("conversionReviewVersions"),
                    why,
                ));
            }
            errors
        }
        "None" => Vec::new(),
        "Webhook" => vec![FieldError::forbidden(
            &strategy,
            "conversion webhooks are not served here; versions may differ in apiVersion only",
        )],
        "" => vec![FieldError::required(&strategy, "")],
        other => vec![FieldError::not_supported(
            &strategy,
            other,
            &["None", "Webhook"],
        )],
    }
}
