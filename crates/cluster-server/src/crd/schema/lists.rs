//! Lists that are sets or maps hold each element or key once (`structural/listtype`).

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::validate::map_keys;
use super::walk::walk;
use crate::field::{FieldError, Path};

/// What is there twice in `value`, which is at `path`.
pub(in crate::crd) fn check_lists(
    value: &Value,
    schema: &Value,
    path: Option<&Path>,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let root = Path::default();
    walk(
        value,
        schema,
        path.unwrap_or(&root),
        &mut |value, schema, path| {
            let Value::Array(items) = value else {
                return;
            };
            match schema["x-kubernetes-list-type"].as_str() {
                Some("set") => {
                    let found = repeated(items).into_iter();
                    errors.extend(
                        found.map(|at| FieldError::duplicate(&path.index(at), items[at].clone())),
                    );
                }
                Some("map") => errors.extend(check_map(items, schema, path)),
                _ => {}
            }
        },
    );
    errors
}

fn check_map(items: &[Value], schema: &Value, path: &Path) -> Vec<FieldError> {
    for (index, item) in items.iter().enumerate() {
        if !item.is_null() && !item.is_object() {
            let why = "must be an object for an array of list-type map";
            return vec![FieldError::invalid(&path.index(index), item.clone(), why)];
        }
    }
    let names = map_keys(schema);
    let key = |item: &Value| -> Value {
        let present = names
            .iter()
            .filter_map(|&name| Some((name.to_owned(), item.get(name)?.clone())));
        present.collect::<Map<_, _>>().into()
    };
    let keys: Vec<Value> = items.iter().map(key).collect();
    repeated(&keys)
        .into_iter()
        .map(|at| FieldError::duplicate(&path.index(at), keys[at].clone()))
        .collect()
}

/// Where each element that is there more than once comes for the second time.
fn repeated(items: &[Value]) -> Vec<usize> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut out = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let times = seen.entry(canonical(item)).or_default();
        *times += 1;
        if *times == 2 {
            out.push(index);
        }
    }
    out
}

/// The value as text with the keys of its objects in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut entries: Vec<_> = fields.iter().collect();
            entries.sort_by_key(|(name, _)| name.as_str());
            let entries = entries
                .into_iter()
                .map(|(name, value)| format!("{name:?}:{}", canonical(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, value: &Value, expected: &[&str]) {
        let schema = json!({"properties": {"spec": schema}});
        let errors = check_lists(&json!({"spec": value}), &schema, None);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn sets_and_maps_hold_everything_once() {
        let set = json!({"type": "array", "x-kubernetes-list-type": "set"});
        check(&set, &json!(["a", "b"]), &[]);
        check(
            &set,
            &json!(["a", "b", "a", "a"]),
            &["spec[2]: Duplicate value: \"a\""],
        );
        let map = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]});
        check(
            &map,
            &json!([{"name": "a", "x": 1}, {"name": "a", "x": 2}]),
            &["spec[1]: Duplicate value: {\"name\":\"a\"}"],
        );
        let nested = json!({"type": "object", "additionalProperties": set});
        check(
            &nested,
            &json!({"k": [1, 1]}),
            &["spec[k][1]: Duplicate value: 1"],
        );
    }
}
