//! Namespaces: a phase, a finalizer and a label that carries the name.

use serde_json::{Value, json};

use super::Strategy;
use crate::field::{FieldError, Path};

/// The label by which selectors find a namespace.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// What is particular to Namespaces.
pub struct NamespaceStrategy;

/// The strategy of Namespaces.
pub static NAMESPACE: NamespaceStrategy = NamespaceStrategy;

fn label(object: &mut Value) {
    let name = object["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if name.is_empty() {
        return;
    }
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"][NAME_LABEL] = name.into();
}

impl Strategy for NamespaceStrategy {
    fn default(&self, object: &mut Value) {
        label(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        label(object);
        object["status"] = json!({"phase": "Active"});
        let mut finalizers = object["spec"]["finalizers"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
            finalizers.push("kubernetes".into());
        }
        object["spec"]["finalizers"] = finalizers.into();
    }

    fn prepare_update(&self, subresource: &str, new: &mut Value, old: &Value) {
        if subresource != "finalize" {
            new["spec"] = old["spec"].clone();
        }
        if subresource != "status" {
            new["status"] = old["status"].clone();
        }
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let name = &old["metadata"]["name"];
        if new["metadata"]["labels"][NAME_LABEL] == *name {
            return Vec::new();
        }
        let field = Path::new("metadata.labels").key(NAME_LABEL);
        let detail = format!("must be {}", name.as_str().unwrap_or_default());
        vec![FieldError::invalid(
            &field,
            new["metadata"]["labels"][NAME_LABEL].clone(),
            detail,
        )]
    }
}
