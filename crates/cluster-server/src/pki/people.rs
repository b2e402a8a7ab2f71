//! The people that the cluster knows from its first start, and their bearer tokens.

use std::path::Path;

use rand::RngCore;
use serde_json::{Map, Value};

use super::{PkiError, files};
use crate::identity::User;

/// Names and groups of the people.
pub const PEOPLE: [(&str, &[&str]); 4] = [
    ("admin", &["system:masters"]),
    ("alice", &["sre"]),
    ("bob", &["sre", "approvers"]),
    ("carl", &["viewers"]),
];

/// Somebody with a bearer token.
#[derive(Clone)]
pub struct Person {
    /// The user name.
    pub name: String,
    /// Their groups, without `system:authenticated`.
    pub groups: Vec<String>,
    /// Their bearer token.
    pub token: String,
}

impl Person {
    /// The user that the token stands for.
    pub fn user(&self) -> User {
        let mut groups = self.groups.clone();
        groups.push("system:authenticated".to_owned());
        User {
            name: self.name.clone(),
            uid: format!("{}-uid", self.name),
            groups,
            ..User::default()
        }
    }
}

/// Reads `users.json` (name to token), or writes one; somebody missing from it gets a token added.
pub(super) fn open(path: &Path) -> Result<Vec<Person>, PkiError> {
    let mut tokens: Map<String, Value> = match files::read(path)? {
        Some(text) => serde_json::from_str(&text).map_err(|_| PkiError::Pem {
            path: path.to_owned(),
        })?,
        None => Map::new(),
    };
    let before = tokens.clone();
    let people = PEOPLE.iter().map(|(name, groups)| {
        let known = tokens
            .get(*name)
            .and_then(Value::as_str)
            .filter(|token| !token.is_empty())
            .map(str::to_owned);
        let token = known.unwrap_or_else(random_token);
        tokens.insert((*name).to_owned(), token.clone().into());
        Person {
            name: (*name).to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            token,
        }
    });
    let people: Vec<Person> = people.collect();
    if tokens != before {
        let text = serde_json::to_string_pretty(&Value::Object(tokens)).unwrap_or_default();
        files::write_private(path, text.as_bytes())?;
    }
    Ok(people)
}

/// 256 random bits.
fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}
