//! JSON patches (RFC 6902) as `gopkg.in/evanphx/json-patch.v4` reads and applies them.

use json_patch::PatchOperation;
use serde_json::{Map, Value, json};

use super::{PatchError, go_kind};

/// Most operations of one patch.
const MAX_OPERATIONS: usize = 10_000;

/// How much the `copy` operations of one patch may add, as JSON text (`JSONPatchMaxCopyBytes`).
const MAX_COPIED: usize = 3 * 1024 * 1024;

/// One operation. What cannot be an operation is found out when its turn comes.
#[derive(Debug)]
pub(super) struct Operation(Option<PatchOperation>);

/// Reads the operations. The second value are fields that operations do not have.
pub(super) fn parse(patch: &Value) -> Result<(Vec<Operation>, Vec<String>), String> {
    let Value::Array(items) = patch else {
        return Err(format!(
            "json: cannot unmarshal {} into Go value of type []handlers.jsonPatchOp",
            go_kind(patch)
        ));
    };
    let (mut operations, mut unknown) = (Vec::with_capacity(items.len()), Vec::new());
    for (at, item) in items.iter().enumerate() {
        let Value::Object(fields) = item else {
            return Err(format!(
                "json: cannot unmarshal {} into Go value of type handlers.jsonPatchOp",
                go_kind(item)
            ));
        };
        for (name, value) in fields {
            match name.as_str() {
                "op" | "path" | "from" if !value.is_string() && !value.is_null() => {
                    return Err(format!(
                        "json: cannot unmarshal {} into Go struct field jsonPatchOp.{name} of type string",
                        go_kind(value)
                    ));
                }
                "op" | "path" | "from" | "value" => {}
                _ => unknown.push(format!("unknown field \"[{at}].{name}\"")),
            }
        }
        operations.push(operation(fields));
    }
    Ok((operations, unknown))
}

fn operation(fields: &Map<String, Value>) -> Operation {
    let mut operation = fields.clone();
    // A value that is not given is null.
    if matches!(
        fields.get("op").and_then(Value::as_str),
        Some("add" | "replace" | "test")
    ) {
        operation.entry("value").or_insert(Value::Null);
    }
    Operation(serde_json::from_value(json!(operation)).ok())
}

/// Refuses patches of too many operations.
pub(super) fn check_count(operations: &[Operation]) -> Result<(), PatchError> {
    let count = operations.len();
    if count > MAX_OPERATIONS {
        return Err(PatchError::TooLarge(format!(
            "Request entity too large: The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {count}"
        )));
    }
    Ok(())
}

/// What the `copy` operations of one patch have added so far. Each may double the object, so a short patch could make
/// gigabytes.
#[derive(Debug, Default)]
pub(crate) struct Copied(usize);

impl Copied {
    /// Adds what `operation` is about to copy in `object`; an error says that it is too much.
    pub(crate) fn weigh(
        &mut self,
        object: &Value,
        operation: &PatchOperation,
    ) -> Result<(), String> {
        let PatchOperation::Copy(copy) = operation else {
            return Ok(());
        };
        let source = object.pointer(copy.from.as_str());
        self.0 += source.map_or(0, |source| source.to_string().len());
        if self.0 > MAX_COPIED {
            return Err(format!(
                "Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit \
                 {MAX_COPIED}",
                self.0
            ));
        }
        Ok(())
    }
}

/// The object after all operations, one after the other.
pub(super) fn apply(current: &Value, operations: &[Operation]) -> Result<Value, PatchError> {
    let (mut out, mut copied) = (current.clone(), Copied::default());
    for operation in operations {
        let operation = operation.0.as_ref().ok_or(PatchError::Rejected)?;
        copied
            .weigh(&out, operation)
            .map_err(|why| PatchError::TooLarge(format!("Request entity too large: {why}")))?;
        json_patch::patch(&mut out, std::slice::from_ref(operation))
            .map_err(|_| PatchError::Rejected)?;
    }
    Ok(out)
}
