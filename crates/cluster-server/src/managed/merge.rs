//! An applied configuration laid over the live object (`TypedValue.Merge`).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::compare::items;
use super::element::Element;
use super::schema::{DEDUCED, Form, ListType, MapType, Relation, Schema, TypeId};

/// `live` with all that `config` says.
pub(super) fn merge(schema: &Schema, live: &Value, config: &Value) -> Result<Value, String> {
    let merged = value(schema, schema.root(), Some(live), Some(config))?;
    Ok(merged.unwrap_or_else(|| Value::Object(Map::new())))
}

/// `None`: nothing is left of it.
fn value(
    schema: &Schema,
    at: TypeId,
    live: Option<&Value>,
    config: Option<&Value>,
) -> Result<Option<Value>, String> {
    // What only the live object has is not looked at further.
    let Some(wanted) = config else {
        return Ok(live.cloned());
    };
    match schema.atom(at).form(Some(wanted)) {
        Form::Scalar(_) => Ok(Some(wanted.clone())),
        Form::List(list) => merge_list(schema, list, live, wanted),
        Form::Map(map) => merge_map(schema, map, live, wanted),
    }
}

fn merge_map(
    schema: &Schema,
    map: &MapType,
    live: Option<&Value>,
    wanted: &Value,
) -> Result<Option<Value>, String> {
    let before = live
        .and_then(Value::as_object)
        .filter(|map| !map.is_empty());
    let after = wanted.as_object().filter(|map| !map.is_empty());
    if map.atomic || before.is_none() && after.is_none() {
        return Ok(Some(wanted.clone()));
    }
    let mut out = before.cloned().unwrap_or_default();
    for (name, wanted) in after.into_iter().flatten() {
        let live = before.and_then(|fields| fields.get(name));
        let kind = map.entry(name).unwrap_or(DEDUCED);
        match value(schema, kind, live, Some(wanted))? {
            Some(merged) => out.insert(name.clone(), merged),
            None => out.shift_remove(name),
        };
    }
    Ok((!out.is_empty()).then_some(Value::Object(out)))
}

/// What the live list holds under one name.
#[derive(Clone, Copy)]
enum Live<'a> {
    Once(&'a Value),
    /// Elements of one name are not merged with.
    Twice,
}

fn merge_list(
    schema: &Schema,
    list: &ListType,
    live: Option<&Value>,
    wanted: &Value,
) -> Result<Option<Value>, String> {
    let (before, after) = (items(live), items(Some(wanted)));
    if list.relation == Relation::Atomic || before.is_empty() && after.is_empty() {
        return Ok(Some(wanted.clone()));
    }
    let name = |item: &Value| Schema::element_of(list, item);
    let right: Vec<Element> = after.iter().map(name).collect::<Result<_, _>>()?;
    let left: Vec<Element> = before.iter().map(name).collect::<Result<_, _>>()?;
    let mut there: BTreeMap<&Element, Live<'_>> = BTreeMap::new();
    for (element, item) in left.iter().zip(before) {
        let known = there.contains_key(element);
        there.insert(element, if known { Live::Twice } else { Live::Once(item) });
    }
    let order = Order {
        left: &left,
        right: &right,
    };
    let mut out = Vec::with_capacity(before.len().max(after.len()));
    for step in order.steps() {
        let merged = match step {
            Step::Keep(at) => before.get(at).cloned(),
            Step::Apply(at) => {
                let live = match there.get(&right[at]) {
                    Some(Live::Once(item)) => Some(*item),
                    Some(Live::Twice) | None => None,
                };
                value(schema, list.item, live, after.get(at))?
            }
        };
        out.extend(merged);
    }
    Ok((!out.is_empty()).then_some(Value::Array(out)))
}

/// One element of the merged list.
enum Step {
    /// The live list's.
    Keep(usize),
    /// The configuration's, merged with the live one of the same name.
    Apply(usize),
}

/// In which order the elements of both lists stand afterwards: those of the configuration in its order, the others where
/// they stood relative to the shared ones.
struct Order<'a> {
    left: &'a [Element],
    right: &'a [Element],
}

impl Order<'_> {
    fn steps(&self) -> Vec<Step> {
        let shared = |element: &Element| self.left.contains(element);
        let mut shared = self.right.iter().filter(|element| shared(element));
        let mut next = shared.next();
        let mut applied: Vec<&Element> = Vec::new();
        let (mut out, mut l, mut r) = (Vec::new(), 0, 0);
        while l < self.left.len() || r < self.right.len() {
            if let (Some(left), Some(right)) = (self.left.get(l), self.right.get(r)) {
                if left == right {
                    out.push(Step::Apply(r));
                    applied.push(right);
                    (l, r) = (l + 1, r + 1);
                    next = shared.next();
                    continue;
                }
                // Shared, but not the one whose turn it is.
                if self.right.contains(left) && next.is_some_and(|next| next != left) {
                    l += 1;
                    continue;
                }
            }
            if let Some(left) = self.left.get(l) {
                if !self.right.contains(left) {
                    out.push(Step::Keep(l));
                    l += 1;
                    continue;
                }
                if applied.contains(&left) {
                    l += 1;
                }
            }
            if let Some(right) = self.right.get(r) {
                out.push(Step::Apply(r));
                applied.push(right);
                r += 1;
                if next == Some(right) {
                    next = shared.next();
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Kinds;

    fn names(live: &[&str], config: &[&str]) -> Vec<String> {
        let pods = Kinds::default()
            .resolve("", "v1", "pods")
            .expect("is served");
        let pod = |names: &[&str]| {
            let containers: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
            json!({"spec": {"containers": containers}})
        };
        let merged = merge(&Schema::of(&pods), &pod(live), &pod(config)).expect("merges");
        let containers = merged["spec"]["containers"].as_array().cloned();
        let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
        containers.unwrap_or_default().iter().map(name).collect()
    }

    #[test]
    fn the_order_is_the_configurations_and_others_keep_their_place() {
        assert_eq!(names(&["a", "b"], &["b", "a"]), ["b", "a"]);
        assert_eq!(names(&["x", "a", "b"], &["a", "b"]), ["x", "a", "b"]);
        assert_eq!(
            names(&["a", "x", "b"], &["a", "c", "b"]),
            ["a", "x", "c", "b"]
        );
        assert_eq!(names(&[], &["b", "a"]), ["b", "a"]);
        assert_eq!(names(&["a"], &[]), ["a"]);
    }
}
