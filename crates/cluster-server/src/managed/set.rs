//! Sets of fields (`fieldpath.Set`), which `metadata.managedFields[].fieldsV1` writes down.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::element::{Element, ParseElementError};
use super::schema::{Schema, TypeId};

/// A set of fields: a tree whose nodes are members or only on the way to members.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSet {
    nodes: BTreeMap<Element, Node>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    member: bool,
    below: FieldSet,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    /// Reads `fieldsV1`.
    ///
    /// # Errors
    /// A name in it that cannot be read; names of unknown kinds are skipped.
    pub fn parse(value: &Value) -> Result<Self, ParseElementError> {
        let mut out = Self::default();
        for (name, inner) in value.as_object().into_iter().flatten() {
            if name == "." {
                continue;
            }
            let element = match Element::parse(name) {
                Err(ParseElementError::Unknown) => continue,
                element => element?,
            };
            let below = Self::parse(inner)?;
            // Children of unknown kinds are none.
            let member = below.nodes.is_empty() || inner.get(".").is_some();
            out.nodes.insert(element, Node { member, below });
        }
        Ok(out)
    }

    /// Writes `fieldsV1`.
    pub fn to_value(&self) -> Value {
        let fields = self.nodes.iter().map(|(element, node)| {
            let mut inner = Map::new();
            if node.member && !node.below.nodes.is_empty() {
                inner.insert(".".to_owned(), json!({}));
            }
            if let Value::Object(below) = node.below.to_value() {
                inner.extend(below);
            }
            (element.wire(), Value::Object(inner))
        });
        Value::Object(fields.collect())
    }

    /// Adds the field at `path`, not those on the way to it. The whole object is nobody's.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        // Most steps are there already: no copy of their names.
        if !self.nodes.contains_key(first) {
            self.nodes.insert(first.clone(), Node::default());
        }
        if let Some(node) = self.nodes.get_mut(first) {
            if rest.is_empty() {
                node.member = true;
            } else {
                node.below.insert(rest);
            }
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.nodes.values().all(Node::is_empty)
    }

    /// Whether the field at `path` is a member.
    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.has_member(last),
            [first, rest @ ..] => self.below(first).is_some_and(|below| below.has(rest)),
        }
    }

    pub(super) fn has_member(&self, element: &Element) -> bool {
        self.nodes.get(element).is_some_and(|node| node.member)
    }

    /// What is in the set below `element`, if anything is.
    pub(super) fn below(&self, element: &Element) -> Option<&Self> {
        let below = &self.nodes.get(element)?.below;
        (!below.is_empty()).then_some(below)
    }

    /// The steps of this level: each with whether it is a member, and what is below.
    pub(super) fn level(&self) -> impl Iterator<Item = (&Element, bool, &Self)> {
        self.nodes
            .iter()
            .map(|(element, node)| (element, node.member, &node.below))
    }

    /// Members of either.
    #[must_use]
    pub fn union(mut self, other: &Self) -> Self {
        for (element, theirs) in &other.nodes {
            match self.nodes.get_mut(element) {
                Some(ours) => {
                    ours.member |= theirs.member;
                    ours.below = std::mem::take(&mut ours.below).union(&theirs.below);
                }
                None => {
                    self.nodes.insert(element.clone(), theirs.clone());
                }
            }
        }
        self
    }

    /// Members of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combined(|element, node| {
            let theirs = other.nodes.get(element)?;
            Some(Node {
                member: node.member && theirs.member,
                below: node.below.intersection(&theirs.below),
            })
        })
    }

    /// Members that the other set does not have; what is below its members stays.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.combined(|element, node| {
            Some(match other.nodes.get(element) {
                None => node.clone(),
                Some(theirs) => Node {
                    member: node.member && !theirs.member,
                    below: node.below.difference(&theirs.below),
                },
            })
        })
    }

    /// Members that the other set does not have, and nothing below its members.
    #[must_use]
    pub fn recursive_difference(&self, other: &Self) -> Self {
        self.combined(|element, node| match other.nodes.get(element) {
            None => Some(node.clone()),
            Some(theirs) if theirs.member => None,
            Some(theirs) => Some(Node {
                member: node.member,
                below: node.below.recursive_difference(&theirs.below),
            }),
        })
    }

    /// Only what lies at or below `prefix`.
    #[must_use]
    pub fn at_or_below(&self, prefix: &[&str]) -> Self {
        let Some((first, rest)) = prefix.split_first() else {
            return self.clone();
        };
        let wanted = Element::field(first);
        self.combined(|element, node| {
            (*element == wanted).then(|| Node {
                member: node.member,
                below: node.below.at_or_below(rest),
            })
        })
    }

    fn combined(&self, mut each: impl FnMut(&Element, &Node) -> Option<Node>) -> Self {
        let nodes = self.nodes.iter().filter_map(|(element, node)| {
            let node = each(element, node)?;
            (!node.is_empty()).then(|| (element.clone(), node))
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// With every field of a struct on the way to a member as a member (`EnsureNamedFieldsAreMembers`), so that a struct of
    /// which nothing is left goes too.
    #[must_use]
    pub(super) fn with_named_fields(&self, schema: &Schema, at: TypeId) -> Self {
        let atom = schema.atom(at);
        let nodes = self.nodes.iter().map(|(element, node)| {
            let named = match (element, &atom.map) {
                (Element::Field(name), Some(map)) => map.named(name),
                _ => None,
            };
            let on_the_way = named.is_some() && !node.below.is_empty();
            let below = node
                .below
                .with_named_fields(schema, schema.below(at, element));
            (
                element.clone(),
                Node {
                    member: node.member || on_the_way,
                    below,
                },
            )
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// All members: those of a level before those below.
    pub fn paths(&self) -> Vec<Vec<Element>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, at: &mut Vec<Element>, out: &mut Vec<Vec<Element>>) {
        for (element, _) in self.nodes.iter().filter(|(_, node)| node.member) {
            let mut path = at.clone();
            path.push(element.clone());
            out.push(path);
        }
        for (element, node) in &self.nodes {
            at.push(element.clone());
            node.below.collect(at, out);
            at.pop();
        }
    }

    /// A set of paths of fields.
    pub(super) fn of_fields(paths: &[&[&str]]) -> Self {
        let mut out = Self::default();
        for path in paths {
            let path: Vec<Element> = path.iter().map(|name| Element::field(name)).collect();
            out.insert(&path);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &Value) -> FieldSet {
        FieldSet::parse(value).expect("reads")
    }

    #[test]
    fn sets_are_read_as_they_are_written() {
        let value = json!({
            "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:name": {}}}, "f:set": {"v:\"x\"": {}}},
        });
        assert_eq!(set(&value).to_value(), value);
        assert_eq!(
            set(&json!({"x:new": {}, "f:a": {}})).to_value(),
            json!({"f:a": {}})
        );
    }

    #[test]
    fn a_difference_keeps_what_is_below_and_a_recursive_one_does_not() {
        let (a, b) = (json!({"f:a": {".": {}, "f:b": {}}}), json!({"f:a": {}}));
        assert_eq!(
            set(&a).difference(&set(&b)).to_value(),
            json!({"f:a": {"f:b": {}}})
        );
        assert!(set(&a).recursive_difference(&set(&b)).is_empty());
    }

    #[test]
    fn members_of_a_level_come_before_those_below() {
        let paths = set(&json!({"f:a": {"f:x": {}}, "f:b": {}})).paths();
        let printed: Vec<String> = paths
            .iter()
            .map(|p| super::super::element::printed(p))
            .collect();
        assert_eq!(printed, [".b", ".a.x"]);
    }
}
