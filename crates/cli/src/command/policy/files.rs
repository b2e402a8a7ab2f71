//! Policies in files, read as strictly as `kubectl --validate=strict` does.

use std::path::Path;

use anyhow::{Context, Result};
use api::DebugPolicy;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The documents of a YAML or JSON file.
pub(super) fn documents(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
        .with_context(|| format!("{} is neither YAML nor JSON", path.display()))?;
    Ok(documents.into_iter().filter(|d| !d.is_null()).collect())
}

/// A document as the type it is to be, with the paths of fields that the type does not have.
pub(super) fn typed<T: DeserializeOwned>(document: &Value) -> Result<(T, Vec<String>)> {
    let mut unknown = Vec::new();
    let value = serde_ignored::deserialize(document, |path| unknown.push(path.to_string()))?;
    // They say which type it is, and are no fields of it.
    unknown.retain(|path| path != "apiVersion" && path != "kind");
    Ok((value, unknown))
}

/// Whether a document says that it is a DebugPolicy.
pub(super) fn is_policy(document: &Value) -> bool {
    document["kind"] == "DebugPolicy"
        && document["apiVersion"] == format!("{}/{}", api::GROUP, api::VERSION)
}

/// The policies of a file; other objects in it are passed over, a policy with unknown fields is not.
pub(super) fn policies(path: &Path) -> Result<Vec<policy::Policy>> {
    let mut found = Vec::new();
    for document in documents(path)?.iter().filter(|d| is_policy(d)) {
        let (object, unknown) = typed::<DebugPolicy>(document)?;
        if let Some(field) = unknown.first() {
            anyhow::bail!("{}: no field {field} in a DebugPolicy", path.display());
        }
        let read = api::policy(&object).with_context(|| path.display().to_string())?;
        found.push(read);
    }
    Ok(found)
}
