//! Strategic merge (`k8s.io/apimachinery/pkg/util/strategicpatch`): maps are merged, lists by the key that their field's
//! type names, and the directives `$patch`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…` and `$retainKeys` are obeyed.

mod list;

use serde_json::{Map, Value};

use super::{PatchError, go_text, go_type};
use crate::kinds::merging::Patch;
use crate::managed::{Schema, TypeId};

const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const ORDER: &str = "$setElementOrder";
const RETAIN: &str = "$retainKeys";
const DIRECTIVE: &str = "$patch";

type Fields = Map<String, Value>;

/// `current` with `patch` merged into it.
pub(super) fn merge(schema: &Schema, current: &Value, patch: &Fields) -> Result<Value, PatchError> {
    let current = current.as_object().cloned().unwrap_or_default();
    let merger = Merger { schema };
    merger.map(schema.root(), current, patch).map(Value::Object)
}

/// What a field of a struct is to a merge.
#[derive(Clone, Copy)]
struct Field {
    kind: TypeId,
    patch: Patch,
}

struct Merger<'a> {
    schema: &'a Schema,
}

impl Merger<'_> {
    fn field(&self, at: TypeId, key: &str) -> Option<Field> {
        let map = self.schema.atom(at).map.as_ref()?;
        if let Some(named) = map.named(key) {
            let (kind, patch) = (named.kind, named.patch);
            return Some(Field { kind, patch });
        }
        let patch = Patch::Replace;
        map.element.map(|kind| Field { kind, patch })
    }

    /// The list field `key`, and the type of its elements.
    fn list_field(&self, at: TypeId, key: &str) -> Result<Field, PatchError> {
        let owner = self.schema.atom(at).map.as_ref();
        let field = self.field(at, key).ok_or_else(|| {
            let name = owner.map_or("", |map| map.name());
            PatchError::Unmergeable(format!(
                "unable to find api field in struct {name} for the json field {key:?}"
            ))
        })?;
        match &self.schema.atom(field.kind).list {
            Some(list) => Ok(Field {
                kind: list.item,
                ..field
            }),
            None => Err(PatchError::Unmergeable(
                "expected slice or array type, but got: struct".to_owned(),
            )),
        }
    }

    /// `mergeMap`.
    fn map(&self, at: TypeId, mut out: Fields, patch: &Fields) -> Result<Fields, PatchError> {
        if let Some(directive) = patch.get(DIRECTIVE) {
            return directed(directive, patch);
        }
        retain(&mut out, patch)?;
        let ordered = self.order(at, &mut out, patch)?;
        for (key, value) in patch {
            if key == RETAIN || key.starts_with(ORDER) || ordered.contains(&key.as_str()) {
                continue;
            }
            if key.starts_with(DELETE_FROM) {
                let field = listed(key, DELETE_FROM)?;
                self.delete_from(at, &mut out, field, value)?;
            } else {
                self.entry(at, &mut out, key, value)?;
            }
        }
        Ok(out)
    }

    fn entry(
        &self,
        at: TypeId,
        out: &mut Fields,
        key: &str,
        value: &Value,
    ) -> Result<(), PatchError> {
        if value.is_null() {
            out.shift_remove(key);
            return Ok(());
        }
        let merged = match (out.get(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => {
                let field = self.field(at, key);
                match field {
                    Some(field) if field.patch != Patch::Whole => {
                        Some(Value::Object(self.map(field.kind, old.clone(), new)?))
                    }
                    _ => Some(value.clone()),
                }
            }
            (Some(Value::Array(old)), Value::Array(new)) => {
                let field = self.list_field(at, key)?;
                Some(Value::Array(self.list(field, old, new)?))
            }
            (Some(old), new) if go_type(old) == go_type(new) => Some(new.clone()),
            _ => undirected(&without_nulls(value)),
        };
        match merged {
            Some(merged) => out.insert(key.to_owned(), merged),
            None => out.shift_remove(key),
        };
        Ok(())
    }

    /// `$deleteFromPrimitiveList/key`.
    fn delete_from(
        &self,
        at: TypeId,
        out: &mut Fields,
        key: &str,
        gone: &Value,
    ) -> Result<(), PatchError> {
        if gone.is_null() {
            out.shift_remove(key);
            return Ok(());
        }
        if let (Some(Value::Array(old)), Value::Array(gone)) = (out.get(key), gone) {
            self.list_field(at, key)?;
            if list::is_of_maps(&[old, gone])? {
                return Err(PatchError::Unmergeable(
                    "cannot merge lists without merge key for struct".to_owned(),
                ));
            }
            let left: Vec<Value> = { old.iter() }
                .filter(|item| !gone.contains(item))
                .cloned()
                .collect();
            out.insert(key.to_owned(), Value::Array(left));
        }
        Ok(())
    }

    /// Lists with a `$setElementOrder` are merged and ordered first (`mergePatchIntoOriginal`); their fields.
    fn order<'p>(
        &self,
        at: TypeId,
        out: &mut Fields,
        patch: &'p Fields,
    ) -> Result<Vec<&'p str>, PatchError> {
        let mut done = Vec::new();
        for (directive, order) in patch.iter().filter(|(key, _)| key.starts_with(ORDER)) {
            let order = list_of(order)?;
            let key = listed(directive, ORDER)?;
            let old = out.get(key).map(list_of).transpose()?;
            let new = patch.get(key).map(list_of).transpose()?;
            let field = self.list_field(at, key)?;
            list::check_order(new.unwrap_or_default(), order, field.patch.key())?;
            let merged = match (old, new) {
                (None, None) => continue,
                (Some(old), None) => old.to_vec(),
                (None, Some(new)) => new.iter().filter_map(undirected).collect(),
                (Some(old), Some(new)) => self.list(field, old, new)?,
            };
            let sorted = list::sorted(merged, order, old.unwrap_or_default(), field.patch.key())?;
            out.insert(key.to_owned(), Value::Array(sorted));
            done.push(key);
        }
        Ok(done)
    }
}

