//! Tokens of CEL.

use kube_cel::cel::Value;

use super::literal;
use crate::environment::Issue;

/// A token and where it starts, in characters.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: TokenKind,
    /// As written.
    pub(super) text: String,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Literal(Value),
    Ident,
    /// A field name in backticks.
    Quoted,
    /// An operator, a bracket, `in`.
    Mark,
    End,
}

const MARKS: [&str; 26] = [
    "&&", "||", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "!", "<", ">", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}", "=", "\u{0}",
];

/// All tokens of `source`, closed by one of kind [`TokenKind::End`].
pub(super) fn tokens(source: &[char]) -> Result<Vec<Token>, Issue> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(start) = skip(source, at) {
        let (kind, end) = next(source, start)?;
        out.push(Token {
            at: start,
            kind,
            text: source[start..end].iter().collect(),
        });
        at = end;
    }
    out.push(Token {
        at: source.len(),
        kind: TokenKind::End,
        text: "<EOF>".to_owned(),
    });
    Ok(out)
}

/// The start of the next token after white space and comments.
fn skip(source: &[char], mut at: usize) -> Option<usize> {
    loop {
        match (source.get(at)?, source.get(at + 1)) {
            ('/', Some('/')) => {
                while source.get(at).is_some_and(|c| *c != '\n') {
                    at += 1;
                }
            }
            (c, _) if c.is_ascii_whitespace() || *c == '\u{c}' => at += 1,
            _ => return Some(at),
        }
    }
}

fn next(source: &[char], at: usize) -> Result<(TokenKind, usize), Issue> {
    let first = source[at];
    if let Some(found) = literal::text(source, at)? {
        return Ok(found);
    }
    if first.is_ascii_digit()
        || (first == '.' && source.get(at + 1).is_some_and(char::is_ascii_digit))
    {
        return literal::number(source, at);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        let end = at
            + source[at..]
                .iter()
                .take_while(|c| c.is_ascii_alphanumeric() || **c == '_')
                .count();
        let word: String = source[at..end].iter().collect();
        let kind = match word.as_str() {
            "true" => TokenKind::Literal(Value::Bool(true)),
            "false" => TokenKind::Literal(Value::Bool(false)),
            "null" => TokenKind::Literal(Value::Null),
            "in" => TokenKind::Mark,
            _ => TokenKind::Ident,
        };
        return Ok((kind, end));
    }
    if first == '`' {
        let inner = source[at + 1..].iter().take_while(|c| **c != '`').count();
        if inner > 0 && at + 1 + inner < source.len() {
            return Ok((TokenKind::Quoted, at + inner + 2));
        }
    }
    let mark = MARKS.iter().find(|mark| {
        mark.chars()
            .enumerate()
            .all(|(offset, c)| source.get(at + offset) == Some(&c))
            && **mark != "="
    });
    match mark {
        Some(mark) => Ok((TokenKind::Mark, at + mark.len())),
        None => Err(Issue {
            at,
            message: format!("Syntax error: token recognition error at: '{first}'"),
        }),
    }
}
