//! Events go an hour after they were last written (`kube-apiserver --event-ttl`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Follow;
use super::follow::Seen;
use crate::api::Api;

const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// When an Event goes: then, its namespace, name and the revision that is to go. A later write has a later entry.
type Due = (Timestamp, String, String, u64);

/// Follows the Events.
pub(super) async fn run(api: Arc<Api>) {
    let mut events = Follow::new(&api.store, "events");
    let mut due: BTreeSet<Due> = BTreeSet::new();
    loop {
        let now = api.clock.now();
        let wait = due.first().map(|(at, ..)| at.duration_since(now));
        let wait = wait.map_or(Duration::MAX, |wait| {
            Duration::try_from(wait).unwrap_or_default()
        });
        tokio::select! {
            seen = events.next() => match seen {
                Some(seen) => due.extend(entry(&seen, now)),
                None => return,
            },
            () = tokio::time::sleep(wait) => {
                if let Some((_, namespace, name, revision)) = due.pop_first() {
                    // Gone, or written again: then there is nothing to do, or an entry for it.
                    drop(api.store.delete("events", &namespace, &name, Some(revision)).await);
                }
            }
        }
    }
}

fn entry(seen: &Seen, now: Timestamp) -> Option<Due> {
    let meta = &seen.object.value["metadata"];
    let text = |name: &str| meta[name].as_str().unwrap_or_default().to_owned();
    let at = touched(&seen.object.value).unwrap_or(now).min(now) + LIFETIME;
    (!seen.gone).then(|| (at, text("namespace"), text("name"), seen.object.revision))
}

/// When the Event was last written, as it says itself.
fn touched(event: &Value) -> Option<Timestamp> {
    let times = [
        &event["metadata"]["creationTimestamp"],
        &event["eventTime"],
        &event["lastTimestamp"],
        &event["series"]["lastObservedTime"],
    ];
    let times = times.into_iter().filter_map(Value::as_str);
    times.filter_map(|time| time.parse().ok()).max()
}
