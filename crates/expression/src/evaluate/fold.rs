//! Macros that bind variables over a body.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::{Key, Map};

use super::{EvaluationError, Outcome, Run, cost, operator};
use crate::syntax::{Fold, Macro, Node};
use crate::value::{as_optional, optional};

/// What a macro goes over: pairs of what the first and the second variable are bound to.
type Pairs = Vec<(Value, Value)>;

impl<'r> Run<'r, '_> {
    pub(super) fn fold(&mut self, fold: &'r Fold) -> Outcome {
        let range = self.node(&fold.range)?;
        match fold.which {
            Macro::Bind => self.bound(fold, range, Value::Null, &fold.body),
            Macro::OptMap | Macro::OptFlatMap => {
                let held = as_optional(&range).ok_or(EvaluationError::NoSuchOverload)?;
                let Some(held) = held.cloned() else {
                    return Ok(optional(None));
                };
                let value = self.bound(fold, held, Value::Null, &fold.body)?;
                Ok(if fold.which == Macro::OptMap {
                    optional(Some(value))
                } else {
                    value
                })
            }
            Macro::All => self.quantified(fold, pairs(fold, &range)?, false),
            Macro::Exists => self.quantified(fold, pairs(fold, &range)?, true),
            Macro::ExistsOne => self.exactly_one(fold, pairs(fold, &range)?),
            Macro::Map | Macro::Filter | Macro::TransformList => {
                self.collected(fold, pairs(fold, &range)?)
            }
            Macro::SortBy => self.sorted(fold, pairs(fold, &range)?),
            Macro::TransformMap | Macro::TransformMapEntry => {
                self.entries(fold, pairs(fold, &range)?)
            }
        }
    }

    /// `node` with the variables of the macro bound.
    fn bound(&mut self, fold: &'r Fold, first: Value, second: Value, node: &'r Node) -> Outcome {
        let depth = self.scope.len();
        self.scope.push((&fold.variable, first));
        if let Some(name) = &fold.second {
            self.scope.push((name, second));
        }
        let outcome = self.node(node);
        self.scope.truncate(depth);
        outcome
    }

    /// Whether the macro's filter lets these through.
    fn passes(&mut self, fold: &'r Fold, pair: &(Value, Value)) -> Result<bool, EvaluationError> {
        match &fold.filter {
            None => Ok(true),
            Some(filter) => truth(&self.bound(fold, pair.0.clone(), pair.1.clone(), filter)?),
        }
    }

    /// `all` and `exists`: an element that decides makes up for errors of others.
    fn quantified(&mut self, fold: &'r Fold, pairs: Pairs, decisive: bool) -> Outcome {
        let mut failed = None;
        for (first, second) in pairs {
            self.budget.charge(1)?;
            match self
                .bound(fold, first, second, &fold.body)
                .and_then(|value| truth(&value))
            {
                Ok(value) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(_) => {}
                Err(error) if error.is_final() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn exactly_one(&mut self, fold: &'r Fold, pairs: Pairs) -> Outcome {
        let mut count = 0;
        for (first, second) in pairs {
            self.budget.charge(1)?;
            if truth(&self.bound(fold, first, second, &fold.body)?)? {
                count += 1;
            }
        }
        Ok(Value::Bool(count == 1))
    }

    fn collected(&mut self, fold: &'r Fold, pairs: Pairs) -> Outcome {
        self.budget.charge(cost::LIST)?;
        let mut out = Vec::new();
        for pair in pairs {
            self.budget.charge(1)?;
            if !self.passes(fold, &pair)? {
                continue;
            }
            let first = pair.0.clone();
            let value = self.bound(fold, pair.0, pair.1, &fold.body)?;
            match fold.which {
                Macro::Filter if truth(&value)? => out.push(first),
                Macro::Filter => {}
                _ => {
                    // Each result is a list of one that is added.
                    self.budget.charge(cost::LIST + 1)?;
                    out.push(value);
                }
            }
        }
        Ok(Value::List(Arc::new(out)))
    }

    fn sorted(&mut self, fold: &'r Fold, pairs: Pairs) -> Outcome {
        let mut keyed = Vec::with_capacity(pairs.len());
        for (first, second) in pairs {
            self.budget.charge(cost::LIST + 1)?;
            let key = self.bound(fold, first.clone(), second, &fold.body)?;
            keyed.push((key, first));
        }
        if let Some((first, _)) = keyed.first() {
            for (key, _) in &keyed {
                operator::compare(first, key)?;
            }
        }
        let order = |left: &Value, right: &Value| {
            operator::compare(left, right)
                .ok()
                .flatten()
                .unwrap_or(Ordering::Equal)
        };
        keyed.sort_by(|(left, _), (right, _)| order(left, right));
        Ok(Value::List(Arc::new(
            keyed.into_iter().map(|(_, value)| value).collect(),
        )))
    }

    fn entries(&mut self, fold: &'r Fold, pairs: Pairs) -> Outcome {
        self.budget.charge(cost::MAP)?;
        let mut out: HashMap<Key, Value> = HashMap::new();
        for pair in pairs {
            self.budget.charge(1)?;
            if !self.passes(fold, &pair)? {
                continue;
            }
            let key = operator::owned_key(&pair.0);
            let value = self.bound(fold, pair.0, pair.1, &fold.body)?;
            match (fold.which, value) {
                (Macro::TransformMap, value) => {
                    out.insert(key.ok_or(EvaluationError::NoSuchOverload)?, value);
                }
                (_, Value::Map(entries)) => {
                    for (key, value) in entries.map.iter() {
                        if out.insert(key.clone(), value.clone()).is_some() {
                            return Err(EvaluationError::RepeatedKey);
                        }
                    }
                }
                _ => return Err(EvaluationError::NoSuchOverload),
            }
        }
        Ok(Value::Map(Map { map: Arc::new(out) }))
    }
}

fn truth(value: &Value) -> Result<bool, EvaluationError> {
    crate::value::as_bool(value).ok_or(EvaluationError::NoSuchOverload)
}

fn from_key(key: &Key) -> Value {
    match key {
        Key::Int(value) => Value::Int(*value),
        Key::Uint(value) => Value::UInt(*value),
        Key::Bool(value) => Value::Bool(*value),
        Key::String(text) => Value::String(text.clone()),
    }
}

fn pairs(fold: &Fold, range: &Value) -> Result<Pairs, EvaluationError> {
    match range {
        Value::List(elements) if fold.second.is_some() => {
            let index = |at: usize| Value::Int(i64::try_from(at).unwrap_or(i64::MAX));
            Ok(elements
                .iter()
                .enumerate()
                .map(|(at, value)| (index(at), value.clone()))
                .collect())
        }
        Value::List(elements) => Ok(elements
            .iter()
            .map(|value| (value.clone(), Value::Null))
            .collect()),
        Value::Map(entries) => {
            // Maps have no order; one that is always the same makes errors reproducible.
            let mut all: Vec<(&Key, &Value)> = entries.map.iter().collect();
            all.sort_by_key(|(key, _)| *key);
            Ok(all
                .into_iter()
                .map(|(key, value)| (from_key(key), value.clone()))
                .collect())
        }
        _ => Err(EvaluationError::NoSuchOverload),
    }
}
