//! Waiting longer after each failure: 10 s, doubled up to 5 minutes, forgotten after 10 minutes of peace
//! (`k8s.io/client-go/util/flowcontrol/backoff.go`).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

const FIRST: SignedDuration = SignedDuration::from_secs(10);
const LONGEST: SignedDuration = SignedDuration::from_secs(300);

#[derive(Debug, Clone, Copy)]
struct Entry {
    delay: SignedDuration,
    updated: Timestamp,
}

/// Delays by key.
#[derive(Debug, Default)]
pub struct BackOff(BTreeMap<String, Entry>);

/// A delay that is not over yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delay {
    /// How long it is in all.
    pub length: SignedDuration,
    /// When it is over.
    pub until: Timestamp,
}

impl BackOff {
    /// The delay that `key` is in, counted from `since`, if it is not over at `now`.
    pub fn pending(&self, key: &str, since: Timestamp, now: Timestamp) -> Option<Delay> {
        let entry = self.0.get(key).filter(|entry| !is_forgotten(entry, now))?;
        let until = since + entry.delay;
        (now < until).then_some(Delay {
            length: entry.delay,
            until,
        })
    }

    /// The delay that `key` is in since its last failure.
    pub fn pending_since_last(&self, key: &str, now: Timestamp) -> Option<Delay> {
        self.pending(key, self.0.get(key)?.updated, now)
    }

    /// Makes the next delay of `key` longer.
    pub fn next(&mut self, key: &str, now: Timestamp) {
        let delay = match self.0.get(key).filter(|entry| !is_forgotten(entry, now)) {
            Some(entry) => (entry.delay * 2).min(LONGEST),
            None => FIRST,
        };
        self.0.insert(
            key.to_owned(),
            Entry {
                delay,
                updated: now,
            },
        );
    }
}

fn is_forgotten(entry: &Entry, now: Timestamp) -> bool {
    now.duration_since(entry.updated) > LONGEST * 2
}

impl Delay {
    /// The delay as Go prints a duration: `10s`, `1m20s`.
    pub fn printed(&self) -> String {
        let seconds = self.length.as_secs();
        match (seconds / 60, seconds % 60) {
            (0, seconds) => format!("{seconds}s"),
            (minutes, seconds) => format!("{minutes}m{seconds}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::BackOff;

    #[test]
    fn delays_double_up_to_five_minutes_and_are_forgotten_in_peace() {
        let mut back_off = BackOff::default();
        let mut now = Timestamp::UNIX_EPOCH;
        assert_eq!(back_off.pending("k", now, now), None);
        let mut seen = Vec::new();
        for _ in 0..7 {
            back_off.next("k", now);
            let delay = back_off.pending("k", now, now).unwrap();
            seen.push(delay.printed());
            now = delay.until;
            assert_eq!(back_off.pending_since_last("k", now), None);
        }
        assert_eq!(
            seen,
            ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"]
        );
        now += SignedDuration::from_secs(601);
        back_off.next("k", now);
        assert_eq!(back_off.pending("k", now, now).unwrap().printed(), "10s");
    }
}
