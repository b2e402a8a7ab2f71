//! One served version of a custom resource: how its bodies are decoded and what its writes must satisfy.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::rules::Rules;
use super::scale::Scale;
use super::schema;
use crate::error::ApiError;
use crate::field::{Fault, FieldError, Path};
use crate::kinds::decode::decode_as;
use crate::kinds::{Decoded, Strategy, names};

/// A version's schema with its rules compiled.
pub(super) struct Custom {
    schema: Value,
    rules: Option<Rules>,
    /// Whether `status` is written through its own subresource only.
    has_status: bool,
    scale: Option<Scale>,
}

impl Custom {
    /// The version whose entry in `spec.versions` is `version`.
    pub(super) fn new(version: &Value) -> Arc<Self> {
        let schema = version["schema"]["openAPIV3Schema"].clone();
        let rules = Rules::of(&schema);
        Arc::new(Self {
            schema,
            rules,
            has_status: version["subresources"]["status"].is_object(),
            scale: Scale::of(&version["subresources"]),
        })
    }

    /// Drops unknown fields and brings the metadata into its typed shape.
    pub(super) fn decode(&self, mut object: Value) -> Result<Decoded, ApiError> {
        let mut unknown = schema::prune(&mut object, &self.schema, true);
        if let Some(metadata) = object.get("metadata") {
            let carrier = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
            let decoded = decode_as::<ConfigMap>(carrier)?;
            unknown.extend(decoded.unknown);
            object["metadata"] = decoded.object["metadata"].clone();
        }
        Ok(Decoded { object, unknown })
    }

    /// Checks that follow those of the schema: of resources within, of lists, and of rules.
    fn finish(
        &self,
        mut errors: Vec<FieldError>,
        new: &Value,
        old: Option<&Value>,
    ) -> Vec<FieldError> {
        let Some(rules) = &self.rules else {
            return errors;
        };
        // Rules are about values that have the right shape.
        if errors.iter().any(blocks) {
            let why = "some validation rules were not checked because the object was invalid; correct the existing errors to \
                       complete validation";
            errors.push(FieldError::invalid(&Path::new("<nil>"), Value::Null, why));
        } else {
            errors.extend(rules.check(&self.schema, new, old));
        }
        errors
    }

    /// Lists that hold something twice, unless they did before.
    fn check_lists(&self, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let found = schema::check_lists(new, &self.schema, None);
        let before = |old: &Value| {
            found.is_empty() || schema::check_lists(old, &self.schema, None).is_empty()
        };
        if old.is_none_or(before) {
            found
        } else {
            Vec::new()
        }
    }

    fn scale_faults(&self, object: &Value, spec: bool) -> Vec<FieldError> {
        self.scale
            .as_ref()
            .map(|scale| scale.validate(object, spec))
            .unwrap_or_default()
    }
}

/// Whether rules cannot be held against an object with this error.
fn blocks(error: &FieldError) -> bool {
    matches!(
        error.fault,
        Fault::NotSupported(..)
            | Fault::Required
            | Fault::TooLong(_)
            | Fault::TooMany(..)
            | Fault::TypeInvalid(_)
    )
}

impl Strategy for Custom {
    fn default(&self, object: &mut Value) {
        schema::drop_nulls(object, &self.schema);
        schema::default(object, &self.schema);
    }

    fn prepare_create(&self, object: &mut Value) {
        if let Some(fields) = object.as_object_mut().filter(|_| self.has_status) {
            fields.shift_remove("status");
        }
        object["metadata"]["generation"] = 1.into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = schema::validate(object, &self.schema, None);
        errors.extend(self.scale_faults(object, true));
        errors.extend(schema::check_embedded(object, &self.schema));
        errors.extend(self.check_lists(object, None));
        self.finish(errors, object, None)
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
        if without_metadata(new) != without_metadata(old) {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
            new["metadata"]["generation"] = (generation + 1).into();
        }
    }

    fn validate_update(&self, subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let status = subresource == "status";
        let mut errors = if status {
            schema::validate_status(new, old, &self.schema)
        } else {
            schema::validate(new, &self.schema, Some(old))
        };
        errors.extend(self.scale_faults(new, !status));
        if !status {
            errors.extend(schema::check_embedded(new, &self.schema));
        }
        errors.extend(self.check_lists(new, Some(old)));
        self.finish(errors, new, Some(old))
    }

    fn warnings(&self, subresource: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
        let list = |object: &Value| -> Vec<String> {
            let all = object["metadata"]["finalizers"].as_array();
            let all = all.into_iter().flatten().filter_map(Value::as_str);
            all.map(str::to_owned).collect()
        };
        let before = old.map(list).unwrap_or_default();
        let mut added = list(new);
        added.retain(|name| subresource != "status" && !before.contains(name));
        added.sort();
        let mut warnings: Vec<String> = added
            .iter()
            .flat_map(|name| finalizer_warnings(name))
            .collect();
        if let (Some(rules), Some(old)) = (&self.rules, old) {
            let found = rules.let_through(&self.schema, new, old);
            warnings.extend(found.iter().map(ToString::to_string));
        }
        warnings
    }
}

/// `validateKubeFinalizerName`.
fn finalizer_warnings(name: &str) -> Vec<String> {
    let field = "metadata.finalizers";
    let mut out: Vec<String> = names::qualified(name)
        .into_iter()
        .map(|text| format!("{field}: {name:?}: {text}"))
        .collect();
    let standard = ["orphan", "foregroundDeletion", "kubernetes"].contains(&name);
    if !name.contains('/') && !standard {
        let how = if name.contains('.') {
            " including a path (/)"
        } else {
            ""
        };
        out.push(format!(
            "{field}: {name:?}: prefer a domain-qualified finalizer name{how} to avoid accidental conflicts with other finalizer writers"
        ));
    }
    out
}

fn set_status(object: &mut Value, status: Option<Value>) {
    if let Some(fields) = object.as_object_mut() {
        match status {
            Some(status) => fields.insert("status".to_owned(), status),
            None => fields.shift_remove("status"),
        };
    }
}

fn without_metadata(object: &Value) -> serde_json::Map<String, Value> {
    let fields = object.as_object().into_iter().flatten();
    fields
        .filter(|(key, _)| *key != "metadata")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
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
        Custom::new(&version)
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
        assert_eq!(errors, ["spec: Invalid value: spec is immutable"]);
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
