//! Server-side apply.

use serde_json::Value;

use super::PatchError;
use crate::error::ApiError;
use crate::kinds::Resource;

/// Who applies, as `metadata.managedFields` names it.
#[derive(Debug, Clone, Default)]
pub struct Manager {
    /// The field manager's name.
    pub name: String,
    /// The version in which the fields are written.
    pub api_version: String,
    /// The subresource that is written, or empty.
    pub subresource: String,
    /// When.
    pub time: String,
}

/// Fields of an apply patch that others own.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} fields are owned by others", .0.len())]
pub struct Conflicts(pub Vec<(String, String)>);

impl Conflicts {
    /// 409.
    pub fn to_api_error(&self, _name: &str) -> ApiError {
        ApiError::new(409, "Conflict", self.to_string())
    }
}

/// The object with `patch` applied by `manager`.
pub(super) fn merge(
    _current: Option<&Value>, _patch: &Value, _resource: &Resource, _manager: &Manager, _force: bool,
) -> Result<Value, PatchError> {
    Err(PatchError::NoManager)
}
