//! The lexer and the recursive descent of `labels.Parser`, with its messages.

use serde_json::Value;

use super::Requirement;
use crate::kinds::names;

/// Parses a selector into its requirements, ordered by key.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser {
        tokens: tokens(text),
        at: 0,
    };
    let mut requirements = parser.selector()?;
    requirements.sort_by(|a, b| key_of(a).cmp(key_of(b)));
    Ok(requirements)
}

fn key_of(requirement: &Requirement) -> &str {
    match requirement {
        Requirement::In(key, _)
        | Requirement::NotIn(key, _)
        | Requirement::Exists(key)
        | Requirement::Absent(key)
        | Requirement::Greater(key, _)
        | Requirement::Less(key, _) => key,
    }
}

/// `in` and `notin` are words: only the place decides whether they are operators.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Symbol(&'static str),
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Symbol(symbol) => symbol,
            Self::End => "",
        }
    }

    /// Whether a requirement may begin with it.
    fn begins(&self) -> bool {
        matches!(self, Self::Word(_) | Self::Symbol("!"))
    }
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
const SPECIAL: [char; 7] = ['=', '!', '(', ')', ',', '>', '<'];

fn tokens(text: &str) -> Vec<Token> {
    // Longer ones first.
    const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
    // A zero byte ends the text, as Go's lexer has it.
    let text = text.split('\0').next().unwrap_or_default();
    let (mut rest, mut out) = (text.trim_start_matches(SPACE), Vec::new());
    while !rest.is_empty() {
        if let Some(symbol) = SYMBOLS.into_iter().find(|s| rest.starts_with(s)) {
            out.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            let end = rest
                .find(|c| SPACE.contains(&c) || SPECIAL.contains(&c))
                .unwrap_or(rest.len());
            out.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        rest = rest.trim_start_matches(SPACE);
    }
    out
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut out = Vec::new();
        loop {
            match self.peek() {
                Token::End => return Ok(out),
                token if token.begins() => {}
                other => {
                    let found = other.text();
                    return Err(format!(
                        "found '{found}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
            let requirement = self.requirement();
            out.push(requirement.map_err(|e| format!("unable to parse requirement: {e}"))?);
            match self.next() {
                Token::End => return Ok(out),
                Token::Symbol(",") if self.peek().begins() => {}
                Token::Symbol(",") => {
                    let found = self.peek();
                    let found = found.text();
                    return Err(format!("found '{found}', expected: identifier after ','"));
                }
                other => {
                    let found = other.text();
                    return Err(format!("found '{found}', expected: ',' or 'end of string'"));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.peek() == Token::Symbol("!");
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(word) => word,
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        };
        let complaints = names::qualified(&key);
        if !complaints.is_empty() {
            let (shown, why) = (Value::from(key), complaints.join("; "));
            return Err(format!("<nil>: Invalid value: {shown}: {why}"));
        }
        match self.peek() {
            _ if absent => Ok(Requirement::Absent(key)),
            Token::End | Token::Symbol(",") => Ok(Requirement::Exists(key)),
            _ => self.comparison(key),
        }
    }

    fn comparison(&mut self, key: String) -> Result<Requirement, String> {
        let operator = self.next();
        let values = match operator.text() {
            "in" | "notin" => self.set()?,
            "=" | "==" | "!=" | ">" | "<" => vec![self.value()?],
            other => {
                return Err(format!(
                    "found '{other}', expected: in, notin, =, ==, !=, gt, lt"
                ));
            }
        };
        let numeric = matches!(operator.text(), ">" | "<");
        let mut errors = Vec::new();
        let shown = |value: &str| Value::from(value).to_string();
        for (at, value) in values.iter().enumerate() {
            if numeric && value.parse::<i64>().is_err() {
                errors.push(format!("values[{at}]: Invalid value: {}: for 'Gt', 'Lt' operators, the value must be an integer", shown(value)));
            }
            let complaints = names::label_value(value);
            if !complaints.is_empty() {
                let why = complaints.join("; ");
                errors.push(format!(
                    "values[{at}][{key}]: Invalid value: {}: {why}",
                    shown(value)
                ));
            }
        }
        match errors.as_slice() {
            [] => {}
            [one] => return Err(one.clone()),
            many => return Err(format!("[{}]", many.join(", "))),
        }
        let number = values.first().and_then(|v| v.parse().ok()).unwrap_or(0);
        Ok(match operator.text() {
            "in" | "=" | "==" => Requirement::In(key, values),
            ">" => Requirement::Greater(key, number),
            "<" => Requirement::Less(key, number),
            _ => Requirement::NotIn(key, values),
        })
    }

    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Word(word) => {
                self.next();
                Ok(word)
            }
            other @ Token::Symbol(_) => {
                Err(format!("found '{}', expected: identifier", other.text()))
            }
        }
    }

    /// `(a,b)`; an empty place is the empty value.
    fn set(&mut self) -> Result<Vec<String>, String> {
        match self.next() {
            Token::Symbol("(") => {}
            other => return Err(format!("found '{}' expected: '('", other.text())),
        }
        match self.peek() {
            Token::Word(_) | Token::Symbol("," | ")") => {}
            other => {
                let found = other.text();
                return Err(format!("found '{found}', expected: ',', ')' or identifier"));
            }
        }
        let mut out = self.items()?;
        out.sort();
        out.dedup();
        Ok(out)
    }

    /// What is between the parentheses, and the closing one.
    fn items(&mut self) -> Result<Vec<String>, String> {
        let mut out = Vec::new();
        loop {
            match self.next() {
                Token::Word(word) => {
                    out.push(word);
                    match self.peek() {
                        Token::Symbol(",") => {}
                        Token::Symbol(")") => {
                            self.next();
                            return Ok(out);
                        }
                        other => {
                            let found = other.text();
                            return Err(format!("found '{found}', expected: ',' or ')'"));
                        }
                    }
                }
                Token::Symbol(",") => {
                    if out.is_empty() || matches!(self.peek(), Token::Symbol("," | ")")) {
                        out.push(String::new());
                    }
                    if self.peek() == Token::Symbol(")") {
                        self.next();
                        return Ok(out);
                    }
                }
                Token::Symbol(")") if out.is_empty() => return Ok(vec![String::new()]),
                other => {
                    let found = other.text();
                    return Err(format!("found '{found}', expected: ',', or identifier"));
                }
            }
        }
    }
}
