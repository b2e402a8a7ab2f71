//! What an apply that is refused is answered (`NewConflictError`).

use serde_json::{Value, json};

use super::{ApplyError, Conflict};
use crate::error::ApiError;

/// 400, 409 with a cause for each field, or 500.
pub fn refusal(error: &ApplyError) -> ApiError {
    match error {
        ApplyError::BadRequest(text) => ApiError::bad_request(text.clone()),
        ApplyError::Failed(text) => ApiError::new(500, "", text.clone()),
        ApplyError::Conflicts(conflicts) => {
            let causes: Vec<Value> = conflicts.iter().map(cause).collect();
            ApiError {
                details: Some(json!({"causes": causes})),
                ..ApiError::new(409, "Conflict", message(conflicts))
            }
        }
    }
}

fn cause(conflict: &Conflict) -> Value {
    let message = format!("conflict with {}", conflict.manager);
    json!({"reason": "FieldManagerConflict", "message": message, "field": conflict.field})
}

fn message(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        let Conflict { manager, field } = one;
        return format!("Apply failed with 1 conflict: conflict with {manager}: {field}");
    }
    let mut managers: Vec<&String> = conflicts.iter().map(|conflict| &conflict.manager).collect();
    managers.sort();
    managers.dedup();
    let mut lines = Vec::new();
    for manager in managers {
        lines.push(format!("conflicts with {manager}:"));
        let fields = conflicts
            .iter()
            .filter(|conflict| conflict.manager == *manager);
        lines.extend(fields.map(|conflict| format!("- {}", conflict.field)));
    }
    let count = conflicts.len();
    format!("Apply failed with {count} conflicts: {}", lines.join("\n"))
}
