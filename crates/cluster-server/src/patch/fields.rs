//! Sets of fields as `metadata.managedFields[].fieldsV1` writes them (structured-merge-diff, KEP-555).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::keys::{ListKind, keys_of};
use crate::kinds::Resource;

/// What a list is, with keys that may come from a custom resource's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listing {
    Atomic,
    Set,
    Map(Vec<String>),
}

/// Where in an object a walk is, as far as the kinds of lists depend on it.
#[derive(Clone, Copy)]
pub(super) struct Schema<'a> {
    is_custom: bool,
    node: Option<&'a Value>,
}

impl<'a> Schema<'a> {
    pub(super) fn of(resource: &'a Resource) -> Self {
        Self {
            is_custom: resource.custom,
            node: resource.schema.as_ref(),
        }
    }

    pub(super) fn field(self, name: &str) -> Self {
        let node = self.node.and_then(|node| {
            node["properties"]
                .get(name)
                .or_else(|| node.get("additionalProperties"))
        });
        Self { node, ..self }
    }

    pub(super) fn item(self) -> Self {
        Self {
            node: self.node.and_then(|node| node.get("items")),
            ..self
        }
    }

    /// What the list in the field `name` is; `self` is at that field.
    pub(super) fn listing(self, name: &str) -> Listing {
        // The metadata of a custom resource is like that of any other object.
        if !self.is_custom || matches!(name, "finalizers" | "ownerReferences") {
            return match keys_of(name) {
                ListKind::Atomic => Listing::Atomic,
                ListKind::Set => Listing::Set,
                ListKind::Map(keys) => {
                    Listing::Map(keys.iter().map(|&key| key.to_owned()).collect())
                }
            };
        }
        let Some(node) = self.node else {
            return Listing::Atomic;
        };
        match node["x-kubernetes-list-type"].as_str() {
            Some("set") => Listing::Set,
            Some("map") => {
                let keys = node["x-kubernetes-list-map-keys"]
                    .as_array()
                    .into_iter()
                    .flatten();
                Listing::Map(keys.filter_map(Value::as_str).map(str::to_owned).collect())
            }
            _ => Listing::Atomic,
        }
    }

    fn is_atomic_map(self) -> bool {
        self.node
            .is_some_and(|node| node["x-kubernetes-map-type"] == "atomic")
    }
}

/// A set of fields. The names of its children are those of `fieldsV1`: `f:name`, `k:{"name":"app"}`, `v:"x"`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct FieldSet {
    is_member: bool,
    children: BTreeMap<String, FieldSet>,
}

/// A path in a set.
pub(super) type FieldPath = Vec<String>;

impl FieldSet {
    fn leaf() -> Self {
        Self {
            is_member: true,
            children: BTreeMap::new(),
        }
    }

    /// The fields that a value has.
    pub(super) fn of(value: &Value, schema: Schema<'_>) -> Self {
        let mut out = Self::default();
        let Some(fields) = value.as_object() else {
            return Self::leaf();
        };
        for (name, value) in fields {
            let at = schema.field(name);
            let child = match value {
                Value::Object(inner) if !inner.is_empty() && !at.is_atomic_map() => {
                    Self::of(value, at)
                }
                Value::Array(items) => Self::of_list(items, at, name),
                _ => Self::leaf(),
            };
            out.children.insert(format!("f:{name}"), child);
        }
        out
    }

    fn of_list(items: &[Value], schema: Schema<'_>, name: &str) -> Self {
        let mut out = Self::default();
        match schema.listing(name) {
            Listing::Atomic => return Self::leaf(),
            Listing::Set => out
                .children
                .extend(items.iter().map(|item| (format!("v:{item}"), Self::leaf()))),
            Listing::Map(keys) => {
                for item in items {
                    let mut child = Self::of(item, schema.item());
                    child.is_member = true;
                    out.children.insert(element(item, &keys), child);
                }
            }
        }
        if out.children.is_empty() {
            Self::leaf()
        } else {
            out
        }
    }

    /// Reads `fieldsV1`.
    pub(super) fn parse(value: &Value) -> Self {
        let mut out = Self::default();
        for (name, child) in value.as_object().into_iter().flatten() {
            if name == "." {
                out.is_member = true;
            } else {
                out.children.insert(name.clone(), Self::parse(child));
            }
        }
        if out.children.is_empty() {
            out.is_member = true;
        }
        out
    }

    /// Writes `fieldsV1`.
    pub(super) fn to_value(&self) -> Value {
        let mut out = Map::new();
        if self.is_member && !self.children.is_empty() {
            out.insert(".".to_owned(), json!({}));
        }
        out.extend(
            self.children
                .iter()
                .map(|(name, child)| (name.clone(), child.to_value())),
        );
        Value::Object(out)
    }

    /// Whether it has this very path.
    pub(super) fn has(&self, path: &[String]) -> bool {
        match path.split_first() {
            None => self.is_member,
            Some((first, rest)) => self
                .children
                .get(first)
                .is_some_and(|child| child.has(rest)),
        }
    }

