//! What a record tells, and what it says of the rest.

use report::{Record, fold};
use serde_json::{Value, json};
use session::Event;

use crate::life::{approved, denied, entries, visited, void};

fn record(events: &[Event]) -> Record {
    fold(entries(events)).unwrap()
}

#[test]
fn a_visit_that_took_place_is_told_whole() {
    let json = serde_json::to_value(record(&visited())).unwrap();
    let check = |path: &str, expected: Value| {
        let found = json.pointer(path).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{path}");
    };
    check("/phase", json!("Closed"));
    check("/entered/value", json!(true));
    check(
        "/entered/source",
        json!({"entry": 11, "kind": "Committed", "toldBy": "controller"}),
    );
    check("/requester/value/username", json!("alice"));
    check("/requester/source/toldBy", json!("API server"));
    check("/pod/value", json!({"name": "cart", "uid": "pod-1"}));
    check("/targetContainer/value", json!("app"));
    check("/debugContainer/value", json!("visit-0f9d2c41"));
    check("/image/reference/value", json!("tools:1"));
    check(
        "/image/requestedDigest/absent",
        json!("the image was named by tag, not by digest"),
    );
    check("/image/digestThatRan/value", json!("sha256:ran"));
    let bare = "the node told a bare digest, which may be of the manifest or of the configuration";
    check("/image/digestKind/absent", json!(bare));
    check("/image/digestThatRan/source/toldBy", json!("node"));
    check("/command/value", json!(["sh", "-c", "id"]));
    check("/arguments/absent", json!("none were asked for"));
    check("/terminal/stdin/value", json!(true));
    check("/terminal/tty/value", json!(false));
    check(
        "/terminal/attachments/value/0/person/username",
        json!("alice"),
    );
    check("/terminal/attachments/value/0/entry", json!(15));
    check("/capabilities/granted/value/add", json!(["SYS_PTRACE"]));
    check("/securityContext/value", json!({"privileged": false}));
    check("/node/value/name", json!("n1"));
    check("/approval/grant/value/onTheWordOf", json!(["bob"]));
    check("/approval/policies/value/0/generation", json!(3));
    check("/approval/verdicts/value/0/comment", json!("go on"));
    check("/ticket/absent", json!("none was given"));
    check("/checked/logs/value", json!("they end before the fault"));
    check(
        "/checked/audit/absent",
        json!("the requester did not say that it was looked at"),
    );
    check("/admission/value/reservation", json!("Committed"));
    check("/exit/value/code/value", json!(0));
    check("/overstayed/value", json!(false));
    check("/podAfterwards/value/phase", json!("Running"));
    check("/clusterVersion/value", json!("v1.36.2"));
    check("/requesterRights/value/0/allowed", json!(false));
    assert!(json["auditEvents"]["absent"].is_string());
    assert!(json["evidence"]["absent"].is_string());
    assert!(json["terminal"]["recording"]["absent"].is_string());
    assert_eq!(json["steps"].as_array().map(Vec::len), Some(10));
}

#[test]
fn nobody_entered_unless_the_container_was_seen_in_the_pod() {
    let check = |events: &[Event], entered: Option<bool>, reservation: Option<&str>| {
        let record = record(events);
        assert_eq!(record.entered.value().copied(), entered);
        let admission = record.admission.value();
        assert_eq!(admission.map(|a| a.reservation.as_str()), reservation);
    };
    check(&approved(), None, None);
    check(&visited()[..5], None, Some("Reserved"));
    check(&visited()[..6], Some(true), Some("Committed"));
    check(&void(), Some(false), Some("Void"));
    check(&denied(), Some(false), None);
    // Admission allowed it, and the Pod was gone before anybody looked: nobody can say.
    let mut lost = visited()[..5].to_vec();
    lost.push(Event::Lost { why: "gone".into() });
    check(&lost, None, Some("Reserved"));
    let told = serde_json::to_value(record(&lost)).unwrap();
    let why = told["entered"]["absent"].as_str().unwrap();
    assert!(why.starts_with("nobody can say"), "{why}");
    // It came after its promise had been found void.
    let mut late = void();
    late.pop();
    late.push(visited()[5].clone());
    check(&late, Some(true), Some("Committed"));
}

#[test]
fn an_absence_says_why() {
    let check = |events: &[Event], path: &str, expected: &str| {
        let json = serde_json::to_value(record(events)).unwrap();
        assert_eq!(
            json.pointer(path).cloned().unwrap_or_default(),
            expected,
            "{path}"
        );
    };
    check(
        &denied(),
        "/approval/specHash/absent",
        "no terms were proposed: the session ended as Denied",
    );
    check(
        &denied(),
        "/node/absent",
        "nobody entered: the session ended as Denied",
    );
    check(
        &approved(),
        "/node/absent",
        "nobody has entered yet: the session is Approved",
    );
    check(
        &visited()[..8],
        "/exit/absent",
        "the container has not been seen to end",
    );
    check(
        &visited()[..6],
        "/image/digestThatRan/absent",
        "the node has not told it; the session is Injected",
    );
    check(
        &void(),
        "/admission/value/voidBecause",
        "the Pod has no such container",
    );
}

/// Every field of the account, in every record, with a value and its source or a reason.
#[test]
fn no_field_is_ever_missing() {
    fn known(path: &str, field: &Value, wrong: &mut Vec<String>) {
        let Some(parts) = field.as_object() else {
            return;
        };
        if parts.contains_key("value") != parts.contains_key("source") {
            wrong.push(format!("{path}: a value without a source"));
        }
        if parts
            .get("absent")
            .is_some_and(|why| why.as_str().is_none_or(str::is_empty))
        {
            wrong.push(format!("{path}: absent without a reason"));
        }
        if !parts.contains_key("value") {
            for (name, part) in parts {
                known(&format!("{path}/{name}"), part, wrong);
            }
        }
    }
    let whole: Value = serde_json::to_value(record(&visited())).unwrap();
    let names = |json: &Value| -> Vec<String> {
        json.as_object()
            .into_iter()
            .flatten()
            .map(|(k, _)| k.clone())
            .collect()
    };
    let expected = names(&whole);
    assert_eq!(expected.len(), 33);
    for length in 1..=visited().len() {
        let json = serde_json::to_value(record(&visited()[..length])).unwrap();
        assert_eq!(names(&json), expected);
        let mut wrong = Vec::new();
        known("", &json, &mut wrong);
        assert_eq!(wrong, Vec::<String>::new(), "after {length} entries");
    }
}
