//! JSON as Kubernetes reads it: repeated fields are found, syntax errors are told in the words of Go's parser, and
//! nesting is bounded.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why a text is not JSON; printed as Go's `encoding/json` says it, where the cases are known.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct SyntaxError {
    text: String,
}

/// Parses a text. The second value names the fields that occur twice, as `spec.containers[0].name`; the last one counts.
pub fn parse(bytes: &[u8]) -> Result<(Value, Vec<String>), SyntaxError> {
    let mut duplicates = Vec::new();
    let mut path = String::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let node = Node {
        path: &mut path,
        duplicates: &mut duplicates,
    };
    let parsed = node
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    let value = parsed.map_err(|error| SyntaxError {
        text: go_message(bytes, &error),
    })?;
    Ok((value, duplicates))
}

fn go_message(bytes: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() || bytes.iter().all(u8::is_ascii_whitespace) {
        return "unexpected end of JSON input".to_owned();
    }
    let offset = offset_of(bytes, error.line(), error.column());
    let Some(found) = offset
        .and_then(|at| std::str::from_utf8(&bytes[at..]).ok())
        .and_then(|rest| rest.chars().next())
    else {
        return error.to_string();
    };
    let text = error.to_string();
    let place = match text.split(" at line ").next().unwrap_or_default() {
        "key must be a string" => "looking for beginning of object key string",
        "expected `:`" => "after object key",
        "expected `,` or `}`" => "after object key:value pair",
        "expected `,` or `]`" => "after array element",
        "trailing characters" => "after top-level value",
        "expected value" | "expected ident" => "looking for beginning of value",
        _ => return text,
    };
    format!("invalid character {found:?} {place}")
}

fn offset_of(bytes: &[u8], line: usize, column: usize) -> Option<usize> {
    let start = match line {
        0 | 1 => 0,
        line => bytes
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'\n')
            .nth(line - 2)
            .map(|(at, _)| at + 1)?,
    };
    let at = start + column.checked_sub(1)?;
    (at < bytes.len()).then_some(at)
}

/// One value at a path.
struct Node<'a> {
    path: &'a mut String,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let (mut out, length) = (Vec::new(), self.path.len());
        loop {
            self.path.extend(["[", &out.len().to_string(), "]"]);
            let item = items.next_element_seed(Node {
                path: self.path,
                duplicates: self.duplicates,
            })?;
            self.path.truncate(length);
            match item {
                Some(item) => out.push(item),
                None => return Ok(Value::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let (mut out, length) = (Map::new(), self.path.len());
        while let Some(key) = fields.next_key::<String>()? {
            if length > 0 {
                self.path.push('.');
            }
            self.path.push_str(&key);
            let value = fields.next_value_seed(Node {
                path: self.path,
                duplicates: self.duplicates,
            })?;
            if out.insert(key, value).is_some() && !self.duplicates.contains(self.path) {
                self.duplicates.push(self.path.clone());
            }
            self.path.truncate(length);
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syntax_errors_are_told_as_go_tells_them() {
        let cases = [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            (
                "{not json",
                "invalid character 'n' looking for beginning of object key string",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{} x", "invalid character 'x' after top-level value"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                parse(text.as_bytes()).expect_err("rejected").to_string(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn repeated_fields_are_found_and_the_last_one_counts() {
        let (value, twice) = parse(br#"{"spec":{"c":[{"a":1,"a":2,"a":3}]}}"#).expect("parses");
        assert_eq!(value["spec"]["c"][0]["a"], 3);
        assert_eq!(twice, ["spec.c[0].a"]);
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        assert!(parse(deep.as_bytes()).is_err());
    }
}
