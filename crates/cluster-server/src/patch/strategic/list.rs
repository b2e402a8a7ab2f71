//! Lists of a strategic merge, and the order of their elements.

use serde_json::Value;

use super::{DIRECTIVE, Field, Merger, unknown_directive};
use crate::kinds::merging::Patch;
use crate::patch::{PatchError, go_text, go_type};

fn unmergeable(text: impl Into<String>) -> PatchError {
    PatchError::Unmergeable(text.into())
}

impl Merger<'_> {
    /// `mergeSliceHandler`; `field` has the type of an element.
    pub(super) fn list(
        &self,
        field: Field,
        old: &[Value],
        new: &[Value],
    ) -> Result<Vec<Value>, PatchError> {
        if matches!(field.patch, Patch::Replace | Patch::Whole) {
            return Ok(new.to_vec());
        }
        if old.is_empty() && new.is_empty() {
            return Ok(Vec::new());
        }
        if !is_of_maps(&[old, new])? {
            let mut merged: Vec<Value> = Vec::new();
            for item in old.iter().chain(new) {
                if !merged.contains(item) {
                    merged.push(item.clone());
                }
            }
            return sorted(merged, new, old, None);
        }
        let Some(key) = field.patch.key() else {
            return Err(unmergeable(
                "cannot merge lists without merge key for struct",
            ));
        };
        let (old, new) = obeyed(old, new, key)?;
        let mut merged = old.clone();
        for item in &new {
            let id = id_of(item, key)?;
            match merged.iter().position(|other| other.get(key) == Some(id)) {
                Some(at) => {
                    let there = merged[at].as_object().cloned().unwrap_or_default();
                    let patch = item.as_object().cloned().unwrap_or_default();
                    merged[at] = Value::Object(self.map(field.kind, there, &patch)?);
                }
                None => merged.push(item.clone()),
            }
        }
        sorted(merged, &new, &old, Some(key))
    }
}

/// The lists after the elements that are directives have been obeyed (`mergeSliceWithSpecialElements`).
fn obeyed(old: &[Value], new: &[Value], key: &str) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let (mut left, mut rest) = (old.to_vec(), Vec::new());
    let mut is_replaced = false;
    for item in new {
        let Some(directive) = item.get(DIRECTIVE) else {
            rest.push(item.clone());
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let id = id_of(item, key)?;
                left.retain(|other| other.get(key) != Some(id));
            }
            Some("replace") => is_replaced = true,
            Some("merge") => {
                return Err(unmergeable(
                    "merging lists cannot yet be specified in the patch",
                ));
            }
            _ => {
                let map = item.as_object().cloned().unwrap_or_default();
                return Err(unknown_directive(directive, &map));
            }
        }
    }
    Ok(if is_replaced {
        (rest, Vec::new())
    } else {
        (left, rest)
    })
}

/// The value of an element's merge key.
fn id_of<'v>(item: &'v Value, key: &str) -> Result<&'v Value, PatchError> {
    match item {
        Value::Object(fields) => fields.get(key).ok_or_else(|| {
            let map = go_text(item);
            unmergeable(format!(
                "map: {map} does not contain declared merge key: {key}"
            ))
        }),
        other => Err(unmergeable(format!(
            "expected a map[string]interface {{}}, but received a {}",
            go_type(other)
        ))),
    }
}

/// Whether lists hold maps; all elements must be of one type (`sliceElementType`).
pub(super) fn is_of_maps(lists: &[&[Value]]) -> Result<bool, PatchError> {
    let mut items = lists.iter().flat_map(|list| list.iter());
    let Some(first) = items.next() else {
        return Err(unmergeable("no elements in any of the given slices"));
    };
    if first.is_array() {
        // `ErrNoListOfLists`
        return Err(PatchError::Rejected);
    }
    if items.any(|item| go_type(item) != go_type(first)) {
        let lists: Vec<Value> = lists
            .iter()
            .map(|list| Value::Array(list.to_vec()))
            .collect();
        let lists = go_text(&Value::Array(lists));
        return Err(unmergeable(format!(
            "list element types are not identical: {lists}"
        )));
    }
    Ok(first.is_object())
}

/// Whether two elements are the same one.
fn is_same(a: &Value, b: &Value, key: Option<&str>) -> bool {
    match key {
        Some(key) => a.get(key) == b.get(key),
        None => a == b,
    }
}

/// Elements that `order` names stand in that order; the others, which only the server has, keep their places among
/// themselves and stand before the first named one that they preceded (`normalizeElementOrder`).
pub(super) fn sorted(
    merged: Vec<Value>,
    order: &[Value],
    server: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, PatchError> {
    if let Some(key) = key {
        for item in merged.iter().chain(order) {
            id_of(item, key)?;
        }
    }
    let rank =
        |list: &[Value], item: &Value| list.iter().position(|other| is_same(other, item, key));
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = merged
        .into_iter()
        .partition(|item| rank(order, item).is_some());
    named.sort_by_key(|item| rank(order, item));
    others.sort_by_key(|item| rank(server, item));
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    let mut out = Vec::new();
    while let (Some(other), Some(next)) = (others.peek(), named.peek()) {
        let is_before = { rank(server, other).zip(rank(server, next)) }
            .is_some_and(|(other, next)| other < next);
        out.extend(if is_before {
            others.next()
        } else {
            named.next()
        });
    }
    out.extend(others);
    out.extend(named);
    Ok(out)
}

/// The elements of a patch are among those that its order names, and in that order (`validatePatchWithSetOrderList`).
pub(super) fn check_order(
    patch: &[Value],
    order: &[Value],
    key: Option<&str>,
) -> Result<(), PatchError> {
    if patch.is_empty() || order.is_empty() {
        return Ok(());
    }
    let mut places = order.iter();
    for item in patch.iter().filter(|item| item.get(DIRECTIVE).is_none()) {
        if let Some(key) = key {
            id_of(item, key)?;
        }
        if !places.any(|place| is_same(place, item, key)) {
            let (patch, order) = (Value::Array(patch.to_vec()), Value::Array(order.to_vec()));
            return Err(unmergeable(format!(
                "The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                go_text(&patch),
                go_text(&order)
            )));
        }
    }
    Ok(())
}
