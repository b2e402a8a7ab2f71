//! One rule and its compiled expressions (`cel.Compile`).

use expression::{Environment, Expression, Type};
use serde_json::Value;

use super::field_path;

/// The expressions of a rule.
pub(in crate::crd) struct Compiled {
    pub(super) rule: Expression,
    /// The expression of the message; `Err` is why there is none.
    pub(in crate::crd) message: Option<Result<Expression, String>>,
}

impl Compiled {
    /// Compiles the expressions of `rule` where `self` is `of`; `Err` is what is wrong with the rule itself.
    pub(in crate::crd) fn new(rule: &Value, of: &Type) -> Result<Self, String> {
        let old = if rule["optionalOldSelf"] == true {
            Type::optional(of.clone())
        } else {
            of.clone()
        };
        let environment = Environment::new()
            .with("self", of.clone())
            .with("oldSelf", old);
        let source = rule["rule"].as_str().unwrap_or_default();
        let compiled = environment
            .compile(source)
            .map_err(|why| format!("compilation failed: {why}"))?;
        if compiled.result() != &Type::Bool {
            return Err("cel expression must evaluate to a bool".to_owned());
        }
        let message = rule["messageExpression"]
            .as_str()
            .filter(|source| !source.is_empty())
            .map(|source| message(&environment, source));
        Ok(Self {
            rule: compiled,
            message,
        })
    }

    /// Whether the rule is about what was there before.
    pub(in crate::crd) fn uses_old(&self) -> bool {
        self.rule.mentions("oldSelf")
    }
}

fn message(environment: &Environment, source: &str) -> Result<Expression, String> {
    let compiled = environment
        .compile(source)
        .map_err(|why| format!("messageExpression compilation failed: {why}"))?;
    if compiled.result() != &Type::String {
        return Err("messageExpression must evaluate to a string".to_owned());
    }
    Ok(compiled)
}

/// A rule, ready to be held against values.
pub(in crate::crd) struct Rule {
    /// `Err` is a rule that is stored but does not compile: nothing passes it.
    pub(super) compiled: Result<Compiled, String>,
    source: String,
    message: String,
    pub(super) reason: Option<String>,
    /// Where below its own place a failure is reported.
    pub(super) at: String,
    pub(super) optional_old: bool,
}

impl Rule {
    pub(super) fn new(rule: &Value, schema: &Value, of: &Type) -> Self {
        let text = |key: &str| rule[key].as_str().unwrap_or_default();
        let trimmed = |key: &str| text(key).trim().to_owned();
        Self {
            compiled: Compiled::new(rule, of),
            source: trimmed("rule"),
            message: trimmed("message"),
            reason: rule["reason"].as_str().map(str::to_owned),
            at: field_path(text("fieldPath"), schema).unwrap_or_default(),
            optional_old: rule["optionalOldSelf"] == true,
        }
    }

    /// The rule as errors name it (`ruleErrorString`).
    pub(super) fn shown(&self) -> &str {
        if self.message.is_empty() {
            &self.source
        } else {
            &self.message
        }
    }

    /// What is said when it does not hold (`ruleMessageOrDefault`).
    pub(super) fn failure(&self) -> String {
        if self.message.is_empty() {
            format!("failed rule: {}", self.source)
        } else {
            self.message.clone()
        }
    }
}
