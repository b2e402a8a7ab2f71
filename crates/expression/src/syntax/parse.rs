//! The grammar (<https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax>), by precedence climbing.

use kube_cel::cel::Value;

use super::macros;
use super::token::{Token, TokenKind, tokens};
use super::tree::{Entry, Kind, Node};
use crate::environment::Issue;
use crate::names;

/// How deep brackets, conditionals and chains of operators or selections may nest. cel-go stops at 250; here every
/// level costs stack of the thread that answers a request, and nobody writes a hundred brackets.
const DEEPEST: usize = 96;

/// What cel-go's parser allows an expression to be long, in characters.
const LONGEST: usize = 100_000;

const EXPECTED: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

/// The tree of `source`, or the first fault.
pub(crate) fn parse(source: &[char]) -> Result<Node, Issue> {
    if source.len() > LONGEST {
        let message = format!(
            "expression code point size exceeds limit: size: {}, limit {LONGEST}",
            source.len()
        );
        return Err(Issue { at: 0, message });
    }
    let mut parser = Parser {
        tokens: tokens(source)?,
        at: 0,
        depth: 0,
    };
    let node = parser.expression()?;
    let rest = parser.peek();
    if rest.kind == TokenKind::End {
        return Ok(node);
    }
    let last = parser
        .tokens
        .get(parser.at + 1)
        .is_some_and(|next| next.kind == TokenKind::End);
    let word = if last { "extraneous" } else { "mismatched" };
    Err(rest.fault(format!(
        "Syntax error: {word} input '{}' expecting <EOF>",
        rest.text
    )))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Token {
    fn fault(&self, message: impl Into<String>) -> Issue {
        Issue {
            at: self.at,
            message: message.into(),
        }
    }

    fn is(&self, mark: &str) -> bool {
        self.kind == TokenKind::Mark && self.text == mark
    }
}

/// How tightly a binary operator binds, and the function it stands for.
fn operator(token: &Token) -> Option<(u8, &'static str)> {
    if token.kind != TokenKind::Mark {
        return None;
    }
    Some(match token.text.as_str() {
        "||" => (1, "_||_"),
        "&&" => (2, "_&&_"),
        "<" => (3, "_<_"),
        "<=" => (3, "_<=_"),
        ">" => (3, "_>_"),
        ">=" => (3, "_>=_"),
        "==" => (3, "_==_"),
        "!=" => (3, "_!=_"),
        "in" => (3, "@in"),
        "+" => (4, "_+_"),
        "-" => (4, "_-_"),
        "*" => (5, "_*_"),
        "/" => (5, "_/_"),
        "%" => (5, "_%_"),
        _ => return None,
    })
}

fn too_deep(token: &Token) -> Issue {
    token.fault(format!("expression recursion limit exceeded: {DEEPEST}"))
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn accept(&mut self, mark: &str) -> Option<usize> {
        let token = self.peek();
        let at = token.at;
        token.is(mark).then(|| {
            self.at += 1;
            at
        })
    }

    fn expect(&mut self, mark: &str) -> Result<usize, Issue> {
        let found = self.peek().clone();
        self.accept(mark).ok_or_else(|| {
            found.fault(format!(
                "Syntax error: missing '{mark}' at '{}'",
                found.text
            ))
        })
    }

    fn expression(&mut self) -> Result<Node, Issue> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(too_deep(self.peek()));
        }
        let condition = self.binary(1)?;
        let node = if let Some(at) = self.accept("?") {
            let yes = self.binary(1)?;
            self.expect(":")?;
            let no = self.expression()?;
            let kind = Kind::Conditional(Box::new([condition, yes, no]));
            Node { at, kind }
        } else {
            condition
        };
        self.depth -= 1;
        Ok(node)
    }

    /// Operators that bind at least as tightly as `least`.
    fn binary(&mut self, least: u8) -> Result<Node, Issue> {
        let mut left = self.unary()?;
        let mut chain = 0;
        while let Some((binds, function)) =
            operator(self.peek()).filter(|(binds, _)| *binds >= least)
        {
            let token = self.take();
            let right = self.binary(binds + 1)?;
            if binds > 2 {
                chain += 1;
            }
            if self.depth + chain > DEEPEST {
                return Err(too_deep(&token));
            }
            left = join(function, left, right, token.at);
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node, Issue> {
        for (mark, function) in [("!", "!_"), ("-", "-_")] {
            let Some(at) = self.accept(mark) else {
                continue;
            };
            let mut count = 1;
            while self.accept(mark).is_some() {
                count += 1;
            }
            let operand = self.member()?;
            if mark == "-"
                && let Kind::Literal(Value::Int(value)) = &operand.kind
            {
                return Ok(negated(*value, count, at));
            }
            if mark == "-"
                && let Kind::Literal(Value::Float(value)) = &operand.kind
            {
                let value = if count % 2 == 1 { -value } else { *value };
                return Ok(Node {
                    at,
                    kind: Kind::Literal(Value::Float(value)),
                });
            }
            if count % 2 == 0 {
                return Ok(operand);
            }
            return Ok(call(at, function, None, vec![operand]));
        }
        let node = self.member()?;
        if let Kind::Literal(Value::Int(i64::MIN)) = node.kind {
            return Err(Issue {
                at: node.at,
                message: "invalid int literal".to_owned(),
            });
        }
        Ok(node)
    }

    fn member(&mut self) -> Result<Node, Issue> {
        let mut node = self.primary()?;
        let mut chain = 0;
        loop {
            chain += 1;
            if self.depth + chain > DEEPEST {
                return Err(too_deep(self.peek()));
            }
            if let Some(at) = self.accept(".") {
                node = self.dotted(node, at)?;
            } else if let Some(at) = self.accept("[") {
                let optional = self.accept("?").is_some();
                let index = Box::new(self.expression()?);
                self.expect("]")?;
                let operand = Box::new(node);
                node = Node {
                    at,
                    kind: Kind::Index {
                        operand,
                        index,
                        optional,
                    },
                };
            } else if self.peek().is("{") && struct_name(&node).is_some() {
                node = self.structure(&node)?;
            } else {
                return Ok(node);
            }
        }
    }

    /// What follows a dot: a field, an optional field, or a call with the left side as its target.
    fn dotted(&mut self, operand: Node, at: usize) -> Result<Node, Issue> {
        let optional = self.accept("?").is_some();
        let name = self.take();
        let field = match name.kind {
            TokenKind::Ident => name.text.clone(),
            TokenKind::Quoted => name.text.trim_matches('`').to_owned(),
            _ => {
                let message = format!(
                    "Syntax error: no viable alternative at input '.{}'",
                    name.text
                );
                return Err(name.fault(message));
            }
        };
        let called = name.kind == TokenKind::Ident && !optional;
        if let Some(open) = called.then(|| self.accept("(")).flatten() {
            let args = self.list(")")?.into_iter().map(|(node, _)| node).collect();
            return macros::method(open, operand, &field, args);
        }
        let operand = Box::new(operand);
        Ok(Node {
            at,
            kind: Kind::Select {
                operand,
                field,
                optional,
            },
        })
    }

    fn primary(&mut self) -> Result<Node, Issue> {
        let token = self.take();
        let at = token.at;
        let kind = match &token.kind {
            TokenKind::Literal(value) => Kind::Literal(value.clone()),
            TokenKind::Ident => return self.identifier(&token),
            _ if token.is(".") && self.peek().kind == TokenKind::Ident => {
                let name = self.take();
                return self.identifier(&name);
            }
            _ if token.is("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                return Ok(inner);
            }
            _ if token.is("[") => Kind::List(self.list("]")?),
            _ if token.is("{") => Kind::Map(self.entries()?),
            _ => {
                let message = format!(
                    "Syntax error: mismatched input '{}' expecting {EXPECTED}",
                    token.text
                );
                return Err(token.fault(message));
            }
        };
        Ok(Node { at, kind })
    }

    fn identifier(&mut self, token: &Token) -> Result<Node, Issue> {
        let name = token.text.clone();
        if names::is_reserved(&name) {
            return Err(token.fault(format!("reserved identifier: {name}")));
        }
        if let Some(open) = self.accept("(") {
            let args = self.list(")")?.into_iter().map(|(node, _)| node).collect();
            return macros::function(open, &name, args);
        }
        Ok(Node {
            at: token.at,
            kind: Kind::Ident(name),
        })
    }

    /// Expressions between commas up to the closing bracket; a list may end with a comma.
    fn list(&mut self, close: &str) -> Result<Vec<(Node, bool)>, Issue> {
        let mut out = Vec::new();
        while self.accept(close).is_none() {
            let optional = close == "]" && self.accept("?").is_some();
            out.push((self.expression()?, optional));
            if self.accept(",").is_none() {
                self.expect(close)?;
                break;
            }
            if close == ")" && self.peek().is(")") {
                let token = self.peek();
                let message = format!("Syntax error: mismatched input ')' expecting {EXPECTED}");
                return Err(token.fault(message));
            }
        }
        Ok(out)
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Issue> {
        let mut out = Vec::new();
        while self.accept("}").is_none() {
            let optional = self.accept("?").is_some();
            let key = self.expression()?;
            self.expect(":")?;
            let value = self.expression()?;
            out.push(Entry {
                key,
                value,
                optional,
            });
            if self.accept(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        Ok(out)
    }

    /// `Name{field: value}`.
    fn structure(&mut self, name: &Node) -> Result<Node, Issue> {
        let at = self.expect("{")?;
        while self.accept("}").is_none() {
            self.accept("?");
            self.take();
            self.expect(":")?;
            self.expression()?;
            if self.accept(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        let kind = Kind::Struct(struct_name(name).unwrap_or_default());
        Ok(Node { at, kind })
    }
}

/// The dotted name of a chain of selections of an identifier.
fn struct_name(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Ident(name) => Some(name.clone()),
        Kind::Select {
            operand,
            field,
            optional: false,
        } => Some(format!("{}.{field}", struct_name(operand)?)),
        _ => None,
    }
}

fn negated(value: i64, count: usize, at: usize) -> Node {
    let value = if count % 2 == 1 {
        value.wrapping_neg()
    } else {
        value
    };
    Node {
        at,
        kind: Kind::Literal(Value::Int(value)),
    }
}

/// A call of `function`.
pub(super) fn call(at: usize, function: &str, target: Option<Node>, args: Vec<Node>) -> Node {
    let kind = Kind::Call {
        function: function.to_owned(),
        target: target.map(Box::new),
        args,
    };
    Node { at, kind }
}

fn join(function: &str, left: Node, right: Node, at: usize) -> Node {
    let kind = match (function, left.kind) {
        ("_&&_", Kind::And(mut terms)) => {
            terms.push(right);
            Kind::And(terms)
        }
        ("_||_", Kind::Or(mut terms)) => {
            terms.push(right);
            Kind::Or(terms)
        }
        ("_&&_", kind) => Kind::And(vec![Node { at: left.at, kind }, right]),
        ("_||_", kind) => Kind::Or(vec![Node { at: left.at, kind }, right]),
        (_, kind) => return call(at, function, None, vec![Node { at: left.at, kind }, right]),
    };
    Node { at, kind }
}
