//! Strategic merge (`k8s.io/apimachinery/pkg/util/strategicpatch`): maps are merged, lists by the key of the table, and
//! the directives `$patch`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…` and `$retainKeys` are obeyed.

use serde_json::{Map, Value};

use super::keys::merge_key;
use super::{PatchError, go_text};

const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";
const RETAIN: &str = "$retainKeys";
const DIRECTIVE: &str = "$patch";

/// `current` with `patch` merged into it.
pub(super) fn merge(current: &Value, patch: &Value) -> Result<Value, PatchError> {
    let (Some(current), Some(patch)) = (current.as_object(), patch.as_object()) else {
        return Err(PatchError::Malformed(
            "a strategic merge patch is an object".to_owned(),
        ));
    };
    merge_map(current.clone(), patch).map(Value::Object)
}

fn merge_map(
    mut current: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<Map<String, Value>, PatchError> {
    if let Some(directive) = patch.get(DIRECTIVE) {
        match directive.as_str() {
            Some("replace") => {
                return Ok(patch
                    .iter()
                    .filter(|(k, _)| *k != DIRECTIVE)
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect());
            }
            Some("delete") => return Ok(Map::new()),
            Some("merge") => {}
            _ => {
                return Err(PatchError::Malformed(format!(
                    "unknown patch type {}",
                    go_text(directive)
                )));
            }
        }
    }
    if let Some(keep) = patch.get(RETAIN).and_then(Value::as_array) {
        current.retain(|key, _| keep.iter().any(|k| k == key));
    }
    for (key, value) in patch {
        if key == RETAIN || key == DIRECTIVE || key.starts_with(ORDER) {
            continue;
        }
        if let Some(field) = key.strip_prefix(DELETE_FROM) {
            delete_from(current.get_mut(field), value);
            continue;
        }
        merge_field(&mut current, patch, key, value)?;
    }
    reorder_untouched(&mut current, patch)?;
    Ok(current)
}

fn merge_field(
    current: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    key: &str,
    value: &Value,
) -> Result<(), PatchError> {
    if value.is_null() {
        current.shift_remove(key);
        return Ok(());
    }
    let merged = match (current.get(key), value) {
        (Some(Value::Object(old)), Value::Object(new)) => {
            Value::Object(merge_map(old.clone(), new)?)
        }
        // Where there is nothing to merge with, a list's elements need no key, and may share one.
        (None | Some(Value::Null), new) => without_directives(new),
        (old, Value::Array(new)) => {
            let old = old
                .and_then(Value::as_array)
                .map_or(&[] as &[Value], Vec::as_slice);
            let order = patch
                .get(&format!("{ORDER}{key}"))
                .and_then(Value::as_array);
            Value::Array(merge_list(key, old, new, order)?)
        }
        _ => value.clone(),
    };
    current.insert(key.to_owned(), merged);
    Ok(())
}

/// A new value as it is stored: without nulls and directives, and without elements that were to be deleted.
fn without_directives(value: &Value) -> Value {
    let is_directive = |key: &str| {
        key == DIRECTIVE || key == RETAIN || key.starts_with(ORDER) || key.starts_with(DELETE_FROM)
    };
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, value)| !is_directive(key) && !value.is_null())
            .map(|(key, value)| (key.clone(), without_directives(value)))
            .collect(),
        Value::Array(list) => list
            .iter()
            .filter(|item| item.get(DIRECTIVE).is_none())
            .map(without_directives)
            .collect(),
        value => value.clone(),
    }
}

fn delete_from(list: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(list)), Some(gone)) = (list, gone.as_array()) {
        list.retain(|item| !gone.contains(item));
    }
}

/// An order without a patch of the list itself still orders it.
fn reorder_untouched(
    current: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), PatchError> {
    for (key, order) in patch {
        let Some(field) = key.strip_prefix(ORDER) else {
            continue;
        };
        if patch.contains_key(field) {
            continue;
        }
        if let (Some(Value::Array(list)), Some(order)) = (current.get(field), order.as_array()) {
            let list = merge_list(field, list, &[], Some(order))?;
            current.insert(field.to_owned(), Value::Array(list));
        }
    }
    Ok(())
}

fn merge_list(
    field: &str,
    old: &[Value],
    new: &[Value],
    order: Option<&Vec<Value>>,
) -> Result<Vec<Value>, PatchError> {
    let Some(key) = merge_key(field) else {
        return Ok(new
            .iter()
            .filter(|item| item.get(DIRECTIVE).is_none())
            .cloned()
            .collect());
    };
    if key.is_empty() || old.iter().chain(new).all(|item| !item.is_object()) && !new.is_empty() {
        return merge_set(old, new, order);
    }
    if new.iter().any(|item| item[DIRECTIVE] == "replace") {
        return Ok(new
            .iter()
            .filter(|item| item.get(DIRECTIVE).is_none())
            .cloned()
            .collect());
    }
    let mut items = old.to_vec();
    let mut added: Vec<Value> = Vec::new();
    for item in new {
        let id = key_value(item, key)?;
        let at = items.iter().position(|old| old[key] == *id);
        if item[DIRECTIVE] == "delete" {
            items.retain(|old| old[key] != *id);
        } else if let Some(at) = at {
            items[at] = merge(&items[at], item)?;
        } else if let Some(twice) = added.iter_mut().find(|a| a[key] == *id) {
            *twice = merge(twice, item)?;
        } else {
            added.push(merge(&Value::Object(Map::new()), item)?);
        }
    }
    Ok(ordered(items, added, new, order, key))
}

