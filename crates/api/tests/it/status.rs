//! From sessions to what objects show.

use api::DebugSessionStatus;
use api::session_status::Phase;
use jiff::Timestamp;
use serde_json::json;
use session::event::Denial;
use session::{Event, step};

fn request() -> session::Request {
    let object: api::DebugSession = serde_json::from_value(json!({
        "metadata": {"name": "look", "namespace": "shop", "uid": "0f9d2c41-77aa"},
        "spec": {
            "pod": {"name": "cart", "uid": "pod-1"}, "container": {"image": "dbg"},
            "reason": "why", "requester": {"username": "alice"},
        },
    }))
    .unwrap();
    api::request(&object).unwrap()
}

#[test]
fn a_status_shows_the_phase_the_reason_and_the_entries() {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let asked = step(None, &Event::Requested(request()), at(10)).unwrap();
    let status = api::status(&asked, &[3]);
    assert_eq!(status.phase, Phase::Requested);
    assert_eq!(status.handle, "visit-0f9d2c41");
    assert_eq!(status.ledger.map(|l| (l.first, l.last)), Some((3, 3)));
    let conditions = |status: &DebugSessionStatus| -> Vec<String> {
        let say = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
            format!("{}={}", c.type_, c.status)
        };
        status.conditions.iter().map(say).collect()
    };
    assert_eq!(
        conditions(&status),
        ["Approved=Unknown", "Entered=Unknown", "Closed=False"]
    );

    let denial = Event::Denied(Denial {
        why: vec!["no policy".into()],
        by: None,
    });
    let denied = step(Some(asked), &denial, at(20)).unwrap();
    let later = api::status(&denied, &[3, 7]).keeping_transitions(Some(&status));
    assert_eq!(later.message, "no policy");
    assert_eq!(
        conditions(&later),
        ["Approved=False", "Entered=False", "Closed=True"]
    );
    assert_eq!(later.conditions[0].last_transition_time.0, at(20));
    let again = api::status(&denied, &[3, 7]).keeping_transitions(Some(&later));
    assert_eq!(again, later);
}
