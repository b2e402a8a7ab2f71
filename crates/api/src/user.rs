//! Who acts, as objects and AdmissionReviews write it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::authentication::v1::UserInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use session::Person;

/// An authenticated user in one of our objects. The webhook stamps it; a client leaves it out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stamp {
    /// The user name.
    pub username: String,
    /// The authenticator's stable identifier; empty when it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Groups at the time of the request.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
    /// Further facts of the authenticator.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl From<&Person> for Stamp {
    fn from(person: &Person) -> Self {
        Self {
            username: person.username.clone(),
            uid: person.uid.clone(),
            groups: person.groups.clone(),
            extra: person.extra.clone(),
        }
    }
}

impl From<&Stamp> for Person {
    fn from(stamp: &Stamp) -> Self {
        Self {
            username: stamp.username.clone(),
            uid: stamp.uid.clone(),
            groups: stamp.groups.clone(),
            extra: stamp.extra.clone(),
        }
    }
}

/// The person of an AdmissionReview's or TokenReview's `userInfo`.
pub fn person(user: &UserInfo) -> Person {
    Person {
        username: user.username.clone().unwrap_or_default(),
        uid: user.uid.clone().unwrap_or_default(),
        groups: user.groups.iter().flatten().cloned().collect(),
        extra: user.extra.clone().unwrap_or_default(),
    }
}