/// The value of an element's key.
fn key_value<'a>(item: &'a Value, key: &str) -> Result<&'a Value, PatchError> {
    match item.get(key) {
        Some(value) if !value.is_null() => Ok(value),
        _ if item.is_object() => Err(PatchError::Unmergeable(format!(
            "map: {} does not contain declared merge key: {key}",
            go_text(item)
        ))),
        _ => Err(PatchError::Malformed(format!(
            "expected an element with the key {key}, found {}",
            go_text(item)
        ))),
    }
}

/// Sets of scalars: what is new goes to the end.
fn merge_set(
    old: &[Value],
    new: &[Value],
    order: Option<&Vec<Value>>,
) -> Result<Vec<Value>, PatchError> {
    let mut out = old.to_vec();
    for item in new {
        if item.is_object() || item.is_array() {
            return Err(PatchError::Malformed(format!(
                "expected a list of scalars, found {}",
                go_text(item)
            )));
        }
        if !out.contains(item) {
            out.push(item.clone());
        }
    }
    if let Some(order) = order {
        let rank = |item: &Value| order.iter().position(|o| o == item).unwrap_or(usize::MAX);
        out.sort_by_key(rank);
    }
    Ok(out)
}

/// `normalizeElementOrder`: elements that the patch or its order names stand in that order; those that only the server
/// has keep their place among themselves and are merged in before the first named one that they preceded.
fn ordered(
    items: Vec<Value>,
    added: Vec<Value>,
    new: &[Value],
    order: Option<&Vec<Value>>,
    key: &str,
) -> Vec<Value> {
    let named: Vec<&Value> = match order {
        Some(order) => order.iter().map(|item| &item[key]).collect(),
        None => new.iter().map(|item| &item[key]).collect(),
    };
    let original: Vec<Value> = items.iter().map(|item| item[key].clone()).collect();
    let rank = |item: &Value| named.iter().position(|id| **id == item[key]);
    let (mut patched, server): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| rank(item).is_some());
    patched.extend(added);
    patched.sort_by_key(|item| rank(item).unwrap_or(usize::MAX));
    merge_sorted(patched, server, &original, key)
}

/// `mergeSortedSlice`: the next server-only element goes first as long as it stood before the next patched one.
fn merge_sorted(
    patched: Vec<Value>,
    server: Vec<Value>,
    original: &[Value],
    key: &str,
) -> Vec<Value> {
    let place = |item: &Value| original.iter().position(|id| *id == item[key]);
    let (mut left, mut right) = (
        patched.into_iter().peekable(),
        server.into_iter().peekable(),
    );
    let mut out = Vec::new();
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let server_first = place(a).zip(place(b)).is_some_and(|(a, b)| b < a);
        out.extend(if server_first {
            right.next()
        } else {
            left.next()
        });
    }
    out.extend(left);
    out.extend(right);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read better without a borrow"
    )]
    fn check(current: Value, patch: Value, expected: Value) {
        assert_eq!(
            merge(&current, &patch).expect("merges"),
            expected,
            "{patch}"
        );
    }

    #[test]
    fn maps_are_merged_and_null_takes_out() {
        check(
            json!({"a": {"b": 1, "c": 2}}),
            json!({"a": {"b": null, "d": 3}}),
            json!({"a": {"c": 2, "d": 3}}),
        );
        check(
            json!({}),
            json!({"a": {"b": null, "c": 1}}),
            json!({"a": {"c": 1}}),
        );
        check(
            json!({"a": {"b": 1}}),
            json!({"a": {"$patch": "replace", "c": 2}}),
            json!({"a": {"c": 2}}),
        );
        check(
            json!({"a": {"b": 1}}),
            json!({"a": {"$retainKeys": ["c"], "c": 2}}),
            json!({"a": {"c": 2}}),
        );
        check(
            json!({"command": ["a", "b"]}),
            json!({"command": ["c"]}),
            json!({"command": ["c"]}),
        );
    }

    #[test]
    fn lists_are_merged_by_their_key() {
        let two = json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]});
        check(
            two.clone(),
            json!({"containers": [{"name": "b", "image": "z"}]}),
            json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "z"}]}),
        );
        check(
            two.clone(),
            json!({"containers": [{"name": "a", "$patch": "delete"}]}),
            json!({"containers": [{"name": "b", "image": "y"}]}),
        );
        check(
            two.clone(),
            json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}),
            json!({"containers": [{"name": "c"}]}),
        );
        check(two, json!({"containers": null}), json!({}));
    }

    #[test]
    fn a_new_element_goes_first_unless_the_order_says_otherwise() {
        let one = json!({"ephemeralContainers": [{"name": "a"}]});
        let expected = json!({"ephemeralContainers": [{"name": "b"}, {"name": "a"}]});
        check(
            one.clone(),
            json!({"ephemeralContainers": [{"name": "b"}]}),
            expected,
        );
        let patch = json!({"$setElementOrder/ephemeralContainers": [{"name": "a"}, {"name": "b"}], "ephemeralContainers": [{"name": "b"}]});
        check(
            one,
            patch,
            json!({"ephemeralContainers": [{"name": "a"}, {"name": "b"}]}),
        );
    }

    #[test]
    fn sets_of_scalars_grow_and_shrink() {
        check(
            json!({"finalizers": ["a"]}),
            json!({"finalizers": ["b", "a"]}),
            json!({"finalizers": ["a", "b"]}),
        );
        check(
            json!({"finalizers": ["a", "b"]}),
            json!({"$deleteFromPrimitiveList/finalizers": ["a"]}),
            json!({"finalizers": ["b"]}),
        );
    }

    #[test]
    fn an_element_without_its_key_is_rejected() {
        let error = merge(
            &json!({"containers": [{"name": "a"}]}),
            &json!({"containers": [{"image": "x"}]}),
        )
        .expect_err("rejected");
        assert_eq!(
            error.to_string(),
            "map: map[image:x] does not contain declared merge key: name"
        );
    }
}
