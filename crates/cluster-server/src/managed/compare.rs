//! What one object has that another has not, or otherwise (`TypedValue.Compare`).

use std::collections::BTreeMap;

use serde_json::Value;

use super::element::Element;
use super::reset::Reset;
use super::schema::{Form, ListType, MapType, Relation, Schema, TypeId};
use super::set::FieldSet;

/// How an object changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Comparison {
    /// Fields that are gone.
    pub(super) removed: FieldSet,
    /// Fields that have another value.
    pub(super) modified: FieldSet,
    /// Fields that are new.
    pub(super) added: FieldSet,
}

impl Comparison {
    /// Between two objects of one topology.
    ///
    /// # Errors
    /// The first element of a list that has no name in it.
    pub(super) fn of(schema: &Schema, old: &Value, new: &Value) -> Result<Self, String> {
        let mut walk = Walk {
            schema,
            path: Vec::new(),
            out: Self::default(),
        };
        walk.value(schema.root(), Some(old), Some(new))?;
        Ok(walk.out)
    }

    /// Without the fields that cannot be written.
    #[must_use]
    pub(super) fn without(self, reset: Reset) -> Self {
        Self {
            removed: reset.filter(self.removed),
            modified: reset.filter(self.modified),
            added: reset.filter(self.added),
        }
    }
}

struct Walk<'a> {
    schema: &'a Schema,
    path: Vec<Element>,
    out: Comparison,
}

/// Whether a value is owned as a whole, so that nothing below it is looked at.
type IsLeaf = bool;

impl<'a> Walk<'a> {
    fn value(
        &mut self,
        at: TypeId,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Result<(), String> {
        if let (Some(old), Some(new)) = (old, new)
            && old == new
        {
            return Ok(());
        }
        let atom = self.schema.atom(at);
        let (before, after) = (atom.form(old), atom.form(new));
        let is_leaf = if new.is_none() {
            self.form(before, old, new)?
        } else {
            // A value that took another form is looked at in both.
            if old.is_some() && before != after {
                self.form(before, old, new)?;
            }
            self.form(after, old, new)?
        };
        if !is_leaf {
            if old.is_none() {
                self.out.added.insert(&self.path);
            } else if new.is_none() {
                self.out.removed.insert(&self.path);
            }
        }
        Ok(())
    }

    fn form(
        &mut self,
        form: Form<'a>,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Result<IsLeaf, String> {
        match form {
            Form::Scalar(_) => {
                self.leaf(old, new);
                Ok(true)
            }
            Form::List(list) => self.list(list, old, new),
            Form::Map(map) => self.map(map, old, new),
        }
    }

    fn leaf(&mut self, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (None, _) => self.out.added.insert(&self.path),
            (_, None) => self.out.removed.insert(&self.path),
            (Some(old), Some(new)) if old != new => self.out.modified.insert(&self.path),
            _ => {}
        }
    }

    fn list(
        &mut self,
        list: &'a ListType,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Result<IsLeaf, String> {
        let (before, after) = (items(old), items(new));
        if list.relation == Relation::Atomic || before.is_empty() && after.is_empty() {
            self.leaf(old, new);
            return Ok(true);
        }
        let (mut before, mut after) = (indexed(list, before)?, indexed(list, after)?);
        let mut names: Vec<Element> = before.keys().chain(after.keys()).cloned().collect();
        names.sort();
        names.dedup();
        for name in names {
            let old = before.remove(&name).unwrap_or_default();
            let new = after.remove(&name).unwrap_or_default();
            self.path.push(name);
            self.item(list.item, &old, &new)?;
            self.path.pop();
        }
        Ok(false)
    }

    /// One element, of which either side may have several.
    fn item(&mut self, kind: TypeId, old: &[&'a Value], new: &[&'a Value]) -> Result<(), String> {
        match (old, new) {
            ([] | [_], [] | [_]) => {
                self.value(kind, old.first().copied(), new.first().copied())?;
            }
            ([_, _, ..], [_, _, ..]) => {
                if old != new {
                    self.out.modified.insert(&self.path);
                }
            }
            ([_, _, ..], _) => {
                if let [new] = new {
                    self.value(kind, None, Some(new))?;
                }
                self.out.removed.insert(&self.path);
            }
            (_, [_, _, ..]) => {
                if let [old] = old {
                    self.value(kind, Some(old), None)?;
                }
                self.out.added.insert(&self.path);
            }
        }
        Ok(())
    }

    fn map(
        &mut self,
        map: &'a MapType,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Result<IsLeaf, String> {
        let (before, after) = (
            old.and_then(Value::as_object),
            new.and_then(Value::as_object),
        );
        let is_empty = |fields: Option<&serde_json::Map<String, Value>>| {
            fields.is_none_or(serde_json::Map::is_empty)
        };
        if map.atomic || is_empty(before) && is_empty(after) {
            self.leaf(old, new);
            return Ok(true);
        }
        for (name, value) in before.into_iter().flatten() {
            let new = after.and_then(|fields| fields.get(name));
            self.entry(map, name, Some(value), new)?;
        }
        for (name, value) in after.into_iter().flatten() {
            if before.is_none_or(|fields| !fields.contains_key(name)) {
                self.entry(map, name, None, Some(value))?;
            }
        }
        Ok(false)
    }

    fn entry(
        &mut self,
        map: &MapType,
        name: &str,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Result<(), String> {
        let Some(kind) = map.entry(name) else {
            return Ok(());
        };
        self.path.push(Element::field(name));
        self.value(kind, old, new)?;
        self.path.pop();
        Ok(())
    }
}

/// The elements of a list; none of what is no list.
pub(super) fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn indexed<'a>(
    list: &ListType,
    items: &'a [Value],
) -> Result<BTreeMap<Element, Vec<&'a Value>>, String> {
    let mut out: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
    for (at, item) in items.iter().enumerate() {
        let name = Schema::element_of(list, item).map_err(|why| format!("element {at}: {why}"))?;
        out.entry(name).or_default().push(item);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Kinds;

    #[test]
    fn a_change_is_told_by_the_fields_that_it_adds_changes_and_removes() {
        let pods = Kinds::default()
            .resolve("", "v1", "pods")
            .expect("is served");
        let old = json!({"spec": {"containers": [{"name": "a", "image": "x", "tty": true}], "nodeSelector": {"a": "b"}}});
        let new = json!({"spec": {"containers": [{"name": "a", "image": "y"}, {"name": "b"}], "nodeSelector": {"a": "c"}}});
        let found = Comparison::of(&Schema::of(&pods), &old, &new).expect("compares");
        assert_eq!(
            found.modified.to_value(),
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}, "f:nodeSelector": {}}})
        );
        assert_eq!(
            found.added.to_value(),
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"b\"}": {".": {}, "f:name": {}}}}})
        );
        assert_eq!(
            found.removed.to_value(),
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:tty": {}}}}})
        );
    }
}
