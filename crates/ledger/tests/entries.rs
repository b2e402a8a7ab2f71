//! An entry is one spelling of one event, and nothing else is read as one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use jiff::Timestamp;
use ledger::entry::{Body, DecodeError, EncodeError, Entry, Refused};
use serde_json::json;
use session::event::{Attachment, Commit, Denial, Door, Event, Exit};
use session::{Container, Injection, Mode, Person, PodRef, Request, SessionId};

fn at() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn request() -> Request {
    Request {
        session: SessionId {
            namespace: "shop".into(),
            name: "s1".into(),
            uid: "0f9d2c41-77aa".into(),
        },
        requester: Person {
            username: "alice".into(),
            groups: ["sre".into()].into(),
            ..Person::default()
        },
        pod: PodRef {
            namespace: "shop".into(),
            name: "web".into(),
            uid: "p-1".into(),
        },
        mode: Mode::Ephemeral,
        container: Container::new(json!({"image": "tools", "futureField": {"b": 1, "a": 2}}))
            .unwrap(),
        injection: Injection::Requester,
        reason: "p99 is up".into(),
        ticket: "INC-1".into(),
        checked: vec![],
        duration: std::time::Duration::from_mins(15),
    }
}

#[test]
fn every_event_comes_back_as_it_was() {
    let events = [
        Event::Requested(request()),
        Event::Denied(Denial {
            why: vec!["no policy allows it".into()],
            by: None,
        }),
        Event::Committed(Commit {
            resource_version: "7".into(),
            deadline: at(),
        }),
        Event::Attached(Attachment {
            by: Person::default(),
            door: Door::Exec,
            stdin: true,
            tty: false,
            command: vec!["id".into()],
        }),
        Event::Overstayed,
        Event::Ended(Exit {
            code: None,
            reason: "PodGone".into(),
            message: String::new(),
            finished_at: None,
            image_id: String::new(),
        }),
        Event::Lost {
            why: "the Pod was deleted".into(),
        },
    ];
    for event in events {
        let bytes = Entry::of_session("0f9d2c41-77aa", at(), &event)
            .encode()
            .unwrap();
        let back = Entry::decode(&bytes).unwrap();
        assert_eq!(back.event().unwrap(), Some(event));
    }
}

#[test]
fn an_entry_in_another_spelling_is_no_entry() {
    let bytes = Entry::of_session("u", at(), &Event::Overstayed)
        .encode()
        .unwrap();
    let spaced = String::from_utf8(bytes.clone())
        .unwrap()
        .replace("{\"", "{ \"");
    assert!(
        matches!(
            Entry::decode(spaced.as_bytes()),
            Err(DecodeError::NotCanonical)
        ),
        "{spaced}"
    );
    let unknown = String::from_utf8(bytes)
        .unwrap()
        .replacen('{', r#"{"also":1,"#, 1);
    assert!(
        matches!(Entry::decode(unknown.as_bytes()), Err(DecodeError::Json(_))),
        "{unknown}"
    );
}

#[test]
fn an_entry_of_a_later_version_says_so() {
    let mut entry = Entry::of_log(at(), Body::Opened { writer: "x".into() });
    entry.v = 2;
    let bytes = entry.encode().unwrap();
    assert!(matches!(
        Entry::decode(&bytes),
        Err(DecodeError::Version(2))
    ));
}

#[test]
fn an_entry_too_long_for_a_bundle_is_refused() {
    let mut refused = Refused {
        by: (&Person::default()).into(),
        namespace: "shop".into(),
        pod: "web".into(),
        subresource: "ephemeralcontainers".into(),
        container: "c".into(),
        why: "x".repeat(65_000),
    };
    let short = Entry::of_log(at(), Body::Refused(refused.clone()));
    assert!(short.encode().is_ok());
    refused.why = "x".repeat(65_535);
    assert!(matches!(
        Entry::of_log(at(), Body::Refused(refused)).encode(),
        Err(EncodeError::TooLong { .. })
    ));
}
