//! One step of a path into an object (`fieldpath.PathElement`), and the values in it.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Map, Value};

/// A JSON value with an order (`value.Compare`): numbers, strings, booleans, lists, maps, null.
#[derive(Debug, Clone)]
pub struct Json(pub Value);

impl Json {
    fn rank(&self) -> u8 {
        match self.0 {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }
}

impl Ord for Json {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Value::Number(a), Value::Number(b)) => {
                let float = |n: &serde_json::Number| n.as_f64().unwrap_or_default();
                let whole = a.as_i64().zip(b.as_i64()).map(|(a, b)| a.cmp(&b));
                whole.unwrap_or_else(|| float(a).total_cmp(&float(b)))
            }
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (a @ (Value::Array(_) | Value::Object(_)), b) if self.rank() == other.rank() => {
                a.to_string().cmp(&b.to_string())
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Json {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Json {}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of a struct or map.
    Field(String),
    /// An element of a list by its keys, in the order of their names.
    Key(Vec<(String, Json)>),
    /// A member of a set.
    Value(Json),
    /// An element of an atomic list by its place.
    Index(i64),
}

/// A name in `fieldsV1` that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseElementError {
    /// Shorter than a kind and a colon.
    #[error("key must be 2 characters long:")]
    Short,
    /// No colon after the kind.
    #[error("missing colon: {0}")]
    NoColon(String),
    /// A kind that a later version may know: it is skipped.
    #[error("unknown path element type")]
    Unknown,
    /// What follows the colon is not what its kind says.
    #[error("invalid path element {0:?}")]
    Content(String),
}

impl Element {
    /// A field.
    pub fn field(name: &str) -> Self {
        Self::Field(name.to_owned())
    }

    /// Reads `f:name`, `k:{"name":"app"}`, `v:"x"`, `i:0`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ParseElementError> {
        let (kind, rest) = text.split_at_checked(2).ok_or(ParseElementError::Short)?;
        if !kind.ends_with(':') {
            return Err(ParseElementError::NoColon(text.to_owned()));
        }
        let content = || ParseElementError::Content(text.to_owned());
        match kind {
            "f:" => Ok(Self::field(rest)),
            "v:" => serde_json::from_str(rest)
                .map(|value| Self::Value(Json(value)))
                .map_err(|_| content()),
            "k:" => {
                let keys: Map<String, Value> = serde_json::from_str(rest).map_err(|_| content())?;
                Ok(Self::keyed(keys.into_iter().collect()))
            }
            "i:" => rest.parse().map(Self::Index).map_err(|_| content()),
            _ => Err(ParseElementError::Unknown),
        }
    }

    /// An element of a list by its keys, in any order.
    pub fn keyed(keys: Vec<(String, Value)>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().map(|(k, v)| (k, Json(v))).collect();
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Self::Key(keys)
    }

    /// As `fieldsV1` names it.
    pub fn wire(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(keys) => {
                let keys: Map<String, Value> =
                    keys.iter().map(|(k, v)| (k.clone(), v.0.clone())).collect();
                format!("k:{}", Value::Object(keys))
            }
            Self::Value(value) => format!("v:{}", value.0),
            Self::Index(at) => format!("i:{at}"),
        }
    }
}

/// As messages print it: `.image`, `[name="app"]`, `[="x"]`, `[0]`.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, ".{name}"),
            Self::Key(keys) => {
                let keys: Vec<String> = keys
                    .iter()
                    .map(|(name, value)| format!("{name}={}", value.0))
                    .collect();
                write!(f, "[{}]", keys.join(","))
            }
            Self::Value(value) => write!(f, "[={}]", value.0),
            Self::Index(at) => write!(f, "[{at}]"),
        }
    }
}

/// A path as messages print it: `.spec.containers[name="app"].image`.
pub(super) fn printed(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_as_they_are_written() {
        for text in [
            "f:image",
            "k:{\"name\":\"app\"}",
            "k:{\"containerPort\":80,\"protocol\":\"TCP\"}",
            "v:\"x\"",
            "v:1",
            "i:3",
        ] {
            assert_eq!(Element::parse(text).expect("reads").wire(), text);
        }
        assert_eq!(Element::parse("x:1"), Err(ParseElementError::Unknown));
        assert_eq!(Element::parse("f"), Err(ParseElementError::Short));
        assert!(Element::parse("k:[]").is_err());
    }
}
