//! Numbers, strings and bytes as they are written.

use std::sync::Arc;

use kube_cel::cel::Value;

use super::token::TokenKind;
use crate::environment::Issue;

fn issue(at: usize, message: impl Into<String>) -> Issue {
    Issue {
        at,
        message: message.into(),
    }
}

/// A number from `at` on, and where it ends.
pub(super) fn number(source: &[char], at: usize) -> Result<(TokenKind, usize), Issue> {
    let digits = |from: usize, radix: u32| {
        from + source[from..]
            .iter()
            .take_while(|c| c.is_digit(radix))
            .count()
    };
    let is = |at: usize, set: &str| source.get(at).is_some_and(|c| set.contains(*c));
    let text = |from: usize, to: usize| source[from..to].iter().collect::<String>();
    if source[at] == '0' && is(at + 1, "xX") {
        let end = digits(at + 2, 16);
        let written = text(at + 2, end);
        return integer(&written, 16, at, end, is(end, "uU"));
    }
    let mut end = digits(at, 10);
    let mut float = false;
    if is(end, ".") && source.get(end + 1).is_some_and(char::is_ascii_digit) {
        float = true;
        end = digits(end + 1, 10);
    }
    let exponent = end + 1 + usize::from(is(end + 1, "+-"));
    if is(end, "eE") && source.get(exponent).is_some_and(char::is_ascii_digit) {
        float = true;
        end = digits(exponent, 10);
    }
    if float {
        let value = text(at, end)
            .parse()
            .map_err(|_| issue(at, "invalid double literal"))?;
        return Ok((TokenKind::Literal(Value::Float(value)), end));
    }
    integer(&text(at, end), 10, at, end, is(end, "uU"))
}

fn integer(
    digits: &str,
    radix: u32,
    at: usize,
    end: usize,
    unsigned: bool,
) -> Result<(TokenKind, usize), Issue> {
    let value = u64::from_str_radix(digits, radix);
    if unsigned {
        let value = value.map_err(|_| issue(at, "invalid uint literal"))?;
        return Ok((TokenKind::Literal(Value::UInt(value)), end + 1));
    }
    // The magnitude of the least integer is one more than the greatest: the sign is seen by the grammar.
    let value = value.map_err(|_| issue(at, "invalid int literal"))?;
    match i64::try_from(value) {
        Ok(value) => Ok((TokenKind::Literal(Value::Int(value)), end)),
        Err(_) if value == 1 << 63 => Ok((TokenKind::Literal(Value::Int(i64::MIN)), end)),
        Err(_) => Err(issue(at, "invalid int literal")),
    }
}

/// A string or bytes literal from `at` on, and where it ends; `None` if none starts here.
pub(super) fn text(source: &[char], at: usize) -> Result<Option<(TokenKind, usize)>, Issue> {
    let mut from = at;
    let (mut raw, mut bytes) = (false, false);
    while let Some(c) = source.get(from) {
        match c {
            'r' | 'R' if !raw => raw = true,
            'b' | 'B' if !bytes => bytes = true,
            _ => break,
        }
        from += 1;
    }
    let Some(quote) = source
        .get(from)
        .copied()
        .filter(|c| matches!(c, '"' | '\''))
    else {
        return Ok(None);
    };
    let triple = source.get(from + 1) == Some(&quote) && source.get(from + 2) == Some(&quote);
    let length = if triple { 3 } else { 1 };
    let mut here = from + length;
    let mut out = Text {
        text: Vec::new(),
        bytes,
    };
    loop {
        let Some(c) = source.get(here).copied().filter(|c| triple || *c != '\n') else {
            let rest: String = source[at..].iter().collect();
            return Err(issue(
                at,
                format!("Syntax error: token recognition error at: '{rest}'"),
            ));
        };
        if (here..here + length).all(|at| source.get(at) == Some(&quote)) {
            break;
        }
        if c == '\\' && !raw {
            here = escape(source, here, &mut out)?;
        } else {
            out.push(c);
            here += 1;
        }
    }
    Ok(Some((TokenKind::Literal(out.finish(at)?), here + length)))
}

struct Text {
    text: Vec<u8>,
    bytes: bool,
}

impl Text {
    fn push(&mut self, c: char) {
        self.text.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn finish(self, at: usize) -> Result<Value, Issue> {
        if self.bytes {
            return Ok(Value::Bytes(Arc::new(self.text)));
        }
        let text = String::from_utf8(self.text).map_err(|_| issue(at, "invalid string literal"))?;
        Ok(Value::String(Arc::new(text)))
    }
}

/// Reads the escape sequence at `at`; the answer is where it ends.
fn escape(source: &[char], at: usize, out: &mut Text) -> Result<usize, Issue> {
    let bad = || issue(at, "Syntax error: token recognition error at: '\\'");
    let letter = source.get(at + 1).copied().ok_or_else(bad)?;
    let plain = match letter {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\\' | '\'' | '"' | '`' | '?' => Some(letter),
        _ => None,
    };
    if let Some(plain) = plain {
        out.push(plain);
        return Ok(at + 2);
    }
    let (from, count, radix) = match letter {
        'x' | 'X' => (at + 2, 2, 16),
        'u' => (at + 2, 4, 16),
        'U' => (at + 2, 8, 16),
        '0'..='3' => (at + 1, 3, 8),
        _ => return Err(bad()),
    };
    let digits: String = source
        .get(from..from + count)
        .ok_or_else(bad)?
        .iter()
        .collect();
    let code = u32::from_str_radix(&digits, radix).map_err(|_| bad())?;
    if out.bytes && !matches!(letter, 'u' | 'U') {
        out.text.push(u8::try_from(code).map_err(|_| bad())?);
    } else {
        out.push(char::from_u32(code).ok_or_else(bad)?);
    }
    Ok(from + count)
}
