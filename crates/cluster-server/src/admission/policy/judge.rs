//! One request, one policy, one parameter: what the expressions say (`validator.Validate`).

use std::cell::RefCell;
use std::collections::HashMap;

use expression::{Bindings, Budget, EvaluationError, Lazy, Value as Cel, from_json};
use serde_json::{Value, json};

use super::super::conditions::{self, Compiled, Failure, Undecided};
use super::super::{Chain, Request};
use super::compiled::{AuditAnnotation, Policy, Validation};

/// The longest message that an expression may make, in bytes.
const LONGEST_MESSAGE: usize = 5 * 1024;

/// What a validation came to.
pub(super) enum Decision {
    /// It holds, or its failure is to be ignored.
    Admit,
    /// It does not hold, or could not be evaluated.
    Deny {
        message: String,
        /// As the policy gives it; `Invalid` where it gives none.
        reason: Option<String>,
    },
}

/// What an audit annotation came to; one without a value comes to nothing.
pub(super) enum Annotation {
    /// Key and value.
    Publish(String, String),
    /// It could not be evaluated, and that refuses the request.
    Error(String),
}

/// What a policy says.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) decisions: Vec<Decision>,
    pub(super) annotations: Vec<Annotation>,
}

impl Verdict {
    fn failed(policy: &Policy, message: String) -> Self {
        Self {
            decisions: vec![failed(policy, message)],
            annotations: Vec::new(),
        }
    }
}

fn failed(policy: &Policy, message: String) -> Decision {
    if policy.ignores_failures {
        return Decision::Admit;
    }
    Decision::Deny {
        message,
        reason: None,
    }
}

/// Judges the request, as an object of `version`, by the policy with one parameter (`None`: `params` is null).
pub(super) fn judge(
    chain: &Chain,
    policy: &Policy,
    request: &Request,
    version: &str,
    parameter: Option<&Value>,
) -> Result<Verdict, String> {
    let converted;
    let request = if *version == request.resource.version {
        request
    } else {
        converted = in_version(request, version);
        &converted
    };
    let mut base = conditions::bindings(request, &chain.authorizer);
    base.bind("params", from_json(parameter.unwrap_or(&Value::Null)));
    match conditions::hold(policy.conditions.iter(), &base) {
        Ok(true) => {}
        Ok(false) => return Ok(Verdict::default()),
        Err(Undecided(why)) => return Ok(Verdict::failed(policy, why)),
    }
    base.bind(
        "namespaceObject",
        from_json(&namespace_object(chain, request)?),
    );
    let composed = Composed {
        variables: &policy.variables,
        base: &base,
        known: RefCell::default(),
    };
    let mut bindings = base.clone();
    bindings.bind_lazy("variables", &composed);
    let mut budget = Budget::default();
    let decisions = match decisions(policy, &bindings, &mut budget) {
        Ok(decisions) => decisions,
        Err(why) => return Ok(Verdict::failed(policy, why)),
    };
    let mut budget = Budget::default();
    let mut annotations = Vec::new();
    for annotation in &policy.annotations {
        match published(policy, annotation, &bindings, &mut budget) {
            Ok(published) => annotations.extend(published),
            Err(why) => return Ok(Verdict::failed(policy, why)),
        }
    }
    Ok(Verdict {
        decisions,
        annotations,
    })
}

/// The request with its objects in another version of the same resource.
fn in_version(request: &Request, version: &str) -> Request {
    let mut converted = request.clone();
    let api_version = format!("{}/{version}", request.resource.group);
    for object in [&mut converted.object, &mut converted.old_object]
        .into_iter()
        .flatten()
    {
        object["apiVersion"] = api_version.clone().into();
    }
    converted
}

/// The namespace of the request as expressions see it; null for what is in none, Namespaces themselves included.
fn namespace_object(chain: &Chain, request: &Request) -> Result<Value, String> {
    if request.namespace.is_empty() || request.is_namespace() {
        return Ok(Value::Null);
    }
    let name = &request.namespace;
    let stored = chain
        .store
        .get("namespaces", "", name)
        .ok_or_else(|| format!("namespaces {name:?} not found"))?;
    let mut metadata = stored.value["metadata"].clone();
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.remove("managedFields");
        metadata.remove("ownerReferences");
    }
    Ok(
        json!({"metadata": metadata, "spec": stored.value["spec"], "status": stored.value["status"]}),
    )
}

