//! Where a rule's `fieldPath` leads (`cel.ValidFieldPath`).

use serde_json::Value;

/// The path that a rule's `fieldPath` leads to below the rule's own place, if it leads to a field.
pub(in crate::crd) fn field_path(given: &str, schema: &Value) -> Option<String> {
    let (mut rest, mut schema, mut out) = (given, schema, String::new());
    while !rest.is_empty() {
        let name;
        if let Some(after) = rest.strip_prefix("['") {
            let end = after.find("']")?;
            (name, rest) = (&after[..end], &after[end + 2..]);
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            (name, rest) = after.split_at(end);
        }
        if name.is_empty() {
            return None;
        }
        if schema["properties"].is_object() {
            schema = schema["properties"].get(name)?;
            out.push('.');
            out.push_str(name);
        } else {
            schema = schema
                .get("additionalProperties")
                .filter(|one| one.is_object())?;
            out.extend(["[", name, "]"]);
        }
    }
    Some(out.trim_start_matches('.').to_owned())
}
