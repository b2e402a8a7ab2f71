//! How many refused attempts of each person are noted, and how many asks are taken.
//!
//! Both are cheap for whoever makes them and last in the log for ever: without a bound anybody who may send a
//! patch or an ask could fill the disk, and then nobody would be let in any more. A quota of the API server
//! comes too late for this: it is asked after the webhooks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// So many of one person within [`WINDOW`].
const MOST: u32 = 30;

const WINDOW: SignedDuration = SignedDuration::from_mins(1);

/// So many people are counted apart.
const PEOPLE: usize = 4096;

#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<String, Counted>>);

struct Counted {
    since: Timestamp,
    times: u32,
}

impl Attempts {
    /// Whether one more of this person is within the bound.
    pub(crate) fn count(&self, username: &str, now: Timestamp) -> bool {
        let mut people = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if people.len() >= PEOPLE {
            people.retain(|_, counted| now < counted.since + WINDOW);
        }
        if people.len() >= PEOPLE && !people.contains_key(username) {
            return false;
        }
        let counted = people.entry(username.to_owned()).or_insert(Counted {
            since: now,
            times: 0,
        });
        if now >= counted.since + WINDOW {
            *counted = Counted {
                since: now,
                times: 0,
            };
        }
        counted.times = counted.times.saturating_add(1);
        counted.times <= MOST
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::{Attempts, MOST};

    #[test]
    fn a_flood_of_one_person_is_not_noted_and_keeps_nobody_else_out_of_the_log() {
        let attempts = Attempts::default();
        let now = Timestamp::UNIX_EPOCH;
        let noted = (0..1000).filter(|_| attempts.count("mallory", now)).count();
        assert_eq!(u32::try_from(noted), Ok(MOST));
        assert!(attempts.count("alice", now));
        assert!(attempts.count("mallory", now + SignedDuration::from_mins(1)));
    }
}