/// `$patch: replace` and `$patch: delete` of a map.
fn directed(directive: &Value, patch: &Fields) -> Result<Fields, PatchError> {
    match directive.as_str() {
        Some("replace") => {
            let rest = patch.iter().filter(|(key, _)| *key != DIRECTIVE);
            Ok(rest
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect())
        }
        Some("delete") => Ok(Fields::new()),
        _ => Err(unknown_directive(directive, patch)),
    }
}

fn unknown_directive(directive: &Value, map: &Fields) -> PatchError {
    let map = go_text(&Value::Object(map.clone()));
    PatchError::Unmergeable(format!(
        "unknown patch type: {} in map: {map}",
        go_text(directive)
    ))
}

/// `$retainKeys`: fields that it does not name go, and the patch may not set them.
fn retain(out: &mut Fields, patch: &Fields) -> Result<(), PatchError> {
    let Some(kept) = patch.get(RETAIN) else {
        return Ok(());
    };
    let refused = || PatchError::Malformed("invalid patch format of retainKeys".to_owned());
    let kept = kept.as_array().ok_or_else(refused)?;
    let is_kept = |key: &str| kept.iter().any(|kept| kept == key);
    for (key, value) in patch {
        let is_directive = key == RETAIN || key.starts_with(DELETE_FROM) || key.starts_with(ORDER);
        if !is_directive && !value.is_null() && !is_kept(key) {
            return Err(refused());
        }
    }
    out.retain(|key, _| is_kept(key));
    Ok(())
}

/// The field that a directive is about: `finalizers` of `$setElementOrder/finalizers`.
fn listed<'k>(key: &'k str, prefix: &str) -> Result<&'k str, PatchError> {
    let what = if prefix == ORDER {
        "invalid patch format of setElementOrder list"
    } else {
        "invalid patch format of primitive list"
    };
    key.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('/'))
        .ok_or_else(|| PatchError::Malformed(what.to_owned()))
}

fn list_of(value: &Value) -> Result<&[Value], PatchError> {
    value.as_array().map(Vec::as_slice).ok_or_else(|| {
        PatchError::Unmergeable(format!(
            "expected a []interface {{}}, but received a {}",
            go_type(value)
        ))
    })
}

/// A value that has nothing to be merged with: without maps that are directives. `None` where it is one itself.
fn undirected(value: &Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            let fields = fields.iter();
            let kept = fields.filter_map(|(key, value)| Some((key.clone(), undirected(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.iter().filter_map(undirected).collect())),
        scalar => Some(scalar.clone()),
    }
}

/// `discardNullValuesFromPatch`.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => { fields.iter() }
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests;
