//! The rules of a schema (`x-kubernetes-validations`), held against objects.

use kube_cel::{CompiledSchema, RootContext, Validator, compile_schema};
use serde_json::Value;

use crate::field::{Fault, FieldError, Path};

/// A schema's rules, compiled.
pub(super) struct Rules {
    compiled: CompiledSchema,
    root: RootContext,
}

impl Rules {
    /// The rules of `schema`, if it has any.
    pub(super) fn of(schema: &Value, group: &str, version: &str, kind: &str) -> Option<Self> {
        let any = schema.to_string().contains("x-kubernetes-validations");
        any.then(|| Self {
            compiled: compile_schema(schema),
            root: RootContext {
                api_version: format!("{group}/{version}"),
                kind: kind.to_owned(),
                api_group: group.to_owned(),
            },
        })
    }

    /// What does not hold in `new`, which replaces `old`.
    pub(super) fn check(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let outcome = Validator::new().validate_compiled_with_context(
            &self.compiled,
            new,
            old,
            Some(&self.root),
        );
        let Err(failures) = outcome else {
            return Vec::new();
        };
        let errors = failures.as_slice().iter().map(|failure| {
            let name = failure.field_path.trim_start_matches('.');
            let path = Path::new(if name.is_empty() { "<nil>" } else { name });
            let fault = match failure.reason.as_deref() {
                Some("FieldValueForbidden") => Fault::Forbidden,
                Some("FieldValueRequired") => Fault::Required,
                _ => Fault::InvalidOmitted,
            };
            FieldError::new(&path, fault, failure.message.clone())
        });
        errors.collect()
    }
}

/// The path that a rule's `fieldPath` leads to below the rule's own place, if it leads to a field (`cel.ValidFieldPath`).
pub(super) fn field_path(given: &str, schema: &Value) -> Option<String> {
    let (mut rest, mut schema, mut out) = (given, schema, String::new());
    while !rest.is_empty() {
        let name;
        if let Some(after) = rest.strip_prefix("['") {
            let end = after.find("']")?;
            (name, rest) = (&after[..end], &after[end + 2..]);
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            (name, rest) = after.split_at(end);
        }
        if name.is_empty() {
            return None;
        }
        if schema["properties"].is_object() {
            schema = schema["properties"].get(name)?;
            out.push('.');
            out.push_str(name);
        } else {
            schema = schema
                .get("additionalProperties")
                .filter(|one| one.is_object())?;
            out.extend(["[", name, "]"]);
        }
    }
    Some(out.trim_start_matches('.').to_owned())
}
