//! What whoever judges a request wants written beside it: annotations of its audit event.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What `encoding/json` escapes beyond what JSON needs. These characters stand in strings only.
const GO_ESCAPES: [(char, &str); 5] = [
    ('<', "\\u003c"),
    ('>', "\\u003e"),
    ('&', "\\u0026"),
    ('\u{2028}', "\\u2028"),
    ('\u{2029}', "\\u2029"),
];

/// How much is written of a request (`audit.k8s.io/v1 Level`), the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// Who, what, when, and how it was answered; no bodies.
    Metadata,
    /// That, and the request's object.
    Request,
    /// That, and the answer's object.
    RequestResponse,
}

impl Level {
    /// All levels, in the order in which Kubernetes names them.
    pub const ALL: [Self; 4] = [
        Self::None,
        Self::Metadata,
        Self::Request,
        Self::RequestResponse,
    ];

    /// As policies and events write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

/// Annotations of one request's audit event, shared by all who handle the request.
///
/// The default value keeps nothing and costs nothing: that is a request which is not audited.
/// The first value of a key stays, as in Kubernetes (`addAuditAnnotationLocked`): a write that is tried again on a
/// conflict does not change what was said of its first attempt.
#[derive(Debug, Clone, Default)]
pub struct Annotations(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    level: Level,
    all: Mutex<BTreeMap<String, String>>,
}

impl Annotations {
    /// Annotations of a request that is audited at `level`.
    pub fn at(level: Level) -> Self {
        if level == Level::None {
            return Self::default();
        }
        let all = Mutex::default();
        Self(Some(Arc::new(Shared { level, all })))
    }

    /// The level at which the request is audited.
    pub fn level(&self) -> Level {
        self.0.as_ref().map_or(Level::None, |shared| shared.level)
    }

    /// Adds what is written at level Metadata and above.
    pub fn insert(&self, key: impl Into<String>, value: impl Into<String>) {
        self.insert_at(Level::Metadata, key, value);
    }

    /// Adds what is written at `level` and above (`AddAnnotationWithLevel`).
    pub fn insert_at(&self, level: Level, key: impl Into<String>, value: impl Into<String>) {
        let Some(shared) = self.0.as_ref().filter(|shared| shared.level >= level) else {
            return;
        };
        let (key, value) = (key.into(), value.into());
        let mut all = shared.all.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get(&key) {
            Some(first) if *first != value => {
                tracing::debug!(key, value, first, "an audit annotation is set already");
            }
            Some(_) => {}
            None => drop(all.insert(key, value)),
        }
    }

    /// Adds a JSON value at `level`, as Go writes it: what has a meaning in HTML is escaped.
    pub fn insert_json_at(&self, level: Level, key: impl Into<String>, value: &serde_json::Value) {
        let mut text = value.to_string();
        for (character, escape) in GO_ESCAPES {
            text = text.replace(character, escape);
        }
        self.insert_at(level, key, text);
    }

    /// All of them, by key.
    pub fn all(&self) -> BTreeMap<String, String> {
        let Some(shared) = &self.0 else {
            return BTreeMap::new();
        };
        shared
            .all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_key_stays() {
        let annotations = Annotations::at(Level::Metadata);
        annotations.clone().insert("k", "first");
        annotations.insert("k", "second");
        annotations.insert("l", "other");
        let expected = [("k", "first"), ("l", "other")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(annotations.all(), BTreeMap::from(expected));
    }

    #[test]
    fn values_of_json_are_written_as_go_writes_them() {
        let annotations = Annotations::at(Level::Metadata);
        let value = serde_json::json!({"message": "failed expression: a < 1 && b > 2"});
        annotations.insert_json_at(Level::Metadata, "k", &value);
        let expected = r#"{"message":"failed expression: a \u003c 1 \u0026\u0026 b \u003e 2"}"#;
        assert_eq!(annotations.all()["k"], expected);
    }

    #[test]
    fn what_belongs_to_a_higher_level_is_left_out() {
        for level in Level::ALL {
            let annotations = Annotations::at(level);
            annotations.insert_at(Level::Request, "patch", "[]");
            assert_eq!(
                annotations.all().is_empty(),
                level < Level::Request,
                "{level:?}"
            );
        }
    }
}