    /// Whether it has this path or anything below it.
    pub(super) fn reaches(&self, path: &[String]) -> bool {
        match path.split_first() {
            None => true,
            Some((first, rest)) => self
                .children
                .get(first)
                .is_some_and(|child| child.reaches(rest)),
        }
    }

    /// Takes a path out, and what is empty afterwards.
    pub(super) fn remove(&mut self, path: &[String]) {
        match path.split_first() {
            None => self.is_member = false,
            Some((first, rest)) => {
                if let Some(child) = self.children.get_mut(first) {
                    child.remove(rest);
                    if child.is_empty() {
                        self.children.remove(first);
                    }
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.is_member && self.children.is_empty()
    }

    /// Without what lies below the given path.
    pub(super) fn without(mut self, path: &[&str]) -> Self {
        self.cut(path);
        self
    }

    fn cut(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => {
                self.children.remove(*last);
            }
            [first, rest @ ..] => {
                if let Some(child) = self.children.get_mut(*first) {
                    child.cut(rest);
                    if child.is_empty() {
                        self.children.remove(*first);
                    }
                }
            }
        }
    }

    /// All member paths, the deeper ones first.
    pub(super) fn paths(&self) -> Vec<FieldPath> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, at: &mut FieldPath, out: &mut Vec<FieldPath>) {
        for (name, child) in &self.children {
            at.push(name.clone());
            child.collect(at, out);
            at.pop();
        }
        if self.is_member {
            out.push(at.clone());
        }
    }
}

/// `k:{"name":"app"}`: an element by its keys, in the order of their names.
fn element(item: &Value, keys: &[String]) -> String {
    let mut sorted: Vec<&String> = keys.iter().collect();
    sorted.sort();
    let entries: Map<String, Value> = sorted
        .into_iter()
        .map(|key| (key.clone(), key_of(item, key)))
        .collect();
    format!("k:{}", Value::Object(entries))
}

/// An element's key; a port's protocol is TCP where it is not given.
pub(super) fn key_of(item: &Value, key: &str) -> Value {
    match item.get(key) {
        Some(value) => value.clone(),
        None if key == "protocol" => "TCP".into(),
        None => Value::Null,
    }
}

/// The element or field that a step of a path leads to.
fn step<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match name.split_at_checked(2)? {
        ("f:", field) => value.get(field),
        ("v:", text) => {
            let wanted: Value = serde_json::from_str(text).ok()?;
            value.as_array()?.iter().find(|item| **item == wanted)
        }
        ("k:", text) => value.as_array()?.get(position(value, text)?),
        _ => None,
    }
}

fn position(list: &Value, keys: &str) -> Option<usize> {
    let wanted: Map<String, Value> = serde_json::from_str(keys).ok()?;
    list.as_array()?.iter().position(|item| {
        wanted
            .iter()
            .all(|(key, value)| key_of(item, key) == *value)
    })
}

/// Whether the path leads to a key of an element: that goes with the element only.
pub(super) fn is_key(path: &[String]) -> bool {
    let [.., element, field] = path else {
        return false;
    };
    let (Some(keys), Some(field)) = (element.strip_prefix("k:"), field.strip_prefix("f:")) else {
        return false;
    };
    serde_json::from_str::<Map<String, Value>>(keys).is_ok_and(|keys| keys.contains_key(field))
}

/// The value at a path.
pub(super) fn at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter()
        .try_fold(object, |value, name| step(value, name))
}

/// Takes the value at a path out of an object.
pub(super) fn delete(object: &mut Value, path: &[String]) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut value = object;
    for name in parents {
        let next = match name.split_at_checked(2) {
            Some(("f:", field)) => value.get_mut(field),
            Some(("k:", keys)) => position(value, keys).and_then(|at| value.get_mut(at)),
            _ => None,
        };
        let Some(next) = next else { return };
        value = next;
    }
    match (last.split_at_checked(2), value) {
        (Some(("f:", field)), Value::Object(fields)) => {
            fields.shift_remove(field);
        }
        (Some(("v:", text)), Value::Array(items)) => {
            let gone: Option<Value> = serde_json::from_str(text).ok();
            items.retain(|item| gone.as_ref() != Some(item));
        }
        (Some(("k:", keys)), list @ Value::Array(_)) => {
            if let (Some(at), Some(items)) = (position(list, keys), list.as_array_mut()) {
                items.remove(at);
            }
        }
        _ => {}
    }
}

/// A path as messages print it: `.spec.containers[name="app"].image`.
pub(super) fn printed(path: &[String]) -> String {
    let mut out = String::new();
    for name in path {
        match name.split_at_checked(2) {
            Some(("f:", field)) => {
                out.push('.');
                out.push_str(field);
            }
            Some(("k:", keys)) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                out.extend(["[", &keys.join(","), "]"]);
            }
            Some(("v:", text)) => out.extend(["[=", text, "]"]),
            _ => {}
        }
    }
    out
}
