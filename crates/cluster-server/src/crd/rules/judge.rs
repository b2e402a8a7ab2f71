//! Rules held against values, in the words of `cel.Validator`, until the budget is spent.

use std::ops::ControlFlow;

use expression::{Bindings, Budget, EvaluationError, as_bool, as_string, from_json_as, optional};
use serde_json::Value;

use super::compile::{Compiled, Rule};
use super::kin::same_key;
use super::{Kin, Node, Pair};
use crate::field::{Fault, FieldError, Path};

/// What the text of a message expression may come to (`MaxEvaluatedMessageExpressionSizeBytes`).
const MESSAGE_LIMIT: usize = 5 * 1024;

const SPENT: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// `Break`: no further rule is to be run.
type Flow = ControlFlow<()>;

/// One object held against its rules.
pub(super) struct Judge {
    budget: Budget,
    /// Only what has not changed is looked at.
    unchanged_only: bool,
    pub(super) errors: Vec<FieldError>,
    pub(super) let_through: Vec<FieldError>,
}

/// A value and all that rules may ask about it.
#[derive(Clone, Copy)]
struct Place<'a> {
    node: &'a Node,
    schema: &'a Value,
    path: &'a Path,
    new: &'a Value,
    old: Option<&'a Value>,
    kin: Kin<'a>,
}

impl Place<'_> {
    /// Kubernetes shows the type of the value where it cannot say more.
    fn invalid(&self, path: &Path, why: impl Into<String>) -> FieldError {
        let kind = self.schema["type"].as_str().unwrap_or_default();
        FieldError::invalid(&shown(path), kind, why)
    }
}

/// The root of an object has no name.
fn shown(path: &Path) -> Path {
    if *path == Path::default() {
        Path::new("<nil>")
    } else {
        path.clone()
    }
}

impl Judge {
    pub(super) fn new(unchanged_only: bool) -> Self {
        Self {
            budget: Budget::default(),
            unchanged_only,
            errors: Vec::new(),
            let_through: Vec::new(),
        }
    }

    pub(super) fn run(&mut self, node: &Node, schema: &Value, new: &Value, old: Option<&Value>) {
        let pair = old.map(|old| Pair { old, new, schema });
        let path = Path::default();
        let kin = Kin::root(pair);
        let place = Place {
            node,
            schema,
            path: &path,
            new,
            old,
            kin,
        };
        // Whether all rules have been run or not: what was found is in the errors.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = self.walk(place);
    }

    fn walk(&mut self, place: Place<'_>) -> Flow {
        if place.new.is_null() {
            return Flow::Continue(());
        }
        let unseen = self.unchanged_only && !place.kin.is_unchanged();
        if !place.node.rules.is_empty() && !unseen {
            self.rules(place)?;
        }
        match place.new {
            Value::Array(items) => self.items(place, items),
            Value::Object(fields) => self.fields(place, fields),
            _ => Flow::Continue(()),
        }
    }

    fn items(&mut self, place: Place<'_>, items: &[Value]) -> Flow {
        let Some(node) = place.node.items.as_deref() else {
            return Flow::Continue(());
        };
        let before = place.old.and_then(Value::as_array);
        for (at, item) in items.iter().enumerate() {
            self.walk(Place {
                node,
                schema: &place.schema["items"],
                path: &place.path.index(at),
                new: item,
                old: before.and_then(|old| same_key(place.schema, old, item)),
                kin: place.kin.index(at),
            })?;
        }
        Flow::Continue(())
    }

    fn fields(&mut self, place: Place<'_>, fields: &serde_json::Map<String, Value>) -> Flow {
        for (name, value) in fields {
            let old = place.old.and_then(|old| old.get(name));
            let kin = place.kin.key(name);
            if let Some(node) = place.node.additional.as_deref() {
                self.walk(Place {
                    node,
                    schema: &place.schema["additionalProperties"],
                    path: &place.path.key(name),
                    new: value,
                    old,
                    kin,
                })?;
            }
            if let Some(node) = place.node.properties.get(name) {
                self.walk(Place {
                    node,
                    schema: &place.schema["properties"][name],
                    path: &place.path.child(name),
                    new: value,
                    old,
                    kin,
                })?;
            }
        }
        Flow::Continue(())
    }

