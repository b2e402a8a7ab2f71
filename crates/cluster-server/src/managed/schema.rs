//! The topology of a kind: of every list, map and struct whether it is owned as a whole or by parts (`schema.Schema` of
//! structured-merge-diff, as `kube-openapi/pkg/schemaconv` makes it from OpenAPI).
//!
//! Built once per resource when it is first written, by [`build`](Schema::of).

mod build;

use std::collections::BTreeMap;

use serde_json::Value;

use super::element::Element;
use crate::kinds::merging::Patch;

/// A type, by its place in its [`Schema`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeId(usize);

/// The type of what no schema describes: scalars, atomic lists, granular maps of the same.
pub(super) const DEDUCED: TypeId = TypeId(0);
const TEXT: TypeId = TypeId(1);
const NUMBER: TypeId = TypeId(2);
const BOOL: TypeId = TypeId(3);
const UNTYPED: TypeId = TypeId(4);

/// A scalar type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// A string.
    Text,
    /// An integer or float.
    Number,
    /// A boolean.
    Bool,
    /// Any of these.
    Untyped,
}

/// What the elements of a list are to each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Relation {
    /// The list is one value.
    Atomic,
    /// Scalars, each once.
    Set,
    /// Told apart by these fields, with the values that they have when absent.
    Map(Vec<(String, Option<Value>)>),
}

/// A list type.
#[derive(Debug, Clone, PartialEq)]
pub struct ListType {
    /// The type of its elements.
    pub item: TypeId,
    /// What they are to each other.
    pub relation: Relation,
}

/// A field of a struct.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Named {
    /// Its type.
    pub kind: TypeId,
    /// What a strategic merge patch does with it, if it is a list.
    pub patch: Patch,
}

/// A map or struct type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MapType {
    name: String,
    fields: BTreeMap<String, Named>,
    /// The type of all other entries; `None` where there can be none.
    pub element: Option<TypeId>,
    /// Whether it is one value.
    pub atomic: bool,
}

impl MapType {
    /// The name of a struct's Go type; empty for maps.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The field of a struct.
    pub fn named(&self, name: &str) -> Option<&Named> {
        self.fields.get(name)
    }

    /// Whether it has no fields of its own.
    pub(super) fn is_open(&self) -> bool {
        self.fields.is_empty()
    }

    /// The type of the entry `name`.
    pub fn entry(&self, name: &str) -> Option<TypeId> {
        self.named(name).map(|named| named.kind).or(self.element)
    }
}

/// The forms that a value of one type can have.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Atom {
    /// A scalar.
    pub scalar: Option<Scalar>,
    /// A list.
    pub list: Option<ListType>,
    /// A map or struct.
    pub map: Option<MapType>,
}

/// The one form of a type that fits a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form<'a> {
    Scalar(Scalar),
    List(&'a ListType),
    Map(&'a MapType),
}

impl Atom {
    /// The form that fits the value; the first of all where none does (`deduceAtom`, `handleAtom`).
    pub(super) fn form(&self, value: Option<&Value>) -> Form<'_> {
        let fitting = match value {
            Some(Value::Array(_)) => self.list.as_ref().map(Form::List),
            Some(Value::Object(_)) => self.map.as_ref().map(Form::Map),
            None | Some(Value::Null) => None,
            Some(_) => self.scalar.map(Form::Scalar),
        };
        let first = || {
            let map = self.map.as_ref().map(Form::Map);
            map.or(self.scalar.map(Form::Scalar))
                .or(self.list.as_ref().map(Form::List))
        };
        fitting
            .or_else(first)
            .unwrap_or(Form::Scalar(Scalar::Untyped))
    }
}

/// The types that a kind reaches.
#[derive(Debug, Clone)]
pub struct Schema {
    types: Vec<Atom>,
    root: TypeId,
}

impl Schema {
    /// The type of the whole object.
    pub fn root(&self) -> TypeId {
        self.root
    }

    /// What a type can be.
    pub fn atom(&self, at: TypeId) -> &Atom {
        self.types.get(at.0).unwrap_or(&self.types[DEDUCED.0])
    }

    /// The type that one step from `at` leads to.
    pub(super) fn below(&self, at: TypeId, element: &Element) -> TypeId {
        let atom = self.atom(at);
        let found = match element {
            Element::Field(name) => atom.map.as_ref().and_then(|map| map.entry(name)),
            _ => atom.list.as_ref().map(|list| list.item),
        };
        found.unwrap_or(DEDUCED)
    }

    /// The step that leads to an element of a list (`listItemToPathElement`).
    ///
    /// # Errors
    /// Why the element has no name in its list.
    pub(super) fn element_of(list: &ListType, item: &Value) -> Result<Element, String> {
        match &list.relation {
            Relation::Atomic => Err("invalid indexing of non-associative list".to_owned()),
            Relation::Set => set_element(item),
            Relation::Map(keys) => keyed_element(keys, item),
        }
    }
}

fn set_element(item: &Value) -> Result<Element, String> {
    match item {
        Value::Object(_) => {
            Err("associative list without keys has an element that's a map type".to_owned())
        }
        Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
        Value::Null => {
            Err("associative list without keys has an element that's an explicit null".to_owned())
        }
        scalar => Ok(Element::Value(super::element::Json(scalar.clone()))),
    }
}

fn keyed_element(keys: &[(String, Option<Value>)], item: &Value) -> Result<Element, String> {
    match item {
        Value::Object(_) => {}
        Value::Null => {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    }
    let given = keys.iter().filter_map(|(key, default)| {
        let value = item.get(key).or(default.as_ref())?;
        Some((key.clone(), value.clone()))
    });
    let given: Vec<(String, Value)> = given.collect();
    if given.is_empty() {
        let keys: Vec<String> = keys.iter().map(|(key, _)| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    Ok(Element::keyed(given))
}
