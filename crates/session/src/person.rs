//! Who acts.

use std::collections::{BTreeMap, BTreeSet};

/// An authenticated user as the API server names it (`authentication.k8s.io/v1 UserInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The user name.
    pub username: String,
    /// The authenticator's stable identifier; empty when it has none.
    pub uid: String,
    /// Groups, as the authenticator told them at the time.
    pub groups: BTreeSet<String>,
    /// Further facts of the authenticator, for example the human an agent acts for.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Person {
    /// Whether both names belong to one person: the same username, or the same **non-empty** uid.
    ///
    /// An empty uid says nothing: two users of an authenticator without uids are two people.
    pub fn is_same_person_as(&self, other: &Self) -> bool {
        self.username == other.username || (!self.uid.is_empty() && self.uid == other.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::Person;

    fn person(username: &str, uid: &str) -> Person {
        Person {
            username: username.into(),
            uid: uid.into(),
            ..Person::default()
        }
    }

    #[test]
    fn one_person_is_one_username_or_one_uid_that_is_there() {
        let check = |a: (&str, &str), b: (&str, &str), same: bool| {
            assert_eq!(
                person(a.0, a.1).is_same_person_as(&person(b.0, b.1)),
                same,
                "{a:?} {b:?}"
            );
        };
        check(("alice", ""), ("alice", ""), true);
        check(("alice", "1"), ("alice", "2"), true);
        check(("alice", "1"), ("alice@corp", "1"), true);
        check(("alice", ""), ("bob", ""), false);
        check(("alice", "1"), ("bob", "2"), false);
    }
}
