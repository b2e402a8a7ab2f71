//! Whether enough people have said yes, and whose word counts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use session::event::Quorum;
use session::{Approval, Person, SpecHash, Verdict};

use crate::{ApprovalRule, Policy};

/// What all the policies together ask for: of each group the most that one of them asks.
pub(crate) fn needed(policies: &[&Policy]) -> Vec<Quorum> {
    let mut most: BTreeMap<&str, u32> = BTreeMap::new();
    for policy in policies {
        let ApprovalRule::Quorum(parts) = &policy.approval.rule else {
            continue;
        };
        for part in parts {
            let count = most.entry(&part.group).or_default();
            *count = part.count.max(*count);
        }
    }
    most.into_iter()
        .map(|(group, count)| Quorum {
            group: group.to_owned(),
            count,
        })
        .collect()
}

/// Whether a verdict of this person can count where these people are asked: a no by anybody else would let
/// everybody keep everybody out.
pub fn may_judge(quorum: &[Quorum], person: &Person) -> bool {
    quorum
        .iter()
        .any(|part| person.groups.contains(&part.group))
}

/// Which verdicts count.
pub(crate) struct Counting<'a> {
    /// Who asks: never counts.
    pub(crate) requester: &'a Person,
    /// What must have been approved.
    pub(crate) spec_hash: SpecHash,
    /// How long an approval counts; `None` once the visit has begun.
    pub(crate) expiry: Option<Duration>,
    /// Now.
    pub(crate) now: Timestamp,
}

impl Counting<'_> {
    /// The approvals that make the quorum, or `None` while they do not.
    ///
    /// Each person fills one place: two groups are two people, even where one is in both.
    pub(crate) fn met<'v>(
        &self,
        quorum: &[Quorum],
        approvals: &'v [Approval],
    ) -> Option<Vec<&'v Approval>> {
        let people = self.people(approvals);
        let mut places: Vec<Place<'_>> = quorum
            .iter()
            .flat_map(|part| (0..part.count).map(|_| &part.group))
            .map(|group| Place {
                group,
                held_by: None,
            })
            .collect();
        for place in 0..places.len() {
            let mut tried = vec![false; people.len()];
            if !seat(place, &mut places, &people, &mut tried) {
                return None;
            }
        }
        let mut chosen: Vec<usize> = places.iter().filter_map(|p| p.held_by).collect();
        chosen.sort_unstable();
        Some(chosen.into_iter().map(|index| people[index]).collect())
    }

    /// One approval of each person who may count, the latest first.
    fn people<'v>(&self, approvals: &'v [Approval]) -> Vec<&'v Approval> {
        let mut latest: Vec<&Approval> = approvals.iter().filter(|a| self.counts(a)).collect();
        latest.sort_by(|a, b| (b.at, &b.uid).cmp(&(a.at, &a.uid)));
        let mut people: Vec<&Approval> = Vec::new();
        for approval in latest {
            let who = &approval.approver;
            if !people.iter().any(|p| p.approver.is_same_person_as(who)) {
                people.push(approval);
            }
        }
        people
    }

    fn counts(&self, approval: &Approval) -> bool {
        approval.verdict == Verdict::Approve
            && approval.spec_hash == self.spec_hash
            && !self.requester.is_same_person_as(&approval.approver)
            && self
                .expiry
                .is_none_or(|expiry| self.now < later(approval.at, expiry))
    }
}

struct Place<'a> {
    group: &'a str,
    held_by: Option<usize>,
}

/// Finds somebody for a place, moving others to other places where that helps (Kuhn's augmenting path).
fn seat(place: usize, places: &mut [Place<'_>], people: &[&Approval], tried: &mut [bool]) -> bool {
    for person in 0..people.len() {
        if tried[person] || !people[person].approver.groups.contains(places[place].group) {
            continue;
        }
        tried[person] = true;
        let held = places.iter().position(|p| p.held_by == Some(person));
        if held.is_none_or(|held| seat(held, places, people, tried)) {
            places[place].held_by = Some(person);
            return true;
        }
    }
    false
}

/// `from` and a duration on; `from` itself if that is beyond time, so that it is over at once.
pub(crate) fn later(from: Timestamp, duration: Duration) -> Timestamp {
    from.checked_add(duration).unwrap_or(from)
}
