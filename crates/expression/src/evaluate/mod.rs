//! Evaluating the tree, every step charged.

mod cost;
mod error;
mod fold;
mod library;
mod operator;
mod standard;
mod time;

use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, KeyRef, Map};

pub use error::EvaluationError;
pub(crate) use time::duration;

use crate::budget::Budget;
use crate::syntax::{Entry, Kind, Node};
use crate::value::{as_optional, optional};
use standard::TypeName;

/// Fields that are worked out when they are asked for, at the cost of whoever asks.
pub trait Lazy {
    /// The value of a field; `None` if there is none of that name.
    fn field(&self, name: &str, budget: &mut Budget) -> Option<Result<Value, EvaluationError>>;
}

/// What the variables of an environment stand for.
#[derive(Default, Clone)]
pub struct Bindings<'a> {
    values: HashMap<String, Value>,
    lazy: HashMap<String, &'a dyn Lazy>,
}

impl<'a> Bindings<'a> {
    /// Nothing is bound.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also binds this variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: Value) -> Self {
        self.bind(name, value);
        self
    }

    /// Binds a variable.
    pub fn bind(&mut self, name: impl Into<String>, value: Value) {
        self.values.insert(name.into(), value);
    }

    /// Binds a variable whose fields are worked out when they are selected.
    pub fn bind_lazy(&mut self, name: impl Into<String>, fields: &'a dyn Lazy) {
        self.lazy.insert(name.into(), fields);
    }
}

type Outcome = Result<Value, EvaluationError>;

/// The value of `node`.
pub(crate) fn evaluate(node: &Node, bindings: &Bindings<'_>, budget: &mut Budget) -> Outcome {
    let mut run = Run {
        bindings,
        budget,
        scope: Vec::new(),
    };
    run.node(node)
}

