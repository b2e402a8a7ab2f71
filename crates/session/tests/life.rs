//! Which event may follow which, as tables.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use session::event::{
    Closing, Commit, Denial, Exit, Grant, Node, Reservation, Started, Surroundings, Terms,
};
use session::{
    Approval, Container, Event, Injection, Mode, Person, Phase, PhaseName, PodRef, Refusal,
    Request, Session, SessionId, SpecHash, Verdict, step,
};

const UID: &str = "0f9d2c41-77aa-4c1e-9b1e-1f1f1f1f1f1f";

fn minute(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn person(username: &str, uid: &str) -> Person {
    Person {
        username: username.into(),
        uid: uid.into(),
        ..Person::default()
    }
}

fn request() -> Request {
    Request {
        session: SessionId {
            namespace: "shop".into(),
            name: "s".into(),
            uid: UID.into(),
        },
        requester: person("alice", "1"),
        pod: PodRef {
            namespace: "shop".into(),
            name: "web".into(),
            uid: "pod-1".into(),
        },
        mode: Mode::Ephemeral,
        container: Container::new(json!({"name": "visit-0f9d2c41", "image": "tools"})).unwrap(),
        injection: Injection::Requester,
        reason: "slow".into(),
        ticket: "INC-1".into(),
        checked: vec![],
        duration: Duration::from_mins(15),
    }
}

fn hash(of: &str) -> SpecHash {
    SpecHash::of(&request(), &request().container, &[], of)
}

fn proposed() -> Event {
    Event::Proposed(Terms {
        spec_hash: hash("reach"),
        container: request().container,
        policies: vec![],
        quorum: vec![],
        approve_until: minute(10),
        exposure: json!({}),
        exposure_digest: "reach".into(),
        effective: json!({}),
        surroundings: Surroundings::default(),
    })
}

fn judged(by: &Person, verdict: Verdict, of: &str) -> Event {
    Event::Judged(Approval {
        uid: format!("by-{}", by.username),
        name: "a".into(),
        approver: by.clone(),
        verdict,
        spec_hash: hash(of),
        comment: String::new(),
        at: minute(1),
    })
}

fn granted() -> Event {
    Event::Granted(Grant {
        spec_hash: hash("reach"),
        approvals: vec!["by-bob".into()],
        use_until: minute(20),
    })
}

fn reserved(container: &str, pod: &str) -> Event {
    Event::Reserved(Reservation {
        spec_hash: hash("reach"),
        by: person("alice", "1"),
        container: container.into(),
        pod_uid: pod.into(),
    })
}

fn committed() -> Event {
    Event::Committed(Commit {
        resource_version: "7".into(),
        deadline: minute(30),
    })
}

fn started() -> Event {
    Event::Started(Started {
        started_at: minute(2),
        container_id: "c".into(),
        image: "tools".into(),
        image_id: "sha256:1".into(),
        node: Node::default(),
    })
}

fn ended() -> Event {
    Event::Ended(Exit {
        code: Some(0),
        reason: "Completed".into(),
        message: String::new(),
        finished_at: None,
        image_id: String::new(),
    })
}

fn closed() -> Event {
    Event::Closed(Closing {
        pod_phase: "Running".into(),
        resource_version: "8".into(),
    })
}

fn after(events: &[Event]) -> Result<Session, Refusal> {
    let mut session = None;
    for event in events {
        session = Some(step(session, event, minute(1))?);
    }
    session.ok_or(Refusal::NotAsked)
}

fn yes() -> Event {
    judged(&person("bob", "2"), Verdict::Approve, "reach")
}

fn visit() -> Event {
    reserved("visit-0f9d2c41", "pod-1")
}

#[test]
fn a_life_goes_from_the_ask_to_the_close() {
    let life = [
        Event::Requested(request()),
        proposed(),
        yes(),
        granted(),
        visit(),
        committed(),
        started(),
        ended(),
        closed(),
    ];
    let phases = [
        PhaseName::Requested,
        PhaseName::AwaitingApproval,
        PhaseName::AwaitingApproval,
        PhaseName::Approved,
        PhaseName::Approved,
        PhaseName::Injected,
        PhaseName::Running,
        PhaseName::Ended,
        PhaseName::Closed,
    ];
    for (n, phase) in phases.into_iter().enumerate() {
        let session = after(&life[..=n]).unwrap();
        assert_eq!(session.phase.name(), phase, "after {}", life[n].name());
    }
}

/// What an event is refused with after these.
fn refusal(before: &[Event], event: &Event) -> Refusal {
    let session = if before.is_empty() {
        None
    } else {
        Some(after(before).unwrap())
    };
    step(session, event, minute(1)).unwrap_err()
}

#[test]
fn what_cannot_follow_is_refused() {
    let asked = [Event::Requested(request()), proposed()];
    let approved = [Event::Requested(request()), proposed(), yes(), granted()];
    let inside = [&approved[..], &[visit(), committed()]].concat();
    let alice = person("alice", "1");
    let why = String::new();
    assert_eq!(refusal(&[], &proposed()), Refusal::NotAsked);
    assert_eq!(
        refusal(&asked, &Event::Requested(request())),
        Refusal::AlreadyAsked
    );
    let out_of_order: [(&[Event], Event); 7] = [
        (&asked, visit()),
        (&asked, committed()),
        (&approved, committed()),
        (&approved, yes()),
        (&inside, visit()),
        (&inside, Event::Withdrawn { by: alice }),
        (&inside, Event::Voided { why }),
    ];
    for (before, event) in out_of_order {
        let refused = refusal(before, &event);
        assert!(
            matches!(refused, Refusal::OutOfOrder { .. }),
            "{} after {before:?}: {refused}",
            event.name()
        );
    }
}

#[test]
fn only_another_person_approves_and_only_these_terms() {
    let asked = [Event::Requested(request()), proposed()];
    let judged = |username, uid, of| judged(&person(username, uid), Verdict::Approve, of);
    let other_terms = refusal(&asked, &judged("bob", "2", "more"));
    assert!(matches!(other_terms, Refusal::OtherTerms { .. }));
    for own in [
        judged("alice", "", "reach"),
        judged("alice@corp", "1", "reach"),
    ] {
        assert!(matches!(refusal(&asked, &own), Refusal::OwnApproval(_)));
    }
    let withdrawn = Event::Withdrawn {
        by: person("bob", "2"),
    };
    assert!(matches!(
        refusal(&asked, &withdrawn),
        Refusal::NotTheRequester(_)
    ));
}

#[test]
fn a_grant_is_for_one_container_in_one_pod() {
    let approved = [Event::Requested(request()), proposed(), yes(), granted()];
    for other in [
        reserved("visit-ffffffff", "pod-1"),
        reserved("visit-0f9d2c41", "pod-2"),
    ] {
        assert!(matches!(
            refusal(&approved, &other),
            Refusal::OtherContainer { .. }
        ));
    }
}

#[test]
fn the_same_reservation_asked_again_is_one_reservation() {
    let held = after(&[
        Event::Requested(request()),
        proposed(),
        yes(),
        granted(),
        visit(),
    ])
    .unwrap();
    assert_eq!(
        step(Some(held), &visit(), minute(1)),
        Err(Refusal::AlreadyReserved)
    );
}

#[test]
fn a_void_reservation_uses_nothing_up() {
    let voided = Event::Voided {
        why: "not in the Pod".into(),
    };
    let events = [
        Event::Requested(request()),
        proposed(),
        yes(),
        granted(),
        visit(),
        voided,
        visit(),
    ];
    assert_eq!(after(&events).unwrap().phase.name(), PhaseName::Approved);
}

#[test]
fn what_is_in_the_pod_after_its_promise_was_found_void_is_a_visit_all_the_same() {
    let why = "not in the Pod".to_owned();
    let approved = [Event::Requested(request()), proposed(), yes(), granted()];
    let seen = Event::Committed(Commit {
        resource_version: "9".into(),
        deadline: minute(15),
    });
    let late = [visit(), Event::Voided { why: why.clone() }, seen.clone()];
    let events: Vec<Event> = approved.iter().chain(&late).cloned().collect();
    assert_eq!(after(&events).unwrap().phase.name(), PhaseName::Injected);
    assert!(matches!(
        refusal(&approved, &seen),
        Refusal::OutOfOrder { .. }
    ));
    let promised = |events: &[Event]| {
        let events: Vec<Event> = approved.iter().chain(events).cloned().collect();
        let phase = after(&events).unwrap().phase;
        let Phase::Lost { promised, .. } = phase else {
            panic!("{phase:?}")
        };
        promised
    };
    let lost = Event::Lost { why: "gone".into() };
    assert!(promised(&[visit(), lost.clone()]), "nobody can say");
    assert!(!promised(&[visit(), Event::Voided { why }, lost.clone()]));
    assert!(!promised(&[lost]));
}

#[test]
fn a_promise_that_may_have_been_kept_does_not_expire() {
    let held = after(&[
        Event::Requested(request()),
        proposed(),
        yes(),
        granted(),
        visit(),
    ])
    .unwrap();
    for event in [
        Event::Expired { why: String::new() },
        Event::Failed { why: String::new() },
        Event::Denied(Denial {
            why: vec![],
            by: None,
        }),
    ] {
        assert!(
            step(Some(held.clone()), &event, minute(1)).is_err(),
            "{}",
            event.name()
        );
    }
}

#[test]
fn too_late_is_too_late() {
    let asked = after(&[Event::Requested(request()), proposed()]).unwrap();
    assert_eq!(
        step(Some(asked), &yes(), minute(10)),
        Err(Refusal::TooLate(minute(10)))
    );
    let approved = after(&[Event::Requested(request()), proposed(), yes(), granted()]).unwrap();
    assert_eq!(
        step(Some(approved), &visit(), minute(20)),
        Err(Refusal::TooLate(minute(20)))
    );
}

#[test]
fn of_one_person_the_last_verdict_counts() {
    let no = judged(&person("bob", "2"), Verdict::Deny, "reach");
    let session = after(&[Event::Requested(request()), proposed(), yes(), no]).unwrap();
    let verdicts: Vec<Verdict> = session
        .phase
        .approvals()
        .iter()
        .map(|a| a.verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::Deny]);
}

#[test]
fn everything_that_an_approver_says_yes_to_is_in_the_hash() {
    let base = request();
    let hash = |r: &Request| SpecHash::of(r, &r.container, &[], "reach");
    let changes: [fn(&mut Request); 8] = [
        |r| r.session.uid = "another".into(),
        |r| r.requester.username = "mallory".into(),
        |r| r.pod.uid = "pod-2".into(),
        |r| r.injection = Injection::Controller,
        |r| r.reason = "another".into(),
        |r| r.ticket = "INC-2".into(),
        |r| r.duration = Duration::from_secs(901),
        |r| r.container = Container::new(json!({"image": "tools", "futureField": 1})).unwrap(),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut other = request();
        change(&mut other);
        assert_ne!(hash(&base), hash(&other), "change {n}");
    }
    let text = hash(&base).to_string();
    assert_eq!(text.parse::<SpecHash>().unwrap(), hash(&base));
}
