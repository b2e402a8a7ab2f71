//! `scale`: the number of replicas of a custom resource, whatever its fields are called (`autoscaling/v1 Scale`).
//!
//! Source: `apiextensions-apiserver/pkg/registry/customresource/etcd.go`.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::field::{FieldError, Path};

/// Where a version's objects keep their replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// `.spec.replicas` or such.
    pub spec_replicas: String,
    /// `.status.replicas` or such.
    pub status_replicas: String,
    /// Where the selector is kept as text, if it is.
    pub label_selector: Option<String>,
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.trim_start_matches('.').split('.')
}

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    names(path).try_fold(object, |value, name| value.get(name))
}

/// `unstructured.NestedInt64`: what is there must be a whole number.
fn number(object: &Value, path: &str) -> Result<Option<i64>, String> {
    match at(object, path) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| {
            format!(
                "{path} accessor error: {value} is of the type {}, expected int64",
                go_type(value)
            )
        }),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

impl Scale {
    /// The paths that a version's `subresources` give.
    pub(super) fn of(subresources: &Value) -> Option<Self> {
        let scale = &subresources["scale"];
        let text = |key: &str| scale[key].as_str().map(str::to_owned);
        Some(Self {
            spec_replicas: text("specReplicasPath")?,
            status_replicas: text("statusReplicasPath")?,
            label_selector: text("labelSelectorPath").filter(|path| !path.is_empty()),
        })
    }

    /// The object's `Scale`.
    ///
    /// # Errors
    /// 500: the object has no replicas, or something else where they should be.
    pub fn view(&self, object: &Value) -> Result<Value, ApiError> {
        if number(object, &self.spec_replicas).is_ok_and(|found| found.is_none()) {
            let path = &self.spec_replicas;
            let why = format!("the spec replicas field {path:?} does not exist");
            return Err(ApiError::internal(why));
        }
        self.view_or_zero(object)
    }

    /// The object's `Scale`; replicas that are not there are none.
    pub(crate) fn view_or_zero(&self, object: &Value) -> Result<Value, ApiError> {
        let replicas = |path: &str| number(object, path).map(Option::unwrap_or_default);
        let failed = |why: String| ApiError::internal(why);
        let spec = replicas(&self.spec_replicas).map_err(failed)?;
        let mut status = json!({"replicas": replicas(&self.status_replicas).map_err(failed)?});
        if let Some(selector) = self
            .label_selector
            .as_ref()
            .and_then(|path| at(object, path)?.as_str())
            .filter(|selector| !selector.is_empty())
        {
            status["selector"] = selector.into();
        }
        let mut metadata = json!({});
        for key in [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "creationTimestamp",
        ] {
            if let Some(value) = object["metadata"].get(key) {
                metadata[key] = value.clone();
            }
        }
        // Go leaves out zeroes here.
        let spec = if spec == 0 {
            json!({})
        } else {
            json!({"replicas": spec})
        };
        Ok(json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status,
        }))
    }

    /// Writes the replicas that a `Scale` asks for into the object.
    pub(crate) fn apply(&self, scale: &Value, object: &mut Value) {
        let mut value = object;
        for name in names(&self.spec_replicas) {
            if !value[name].is_object() && !value.is_object() {
                *value = json!({});
            }
            value = &mut value[name];
        }
        *value = scale["spec"]["replicas"].as_i64().unwrap_or(0).into();
    }

    /// What does not hold where replicas are kept: `spec` unless only the status was written.
    pub(super) fn validate(&self, object: &Value, spec: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let paths = [(&self.spec_replicas, spec), (&self.status_replicas, true)];
        for (path, _) in paths.into_iter().filter(|(_, looked_at)| *looked_at) {
            let field = Path::new(path);
            let why = match number(object, path) {
                Err(why) => (0, why),
                Ok(Some(count)) if count < 0 => {
                    (count, "should be a non-negative integer".to_owned())
                }
                Ok(Some(count)) if count > i64::from(i32::MAX) => {
                    let why = format!("should be less than or equal to {}", i32::MAX);
                    (count, why)
                }
                Ok(_) => continue,
            };
            errors.push(FieldError::invalid(&field, why.0, why.1));
        }
        if let Some(path) = &self.label_selector
            && let Some(found) = at(object, path).filter(|found| !found.is_string())
        {
            let why = format!(
                "{path} accessor error: {found} is of the type {}, expected string",
                go_type(found)
            );
            errors.push(FieldError::invalid(&Path::new(path), "", why));
        }
        errors
    }
}
