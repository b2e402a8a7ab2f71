//! The JSON patch of a mutating webhook, applied with the words of the library that Kubernetes uses
//! (`gopkg.in/evanphx/json-patch.v4`).

use json_patch::PatchOperation;
use serde_json::Value;

use crate::patch::Copied;

/// A patch as the webhook sent it.
pub(super) struct Patch {
    /// For the audit annotation.
    pub(super) written: Value,
    operations: json_patch::Patch,
}

impl Patch {
    /// Reads a patch; an error says why it is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let written: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let operations =
            serde_json::from_value(written.clone()).map_err(|error| error.to_string())?;
        Ok(Self {
            written,
            operations,
        })
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.operations.0.is_empty()
    }

    /// The object after all operations.
    pub(super) fn apply(&self, object: &Value) -> Result<Value, String> {
        let mut out = object.clone();
        let mut copied = Copied::default();
        for operation in &self.operations.0 {
            copied.weigh(&out, operation)?;
            json_patch::patch(&mut out, std::slice::from_ref(operation))
                .map_err(|_| refused(&out, operation))?;
        }
        Ok(out)
    }
}

/// Why an operation does not apply to `object`.
fn refused(object: &Value, operation: &PatchOperation) -> String {
    let path = operation.path().to_string();
    let (parent, key) = path.rsplit_once('/').unwrap_or(("", &path));
    let has_parent = object
        .pointer(parent)
        .is_some_and(|value| value.is_object() || value.is_array());
    match operation {
        PatchOperation::Add(_) if !has_parent => {
            format!("add operation does not apply: doc is missing path: {path:?}: missing value")
        }
        PatchOperation::Add(_) => {
            format!(
                "error in add for path: '{path}': Unable to access invalid index: {key}: invalid index referenced"
            )
        }
        PatchOperation::Remove(_) if !has_parent => {
            format!("remove operation does not apply: doc is missing path: {path:?}: missing value")
        }
        PatchOperation::Remove(_) => {
            format!(
                "error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
            )
        }
        PatchOperation::Replace(_) if !has_parent => {
            format!("replace operation does not apply: doc is missing path: {path}: missing value")
        }
        PatchOperation::Replace(_) => {
            format!("replace operation does not apply: doc is missing key: {path}: missing value")
        }
        PatchOperation::Test(_) => format!("testing value {path} failed: test failed"),
        PatchOperation::Move(moved) => {
            format!("error in move for path: '{}': missing value", moved.from)
        }
        PatchOperation::Copy(copied) => {
            format!(
                "copy operation does not apply: doc is missing from path: {}: missing value",
                copied.from
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(patch: &Value, expected: Result<Value, &str>) {
        let object = json!({"metadata": {"name": "p"}});
        let got = Patch::parse(patch.to_string().as_bytes()).and_then(|patch| patch.apply(&object));
        assert_eq!(got, expected.map_err(str::to_owned), "{patch}");
    }

    #[test]
    fn what_a_patch_copies_is_limited() {
        let copies: Vec<Value> = (0..40)
            .map(|n| json!({"op": "copy", "from": "", "path": format!("/c{n}")}))
            .collect();
        let patch = Patch::parse(json!(copies).to_string().as_bytes()).expect("a patch");
        let why = patch.apply(&json!({"metadata": {"name": "p"}}));
        let why = why.expect_err("it doubles the object forty times");
        assert!(
            why.starts_with(
                "Unable to complete the copy, the accumulated size increase of copy is "
            ),
            "{why}"
        );
    }

    #[test]
    fn patches_apply_or_say_why_not() {
        check(
            &json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]),
            Ok(json!({"metadata": {"name": "p", "labels": {"a": "b"}}})),
        );
        check(
            &json!([{"op": "add", "path": "/metadata/labels/a", "value": "b"}]),
            Err(
                "add operation does not apply: doc is missing path: \"/metadata/labels/a\": missing value",
            ),
        );
        check(
            &json!([{"op": "remove", "path": "/metadata/labels"}]),
            Err(
                "error in remove for path: '/metadata/labels': Unable to remove nonexistent key: labels: missing value",
            ),
        );
        check(
            &json!([{"op": "replace", "path": "/spec", "value": 1}]),
            Err("replace operation does not apply: doc is missing key: /spec: missing value"),
        );
        check(
            &json!([{"op": "test", "path": "/metadata/name", "value": "q"}]),
            Err("testing value /metadata/name failed: test failed"),
        );
    }
}