/// All validations; an error where the budget is spent.
fn decisions(
    policy: &Policy,
    bindings: &Bindings<'_>,
    budget: &mut Budget,
) -> Result<Vec<Decision>, String> {
    let mut outcomes = Vec::with_capacity(policy.validations.len());
    for validation in &policy.validations {
        match conditions::evaluate(&validation.expression, bindings, budget) {
            Ok(value) => outcomes.push(Ok(expression::as_bool(&value) == Some(true))),
            Err(Failure::Expression(why)) => outcomes.push(Err(why)),
            Err(Failure::OutOfBudget(why)) => return Err(why),
        }
    }
    let mut out = Vec::with_capacity(outcomes.len());
    for (validation, outcome) in policy.validations.iter().zip(outcomes) {
        out.push(match outcome {
            Ok(true) => Decision::Admit,
            Ok(false) => match message(validation, bindings, budget) {
                Ok(message) => Decision::Deny {
                    message,
                    reason: validation.reason.clone(),
                },
                Err(why) => failed(policy, format!("failed messageExpression: {why}")),
            },
            Err(why) => failed(policy, why),
        });
    }
    Ok(out)
}

/// What is said of a validation that does not hold: its expression's message, else its own, else its expression.
fn message(
    validation: &Validation,
    bindings: &Bindings<'_>,
    budget: &mut Budget,
) -> Result<String, String> {
    if let Some(expression) = &validation.message_expression {
        match conditions::evaluate(expression, bindings, budget) {
            Ok(value) => {
                let text = expression::as_string(&value).unwrap_or_default().trim();
                if !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n') {
                    return Ok(text.to_owned());
                }
            }
            Err(Failure::Expression(error)) => {
                tracing::debug!(error, "a messageExpression has no value");
            }
            Err(Failure::OutOfBudget(why)) => return Err(why),
        }
    }
    let own = validation.message.trim();
    if own.is_empty() {
        return Ok(format!("failed expression: {}", validation.source.trim()));
    }
    Ok(own.to_owned())
}

fn published(
    policy: &Policy,
    annotation: &AuditAnnotation,
    bindings: &Bindings<'_>,
    budget: &mut Budget,
) -> Result<Option<Annotation>, String> {
    let value = match conditions::evaluate(&annotation.value, bindings, budget) {
        Ok(value) => value,
        Err(Failure::Expression(_)) if policy.ignores_failures => return Ok(None),
        Err(Failure::Expression(why)) => return Ok(Some(Annotation::Error(why))),
        Err(Failure::OutOfBudget(why)) => return Err(why),
    };
    Ok(match &value {
        Cel::Null => None,
        Cel::String(text) if text.trim().is_empty() => None,
        Cel::String(text) => Some(Annotation::Publish(
            annotation.key.clone(),
            text.trim().to_owned(),
        )),
        _ => Some(Annotation::Error(format!(
            "valueExpression '{}' resulted in unsupported return type. Return type must be either string or null.",
            annotation.source
        ))),
    })
}

/// `variables`: each is worked out when it is first named, and then known.
struct Composed<'p> {
    variables: &'p [(String, Compiled)],
    base: &'p Bindings<'static>,
    known: RefCell<HashMap<String, Result<Cel, EvaluationError>>>,
}

impl Lazy for Composed<'_> {
    fn field(&self, name: &str, budget: &mut Budget) -> Option<Result<Cel, EvaluationError>> {
        let (_, compiled) = self.variables.iter().find(|(known, _)| known == name)?;
        if let Some(known) = self.known.borrow().get(name) {
            return Some(known.clone());
        }
        let outcome = match compiled {
            Err(why) => Err(EvaluationError::Function(format!(
                "composited variable {name:?} fails to compile: {why}"
            ))),
            Ok(compiled) => {
                let mut bindings: Bindings<'_> = self.base.clone();
                bindings.bind_lazy("variables", self);
                compiled
                    .evaluate(&bindings, budget)
                    .map_err(|error| match error {
                        error if error.is_final() => error,
                        error => EvaluationError::Function(format!(
                            "composited variable {name:?} fails to evaluate: {error}"
                        )),
                    })
            }
        };
        self.known
            .borrow_mut()
            .insert(name.to_owned(), outcome.clone());
        Some(outcome)
    }
}
