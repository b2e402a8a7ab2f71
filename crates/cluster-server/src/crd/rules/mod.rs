//! The rules of a schema (`x-kubernetes-validations`), held against objects.
//!
//! Source: `apiextensions-apiserver/pkg/apiserver/schema/cel`. In scope: the types of `self` and `oldSelf`
//! ([`types`]), compiling ([`compile`]), evaluating within a budget ([`judge`]), old values and what has not changed
//! ([`kin`]). Out of scope: estimates of what a rule may cost before it runs; lists that are sets or maps are equal
//! only in the same order.

mod compile;
mod field_path;
mod judge;
mod kin;
mod types;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::field::FieldError;

pub(super) use compile::Compiled;
use compile::Rule;
pub(super) use field_path::field_path;
use judge::Judge;
use kin::{Kin, Pair};
pub(super) use types::declared;

/// A schema's rules, compiled.
pub(super) struct Rules(Node);

/// The rules of one place of a schema, and of those below it.
struct Node {
    rules: Vec<Rule>,
    /// What `self` is here.
    of: expression::Type,
    items: Option<Box<Node>>,
    additional: Option<Box<Node>>,
    properties: BTreeMap<String, Node>,
}

impl Node {
    /// `None` where nothing here or below has a rule.
    fn of(schema: &Value, root: bool) -> Option<Self> {
        let root = root || schema["x-kubernetes-embedded-resource"] == true;
        let below = |key: &str| {
            let found = schema.get(key).filter(|one| one.is_object())?;
            Self::of(found, false).map(Box::new)
        };
        let properties = schema["properties"].as_object().into_iter().flatten();
        let mut node = Self {
            rules: Vec::new(),
            of: expression::Type::Dyn,
            items: below("items"),
            additional: below("additionalProperties"),
            properties: properties
                .filter_map(|(name, one)| Some((name.clone(), Self::of(one, false)?)))
                .collect(),
        };
        if let Some(rules) = schema["x-kubernetes-validations"].as_array() {
            // What has no type has been refused with the definition.
            node.of = declared(schema, root)?;
            let rule = |rule| Rule::new(rule, schema, &node.of);
            node.rules = rules.iter().map(rule).collect();
        }
        let any = !node.rules.is_empty()
            || node.items.is_some()
            || node.additional.is_some()
            || !node.properties.is_empty();
        any.then_some(node)
    }
}

impl Rules {
    /// The rules of `schema`, if it has any.
    pub(super) fn of(schema: &Value) -> Option<Self> {
        Node::of(schema, true).map(Self)
    }

    /// What does not hold in `new`, which replaces `old`.
    pub(super) fn check(
        &self,
        schema: &Value,
        new: &Value,
        old: Option<&Value>,
    ) -> Vec<FieldError> {
        let mut judge = Judge::new(false);
        judge.run(&self.0, schema, new, old);
        judge.errors
    }

    /// What does not hold in `new` but is as it was in `old`, and therefore let through.
    pub(super) fn let_through(&self, schema: &Value, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut judge = Judge::new(true);
        judge.run(&self.0, schema, new, Some(old));
        judge.let_through
    }
}
