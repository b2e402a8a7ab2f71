//! One served version of a custom resource: how its bodies are decoded and what its writes must satisfy.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube_cel::{CompiledSchema, RootContext, Validator, compile_schema};
use serde_json::{Value, json};

use super::schema;
use crate::error::ApiError;
use crate::field::{Fault, FieldError, Path};
use crate::kinds::decode::decode_as;
use crate::kinds::{Decoded, Strategy};

/// A version's schema with its rules compiled.
pub(super) struct Custom {
    schema: Value,
    rules: Option<(CompiledSchema, RootContext)>,
    /// Whether `status` is written through its own subresource only.
    has_status: bool,
}

impl Custom {
    /// The version of `definition` whose entry in `spec.versions` is `version`.
    pub(super) fn new(definition: &Value, version: &Value) -> Arc<Self> {
        let schema = version["schema"]["openAPIV3Schema"].clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let group = text(&definition["spec"]["group"]);
        let root = RootContext {
            api_version: format!("{group}/{}", text(&version["name"])),
            kind: text(&definition["spec"]["names"]["kind"]),
            api_group: group,
        };
        let has_rules = schema.to_string().contains("x-kubernetes-validations");
        let rules = has_rules.then(|| (compile_schema(&schema), root));
        Arc::new(Self {
            schema,
            rules,
            has_status: version["subresources"]["status"].is_object(),
        })
    }

    /// Drops unknown fields and brings the metadata into its typed shape.
    pub(super) fn decode(&self, mut object: Value) -> Result<Decoded, ApiError> {
        let mut unknown = schema::prune(&mut object, &self.schema);
        if let Some(metadata) = object.get("metadata") {
            let carrier = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
            let decoded = decode_as::<ConfigMap>(carrier)?;
            unknown.extend(decoded.unknown);
            object["metadata"] = decoded.object["metadata"].clone();
        }
        Ok(Decoded { object, unknown })
    }

    fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let errors = schema::validate(new, &self.schema);
        // Rules are about values that have the right shape.
        if errors.is_empty() {
            self.check_rules(new, old)
        } else {
            errors
        }
    }

    fn check_rules(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let Some((compiled, root)) = &self.rules else {
            return Vec::new();
        };
        let outcome =
            Validator::new().validate_compiled_with_context(compiled, new, old, Some(root));
        let Err(failures) = outcome else {
            return Vec::new();
        };
        let errors = failures.as_slice().iter().map(|failure| {
            let name = failure.field_path.trim_start_matches('.');
            let path = if name.is_empty() {
                Path::new("<nil>")
            } else {
                Path::new(name)
            };
            let fault = match failure.reason.as_deref() {
                Some("FieldValueForbidden") => Fault::Forbidden,
                Some("FieldValueRequired") => Fault::Required,
                Some("FieldValueDuplicate") => Fault::Duplicate(self.type_at(name).into()),
                _ => Fault::Invalid(self.type_at(name).into()),
            };
            FieldError::new(&path, fault, failure.message.clone())
        });
        errors.collect()
    }

    /// The type that the schema gives a field, which is what errors of rules show in place of the value.
    fn type_at(&self, path: &str) -> &str {
        let mut schema = &self.schema;
        for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            let next = if part.ends_with(']') {
                &schema["items"]
            } else {
                &schema["properties"][part]
            };
            schema = if next.is_null() {
                &schema["additionalProperties"]
            } else {
                next
            };
        }
        schema["type"].as_str().unwrap_or("object")
    }
}

impl Strategy for Custom {
    fn default(&self, object: &mut Value) {
        schema::default(object, &self.schema);
    }

    fn prepare_create(&self, object: &mut Value) {
        if let Some(fields) = object.as_object_mut().filter(|_| self.has_status) {
            fields.shift_remove("status");
        }
        object["metadata"]["generation"] = 1.into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        self.validate(object, None)
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        if subresource == "status" {
            let status = new.get("status").cloned();
            let metadata = new["metadata"].clone();
            *new = old.clone();
            // Only what says who wrote which field comes along.
            for key in ["managedFields", "resourceVersion"] {
                if !metadata[key].is_null() {
                    new["metadata"][key] = metadata[key].clone();
                }
            }
            set_status(new, status);
            return;
        }
        if self.has_status {
            set_status(new, old.get("status").cloned());
        }
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(1);
        let bump = i64::from(
            without_metadata(new, self.has_status) != without_metadata(old, self.has_status),
        );
        new["metadata"]["generation"] = (generation + bump).into();
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        self.validate(new, Some(old))
    }
}

fn set_status(object: &mut Value, status: Option<Value>) {
    if let Some(fields) = object.as_object_mut() {
        match status {
            Some(status) => fields.insert("status".to_owned(), status),
            None => fields.shift_remove("status"),
        };
    }
}

fn without_metadata(object: &Value, without_status: bool) -> Value {
    let mut rest = object.clone();
    if let Some(fields) = rest.as_object_mut() {
        fields.retain(|key, _| match key.as_str() {
            "metadata" | "apiVersion" => false,
            "status" => !without_status,
            _ => true,
        });
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom() -> Arc<Custom> {
        let version = json!({
            "name": "v1", "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {
                    "type": "object",
                    "properties": {"reason": {"type": "string"}, "count": {"type": "integer"}},
                    "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "spec is immutable"}],
                },
                "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }}},
        });
        let definition = json!({"spec": {"group": "example.com", "names": {"kind": "Visit"}}});
        Custom::new(&definition, &version)
    }

    #[test]
    fn a_transition_rule_holds_on_updates_only() {
        let (old, new) = (
            json!({"spec": {"reason": "a"}}),
            json!({"spec": {"reason": "b"}}),
        );
        assert_eq!(custom().validate_create(&new), Vec::new());
        assert_eq!(custom().validate_update("", &old, &old), Vec::new());
        let errors: Vec<String> = custom()
            .validate_update("", &new, &old)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            errors,
            ["spec: Invalid value: \"object\": spec is immutable"]
        );
    }

    #[test]
    fn status_and_spec_are_written_apart() {
        let old = json!({"metadata": {"name": "n", "generation": 1}, "spec": {"count": 1}, "status": {"phase": "a"}});
        let mut new =
            json!({"metadata": {"name": "n"}, "spec": {"count": 2}, "status": {"phase": "b"}});
        custom().prepare_update("", &mut new, &old);
        assert_eq!(
            new,
            json!({"metadata": {"name": "n", "generation": 2}, "spec": {"count": 2}, "status": {"phase": "a"}})
        );
        let mut new =
            json!({"metadata": {"name": "n"}, "spec": {"count": 9}, "status": {"phase": "b"}});
        custom().prepare_update("status", &mut new, &old);
        assert_eq!(
            new,
            json!({"metadata": {"name": "n", "generation": 1}, "spec": {"count": 1}, "status": {"phase": "b"}})
        );
    }
}
