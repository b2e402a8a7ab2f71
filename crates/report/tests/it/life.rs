//! Sessions as entries.

use std::time::Duration;

use jiff::Timestamp;
use ledger::entry::Entry;
use serde_json::json;
use session::event::{
    Attachment, Closing, Commit, Denial, Door, Exit, Grant, Node, Quorum, Reservation, Right,
    Started, Surroundings, Terms,
};
use session::{
    Approval, Checked, Container, Event, Injection, Mode, Person, PodRef, PolicyVersion, Request,
    SessionId, SpecHash, Surface, Verdict,
};

pub(crate) const UID: &str = "0f9d2c41-77aa-4c1e-9b1e-1f1f1f1f1f1f";

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn person(name: &str, group: &str) -> Person {
    Person {
        username: name.into(),
        groups: [group.to_owned()].into(),
        ..Person::default()
    }
}

fn container() -> Container {
    Container::new(json!({
        "name": "visit-0f9d2c41",
        "image": "tools:1",
        "command": ["sh", "-c", "id"],
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}},
        "stdin": true,
        "targetContainerName": "app",
    }))
    .unwrap()
}

pub(crate) fn request() -> Request {
    Request {
        session: SessionId {
            namespace: "shop".into(),
            name: "cart-x".into(),
            uid: UID.into(),
        },
        requester: person("alice", "sre"),
        pod: PodRef {
            namespace: "shop".into(),
            name: "cart".into(),
            uid: "pod-1".into(),
        },
        mode: Mode::Ephemeral,
        container: container(),
        injection: Injection::Controller,
        reason: "the cart answers 500\u{202e}\u{1b}[31m".into(),
        ticket: String::new(),
        checked: vec![Checked {
            surface: Surface::Logs,
            fell_short: "they end before the fault".into(),
        }],
        duration: Duration::from_mins(10),
    }
}

fn terms() -> Terms {
    let policies = vec![PolicyVersion {
        name: "on-call".into(),
        uid: "p-1".into(),
        generation: 3,
    }];
    Terms {
        spec_hash: SpecHash::of(&request(), &container(), &policies, "sha256:e"),
        container: container(),
        policies,
        quorum: vec![Quorum {
            group: "approvers".into(),
            count: 1,
        }],
        approve_until: at(900),
        exposure: json!({"inWords": ["It sees the processes of container app."]}),
        exposure_digest: "sha256:e".into(),
        effective: json!({"privileged": false}),
        surroundings: Surroundings {
            cluster_version: "v1.36.2".into(),
            requester_rights: vec![Right {
                verb: "create".into(),
                resource: "pods/exec".into(),
                allowed: false,
                reason: String::new(),
            }],
        },
    }
}

fn reserved() -> Event {
    Event::Reserved(Reservation {
        spec_hash: terms().spec_hash,
        by: person(
            "system:serviceaccount:ephemera-system:ephemera-controller",
            "sa",
        ),
        container: "visit-0f9d2c41".into(),
        pod_uid: "pod-1".into(),
    })
}

/// Until the visit may begin.
pub(crate) fn approved() -> Vec<Event> {
    vec![
        Event::Requested(request()),
        Event::Proposed(terms()),
        Event::Judged(Approval {
            uid: "a-1".into(),
            name: "yes".into(),
            approver: person("bob", "approvers"),
            verdict: Verdict::Approve,
            spec_hash: terms().spec_hash,
            comment: "go on".into(),
            at: at(2),
        }),
        Event::Granted(Grant {
            spec_hash: terms().spec_hash,
            approvals: vec!["a-1".into()],
            use_until: at(800),
        }),
    ]
}

/// A whole visit.
pub(crate) fn visited() -> Vec<Event> {
    let mut events = approved();
    events.extend([
        reserved(),
        Event::Committed(Commit {
            resource_version: "7".into(),
            deadline: at(606),
        }),
        Event::Started(Started {
            started_at: at(6),
            container_id: "runtime://1".into(),
            image: "tools:1".into(),
            image_id: "sha256:ran".into(),
            node: Node {
                name: "n1".into(),
                kubelet: "v1.36.2".into(),
                ..Node::default()
            },
        }),
        Event::Attached(Attachment {
            by: person("alice", "sre"),
            door: Door::Attach,
            stdin: true,
            tty: false,
            command: Vec::new(),
        }),
        Event::Ended(Exit {
            code: Some(0),
            reason: "Completed".into(),
            message: String::new(),
            finished_at: Some(at(9)),
            image_id: String::new(),
        }),
        Event::Closed(Closing {
            pod_phase: "Running".into(),
            resource_version: "9".into(),
        }),
    ]);
    events
}

/// Allowed by admission and then never seen in the Pod.
pub(crate) fn void() -> Vec<Event> {
    let mut events = approved();
    let why = "the Pod has no such container".to_owned();
    events.extend([
        reserved(),
        Event::Voided { why },
        Event::Expired {
            why: "the grant was not used in time".into(),
        },
    ]);
    events
}

/// Refused by a rule.
pub(crate) fn denied() -> Vec<Event> {
    let why = vec!["no policy lets alice in".into()];
    vec![
        Event::Requested(request()),
        Event::Denied(Denial { why, by: None }),
    ]
}

/// The entries of these events, one a second, with other sessions' entries between them.
pub(crate) fn entries(events: &[Event]) -> Vec<(u64, Entry)> {
    let entry = |(nth, event): (u32, &Event)| {
        let entry = Entry::of_session(UID, at(i64::from(nth)), event);
        let bytes = entry.encode().unwrap();
        (u64::from(nth) * 2 + 1, Entry::decode(&bytes).unwrap())
    };
    (0..).zip(events).map(entry).collect()
}