struct Run<'r, 'b> {
    bindings: &'r Bindings<'b>,
    budget: &'r mut Budget,
    scope: Vec<(&'r str, Value)>,
}

impl<'r> Run<'r, '_> {
    fn node(&mut self, node: &'r Node) -> Outcome {
        match &node.kind {
            Kind::Literal(value) => Ok(value.clone()),
            Kind::Ident(name) => self.identifier(name),
            Kind::Select {
                operand,
                field,
                optional,
            } => self.select(operand, field, *optional),
            Kind::Has { operand, field } => self.has(operand, field),
            Kind::Index {
                operand,
                index,
                optional,
            } => self.index(operand, index, *optional),
            Kind::Call {
                function,
                target,
                args,
            } => self.call(function, target.as_deref(), args),
            Kind::And(terms) => self.logical(terms, false),
            Kind::Or(terms) => self.logical(terms, true),
            Kind::Conditional(parts) => match self.node(&parts[0])? {
                Value::Bool(true) => self.node(&parts[1]),
                Value::Bool(false) => self.node(&parts[2]),
                _ => Err(EvaluationError::NoSuchOverload),
            },
            Kind::List(elements) => self.list(elements),
            Kind::Map(entries) => self.map(entries),
            Kind::Struct(name) => Err(EvaluationError::Function(format!("unknown type: {name}"))),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn identifier(&mut self, name: &str) -> Outcome {
        self.budget.charge(1)?;
        if let Some((_, value)) = self.scope.iter().rev().find(|(bound, _)| *bound == name) {
            return Ok(value.clone());
        }
        if let Some(value) = self.bindings.values.get(name) {
            return Ok(value.clone());
        }
        match TypeName::named(name) {
            Some(of) => Ok(of),
            None => Err(EvaluationError::NoSuchAttribute(name.to_owned())),
        }
    }

    /// The field of a variable whose fields are lazy.
    fn lazy_field(&mut self, operand: &Node, field: &str) -> Option<Outcome> {
        let Kind::Ident(name) = &operand.kind else {
            return None;
        };
        if self.scope.iter().any(|(bound, _)| bound == name) {
            return None;
        }
        let lazy = *self.bindings.lazy.get(name)?;
        let found = lazy.field(field, self.budget);
        Some(found.unwrap_or_else(|| Err(EvaluationError::NoSuchKey(field.to_owned()))))
    }

    fn select(&mut self, operand: &'r Node, field: &'r str, optional_: bool) -> Outcome {
        self.budget.charge(1)?;
        if let Some(found) = self.lazy_field(operand, field) {
            return found;
        }
        if let Kind::Ident(name) = &operand.kind
            && let Some(value) = self.bindings.values.get(&format!("{name}.{field}"))
        {
            return Ok(value.clone());
        }
        if let Some(of) = TypeName::qualified(operand, field) {
            return Ok(of);
        }
        let value = self.node(operand)?;
        member(&value, &KeyRef::String(field), field, optional_)
    }

    fn has(&mut self, operand: &'r Node, field: &'r str) -> Outcome {
        self.budget.charge(1)?;
        if let Some(found) = self.lazy_field(operand, field) {
            return match found {
                Err(error) if error.is_final() => Err(error),
                found => Ok(Value::Bool(found.is_ok())),
            };
        }
        let value = self.node(operand)?;
        let value = match as_optional(&value) {
            Some(None) => return Ok(Value::Bool(false)),
            Some(Some(inner)) => inner.clone(),
            None => value,
        };
        match &value {
            Value::Map(entries) => Ok(Value::Bool(entries.get(&KeyRef::String(field)).is_some())),
            _ => Err(EvaluationError::NoSuchOverload),
        }
    }

    fn index(&mut self, operand: &'r Node, index: &'r Node, optional_: bool) -> Outcome {
        self.budget.charge(1)?;
        let value = self.node(operand)?;
        let index = self.node(index)?;
        let of = as_optional(&value).flatten().unwrap_or(&value);
        if let Value::List(elements) = of {
            let at = operator::whole(&index).ok_or(EvaluationError::NoSuchOverload)?;
            let found = usize::try_from(at)
                .ok()
                .and_then(|at| elements.get(at))
                .cloned();
            let wrapped = optional_ || as_optional(&value).is_some();
            return match found {
                found if wrapped => Ok(optional(found)),
                Some(found) => Ok(found),
                None => Err(EvaluationError::IndexOutOfBounds(at)),
            };
        }
        let key = operator::key(&index).ok_or(EvaluationError::NoSuchOverload)?;
        let shown = standard::text(&index).unwrap_or_default();
        member(&value, &key, &shown, optional_)
    }

    fn call(&mut self, function: &'r str, target: Option<&'r Node>, args: &'r [Node]) -> Outcome {
        let mut values = Vec::with_capacity(args.len() + 1);
        for node in target.into_iter().chain(args) {
            values.push(self.node(node)?);
        }
        self.budget.charge(cost::before(function, &values))?;
        let result = apply(function, target.is_some(), values)?;
        self.budget.charge(cost::after(function, &result))?;
        Ok(result)
    }

    /// `&&` (absorbed by `false`) and `||` (absorbed by `true`): an error counts only if no term decides.
    fn logical(&mut self, terms: &'r [Node], decisive: bool) -> Outcome {
        let mut failed = None;
        for term in terms {
            match self.node(term) {
                Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
                Ok(_) => failed = failed.or(Some(EvaluationError::NoSuchOverload)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn list(&mut self, elements: &'r [(Node, bool)]) -> Outcome {
        self.budget.charge(cost::LIST)?;
        let mut out = Vec::with_capacity(elements.len());
        for (node, optional) in elements {
            let value = self.node(node)?;
            match as_optional(&value).filter(|_| *optional) {
                Some(inner) => out.extend(inner.cloned()),
                None => out.push(value),
            }
        }
        Ok(Value::List(Arc::new(out)))
    }

    fn map(&mut self, entries: &'r [Entry]) -> Outcome {
        self.budget.charge(cost::MAP)?;
        let mut out: HashMap<Key, Value> = HashMap::with_capacity(entries.len());
        for entry in entries {
            let key = self.node(&entry.key)?;
            let key = operator::owned_key(&key).ok_or(EvaluationError::NoSuchOverload)?;
            let value = self.node(&entry.value)?;
            let value = match as_optional(&value).filter(|_| entry.optional) {
                Some(None) => continue,
                Some(Some(inner)) => inner.clone(),
                None => value,
            };
            if out.insert(key, value).is_some() {
                return Err(EvaluationError::RepeatedKey);
            }
        }
        Ok(Value::Map(Map { map: Arc::new(out) }))
    }
}

/// What a function gives, whoever has it.
fn apply(function: &str, method: bool, values: Vec<Value>) -> Outcome {
    if let Some(outcome) = operator::apply(function, &values) {
        return outcome;
    }
    if let Some(outcome) = standard::apply(function, &values) {
        return outcome;
    }
    if let Some(outcome) = crate::authorizer::apply(function, &values) {
        return outcome;
    }
    library::apply(function, method, values)
}

/// The entry of a map, or of the map in an optional.
fn member(value: &Value, key: &KeyRef<'_>, shown: &str, wanted_optional: bool) -> Outcome {
    let (value, wrapped) = match as_optional(value) {
        Some(None) => return Ok(optional(None)),
        Some(Some(inner)) => (inner, true),
        None => (value, wanted_optional),
    };
    let Value::Map(entries) = value else {
        return Err(EvaluationError::NoSuchOverload);
    };
    let found = operator::entry(entries, *key).cloned();
    match found {
        found if wrapped => Ok(optional(found)),
        Some(found) => Ok(found),
        None => Err(EvaluationError::NoSuchKey(shown.to_owned())),
    }
}
