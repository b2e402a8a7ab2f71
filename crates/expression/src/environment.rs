//! What an expression may speak of, and what compiling one gives.

use std::fmt;

use kube_cel::cel::Value;

use crate::budget::Budget;
use crate::check;
use crate::evaluate::{self, Bindings, EvaluationError};
use crate::syntax::{self, Node};
use crate::types::Type;

/// The variables that expressions may name.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: Vec<(String, Type)>,
}

impl Environment {
    /// Without any variable; the functions of Kubernetes' libraries are always there.
    pub fn new() -> Self {
        Self::default()
    }

    /// Also with this variable. A later one of the same name hides an earlier.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, of: Type) -> Self {
        self.declare(name, of);
        self
    }

    /// Adds a variable.
    pub fn declare(&mut self, name: impl Into<String>, of: Type) {
        self.variables.push((name.into(), of));
    }

    /// Parses and checks an expression.
    pub fn compile(&self, source: &str) -> Result<Expression, CompileError> {
        let characters: Vec<char> = source.chars().collect();
        let fail = |issues| CompileError::new(&characters, issues);
        let node = syntax::parse(&characters).map_err(|issue| fail(vec![issue]))?;
        let result = check::check(&node, &self.variables).map_err(fail)?;
        Ok(Expression {
            source: source.to_owned(),
            node,
            result,
        })
    }
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    source: String,
    node: Node,
    result: Type,
}

impl Expression {
    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it gives, as far as that can be known; [`Type::Dyn`] otherwise.
    pub fn result(&self) -> &Type {
        &self.result
    }

    /// Whether it can give a value of this type.
    pub fn may_be(&self, wanted: &Type) -> bool {
        self.result == Type::Dyn || &self.result == wanted
    }

    /// Whether it names this variable.
    pub fn mentions(&self, variable: &str) -> bool {
        check::mentions(&self.node, variable)
    }

    /// The value of the expression, at the cost of `budget`.
    pub fn evaluate(
        &self,
        bindings: &Bindings<'_>,
        budget: &mut Budget,
    ) -> Result<Value, EvaluationError> {
        let outer = budget.start_call();
        let outcome = evaluate::evaluate(&self.node, bindings, budget);
        budget.end_call(outer);
        outcome
    }
}

/// One fault of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Characters before it.
    pub at: usize,
    /// In cel-go's words.
    pub message: String,
}

/// Why an expression does not compile. Its text is the one of cel-go's `Issues`: for each fault
/// `ERROR: <input>:LINE:COLUMN: …`, the line, and a pointer into it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct CompileError {
    /// The faults, in the order of the source.
    pub issues: Vec<Issue>,
    text: String,
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl CompileError {
    fn new(source: &[char], mut issues: Vec<Issue>) -> Self {
        issues.sort_by_key(|issue| issue.at);
        let texts: Vec<String> = issues.iter().map(|issue| pointed(source, issue)).collect();
        Self {
            text: texts.join("\n"),
            issues,
        }
    }
}

/// An issue with its place in the source.
fn pointed(source: &[char], issue: &Issue) -> String {
    let before = &source[..issue.at.min(source.len())];
    let line = 1 + before.iter().filter(|c| **c == '\n').count();
    let column = before.iter().rev().take_while(|c| **c != '\n').count();
    let snippet: String = source[before.len() - column..]
        .iter()
        .take_while(|c| **c != '\n')
        .map(|c| if *c == '\t' { ' ' } else { *c })
        .collect();
    let dots = ".".repeat(column);
    format!(
        "ERROR: <input>:{line}:{}: {}\n | {snippet}\n | {dots}^",
        column + 1,
        issue.message
    )
}
