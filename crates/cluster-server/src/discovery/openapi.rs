//! OpenAPI documents.

use serde_json::Value;

use crate::kinds::Kinds;

/// The document below `/openapi/`.
pub(super) fn document(_kinds: &Kinds, _path: &[&str]) -> Option<Value> {
    None
}