    /// `validateExpressions`.
    fn rules(&mut self, place: Place<'_>) -> Flow {
        if self.budget.is_spent() {
            self.errors.push(place.invalid(place.path, SPENT));
            return Flow::Break(());
        }
        let old = place.old.filter(|old| !old.is_null());
        let read = |json: &Value| from_json_as(&place.node.of, json);
        let new = Bindings::new().with("self", read(place.new));
        let old_value = old.map(read);
        let mut plain = new.clone();
        if let Some(old) = &old_value {
            plain.bind("oldSelf", old.clone());
        }
        let maybe = new.with("oldSelf", optional(old_value));
        for rule in &place.node.rules {
            match &rule.compiled {
                Err(why) => {
                    let why = format!("rule compile error: {why}");
                    self.errors.push(place.invalid(place.path, why));
                }
                // A transition is from something.
                Ok(compiled) if compiled.uses_old() && old.is_none() && !rule.optional_old => {}
                Ok(compiled) => {
                    let bindings = if rule.optional_old { &maybe } else { &plain };
                    self.rule(place, rule, compiled, bindings, &plain)?;
                }
            }
        }
        Flow::Continue(())
    }

    fn rule(
        &mut self,
        place: Place<'_>,
        rule: &Rule,
        compiled: &Compiled,
        bindings: &Bindings<'_>,
        of_message: &Bindings<'_>,
    ) -> Flow {
        let outcome = compiled.rule.evaluate(bindings, &mut self.budget);
        let (name, failed) = (rule.shown(), |why| place.invalid(place.path, why));
        match outcome {
            Ok(value) if as_bool(&value) == Some(true) => Flow::Continue(()),
            Ok(_) => self.failed(place, rule, compiled, of_message),
            Err(EvaluationError::OutOfBudget) => {
                self.errors.push(failed(SPENT.to_owned()));
                Flow::Break(())
            }
            Err(error @ EvaluationError::CostLimit) => {
                self.errors.push(failed(format!(
                    "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {name}"
                )));
                Flow::Break(())
            }
            Err(error @ EvaluationError::NoSuchOverload) => {
                self.errors.push(failed(format!(
                    "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {name}"
                )));
                Flow::Continue(())
            }
            Err(error) => {
                self.errors
                    .push(failed(format!("{error} evaluating rule: {name}")));
                Flow::Continue(())
            }
        }
    }

    fn failed(
        &mut self,
        place: Place<'_>,
        rule: &Rule,
        compiled: &Compiled,
        bindings: &Bindings<'_>,
    ) -> Flow {
        let path = if rule.at.is_empty() {
            place.path.clone()
        } else {
            place.path.child(&rule.at)
        };
        let let_through = !compiled.uses_old() && place.kin.is_unchanged();
        let (error, flow) = match self.message(compiled, bindings) {
            Ok(text) => {
                let text = text.unwrap_or_else(|| rule.failure());
                (failure(place, rule, &path, text), Flow::Continue(()))
            }
            Err(why) => (place.invalid(&path, why), Flow::Break(())),
        };
        if let_through {
            self.let_through.push(error);
        } else {
            self.errors.push(error);
        }
        flow
    }

    /// The text of the message expression, if there is one that gives a usable text; why nothing further is to be run.
    fn message(
        &mut self,
        compiled: &Compiled,
        bindings: &Bindings<'_>,
    ) -> Result<Option<String>, String> {
        // One that does not compile is as good as none.
        let Some(Ok(message)) = &compiled.message else {
            return Ok(None);
        };
        match message.evaluate(bindings, &mut self.budget) {
            Ok(value) => Ok(as_string(&value)
                .map(str::trim)
                .filter(|text| {
                    !text.is_empty() && text.len() <= MESSAGE_LIMIT && !text.contains('\n')
                })
                .map(str::to_owned)),
            Err(EvaluationError::OutOfBudget) => Err(
                "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run"
                    .to_owned(),
            ),
            Err(EvaluationError::CostLimit) => Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {:?}",
                message.source()
            )),
            Err(_) => Ok(None),
        }
    }
}

/// `fieldErrorForReason`.
fn failure(place: Place<'_>, rule: &Rule, path: &Path, text: String) -> FieldError {
    let kind = place.schema["type"].as_str();
    let whole = matches!(kind, Some("object" | "array"));
    let fault = match rule.reason.as_deref() {
        Some("FieldValueForbidden") => Fault::Forbidden,
        Some("FieldValueRequired") => Fault::Required,
        Some("FieldValueDuplicate") => {
            let fault = if whole {
                Fault::DuplicateOmitted
            } else {
                Fault::Duplicate(place.new.clone())
            };
            return FieldError::new(&shown(path), fault, "");
        }
        _ if whole => Fault::InvalidOmitted,
        _ => Fault::Invalid(place.new.clone()),
    };
    FieldError::new(&shown(path), fault, text)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
