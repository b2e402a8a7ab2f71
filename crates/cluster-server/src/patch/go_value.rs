//! Values as Go prints them with `%v`, for the few messages that show a patch that way.

use serde_json::Value;

/// `map[a:1 b:[x y]]`: keys sorted, strings bare.
pub fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(go_text).collect::<Vec<_>>().join(" ")
        ),
        Value::Object(fields) => {
            let mut entries: Vec<_> = fields.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            let entries: Vec<_> = entries
                .into_iter()
                .map(|(key, value)| format!("{key}:{}", go_text(value)))
                .collect();
            format!("map[{}]", entries.join(" "))
        }
    }
}

/// The text of `runtime.DefaultUnstructuredConverter` for what `encoding/json` would call `json: cannot unmarshal
/// <found> into Go … of type <wanted>`.
pub(super) fn restore_error(text: &str) -> Option<String> {
    let rest = text.strip_prefix("json: cannot unmarshal ")?;
    let (found, rest) = rest.split_once(" into Go ")?;
    let wanted = rest.rsplit_once(" of type ")?.1;
    let found = match found.split(' ').next()? {
        "array" => "slice",
        "object" => "map",
        "number" => "int64",
        other => other,
    };
    Some(match wanted {
        wanted if wanted.starts_with("[]") => format!("cannot restore slice from {found}"),
        wanted if wanted.starts_with("map[") => format!("cannot restore map from {found}"),
        wanted if wanted.starts_with("v1.") => format!("cannot restore struct from: {found}"),
        wanted => format!("cannot convert {found} to {wanted}"),
    })
}
