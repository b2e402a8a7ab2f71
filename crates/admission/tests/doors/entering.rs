//! An ephemeral container arrives.

use admission::{Answer, RefusedKind};
use serde_json::{Value, json};
use session::{Event, Phase};

use crate::world::{
    CONTROLLER, HANDLE, SESSION, World, adding, adding_many, container, joining, merge, policy,
    recorded, review, said,
};

/// The container with something changed.
fn changed(change: &Value) -> Value {
    let mut container = container();
    merge(&mut container, change);
    container
}

fn reserved(world: &World) -> bool {
    matches!(
        world.session().phase,
        Phase::Approved {
            reservation: Some(_),
            ..
        }
    )
}

#[tokio::test]
async fn nobody_enters_without_a_session_and_is_told_the_line_to_use() {
    let world = World::new().await;
    for who in ["alice", "admin", CONTROLLER] {
        let mut request = recorded("ephemeralcontainers");
        request["userInfo"]["username"] = who.into();
        let answer = world.gate.visits(&review(&request)).await;
        assert!(!answer.is_allowed(), "{who}");
        let line = "ephemera request pod/rec -n default --image docker.io/library/busybox:1.36 --target app \
                    --reason '…' --ticket …";
        assert!(said(&answer).contains(line), "{}", said(&answer));
    }
}

#[tokio::test]
async fn what_was_granted_enters_once_and_its_retry_is_the_same_visit() {
    let world = World::approved("Requester").await;
    let first = world.gate.visits(&adding("alice", &container())).await;
    let Answer::Allowed(yes) = &first else {
        panic!("{first:?}")
    };
    assert_eq!(yes.annotations["session"], SESSION);
    assert_eq!(yes.annotations["reservation"], HANDLE);
    assert!(!yes.annotations["checkpoint-root"].is_empty());
    assert!(reserved(&world));
    let entries = world.journal.entries_of(SESSION);
    // A conflict: the API server asks again, with another review uid.
    let again = world.gate.visits(&adding("alice", &container())).await;
    assert!(again.is_allowed(), "{again:?}");
    assert_eq!(
        world.journal.entries_of(SESSION),
        entries,
        "one reservation"
    );
    // A no-op patch afterwards consumes nothing.
    let mut request = adding_many("alice", &[container()]);
    request["oldObject"]["spec"]["ephemeralContainers"] = json!([container()]);
    assert!(world.gate.visits(&review(&request)).await.is_allowed());
}

#[tokio::test]
async fn two_admissions_at_once_are_one_reservation() {
    let world = World::approved("Requester").await;
    let (one, two) = (adding("alice", &container()), adding("alice", &container()));
    let (one, two) = futures::join!(world.gate.visits(&one), world.gate.visits(&two));
    assert!(one.is_allowed() && two.is_allowed(), "{one:?} {two:?}");
    let before = 4;
    assert_eq!(world.journal.entries_of(SESSION).len(), before + 1);
}

#[tokio::test]
async fn every_changed_field_is_refused_by_name() {
    let world = World::approved("Requester").await;
    let check = async |change: Value, named: &str| {
        let answer = world.gate.visits(&adding("alice", &changed(&change))).await;
        assert!(!answer.is_allowed(), "{named}");
        assert!(said(&answer).contains(named), "{named}: {}", said(&answer));
        assert!(!reserved(&world), "{named}");
    };
    check(json!({"image": "docker.io/library/busybox:1.37"}), "image").await;
    check(json!({"command": ["sh"]}), "command").await;
    check(json!({"args": ["x"]}), "args").await;
    check(json!({"tty": true}), "tty").await;
    check(json!({"targetContainerName": null}), "targetContainerName").await;
    check(json!({"env": [{"name": "A", "value": "b"}]}), "env").await;
    check(
        json!({"envFrom": [{"secretRef": {"name": "s"}}]}),
        "envFrom",
    )
    .await;
    check(
        json!({"securityContext": {"privileged": true}}),
        "securityContext.privileged",
    )
    .await;
    check(
        json!({"securityContext": {"runAsUser": 0}}),
        "securityContext.runAsUser",
    )
    .await;
    check(
        json!({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}),
        "volumeMounts",
    )
    .await;
    check(json!({"imagePullPolicy": "Always"}), "imagePullPolicy").await;
    check(json!({"lifecycle": {}}), "lifecycle").await;
    check(json!({"ofTomorrow": 1}), "ofTomorrow").await;
    check(json!({"name": "visit-00000000"}), "visit-00000000").await;
    check(json!({"name": "debugger-x"}), "ephemera request").await;
}

#[tokio::test]
async fn one_container_at_a_time_wherever_it_stands() {
    let world = World::approved("Requester").await;
    let other = json!({"name": "old", "image": "x"});
    let two = [container(), changed(&json!({"name": "visit-00000000"}))];
    let answer = world
        .gate
        .visits(&review(&adding_many("alice", &two)))
        .await;
    assert!(said(&answer).contains("at once"), "{answer:?}");
    let twice = [container(), container()];
    let answer = world
        .gate
        .visits(&review(&adding_many("alice", &twice)))
        .await;
    assert!(said(&answer).contains("at once"), "{answer:?}");
    // New ones can come first.
    let mut request = adding_many("alice", &[container(), other.clone()]);
    request["oldObject"]["spec"]["ephemeralContainers"] = json!([other]);
    let answer = world.gate.visits(&review(&request)).await;
    assert!(answer.is_allowed(), "{answer:?}");
}

#[tokio::test]
async fn only_the_one_whose_visit_it_is_may_add_it() {
    let check = async |injection: &str, who: &str, expected: bool| {
        let world = World::approved(injection).await;
        let answer = world.gate.visits(&adding(who, &container())).await;
        assert_eq!(
            answer.is_allowed(),
            expected,
            "{injection} {who}: {answer:?}"
        );
    };
    check("Requester", "alice", true).await;
    check("Requester", "bob", false).await;
    check("Requester", "admin", false).await;
    check("Requester", CONTROLLER, false).await;
    check("Controller", CONTROLLER, true).await;
    check("Controller", "alice", false).await;
}

#[tokio::test]
async fn nothing_is_recorded_on_a_dry_run() {
    let world = World::approved("Requester").await;
    let entries = world.journal.checkpoint();
    let mut request = adding_many("alice", &[container()]);
    request["dryRun"] = true.into();
    assert!(world.gate.visits(&review(&request)).await.is_allowed());
    let mut request = adding_many("bob", &[container()]);
    request["dryRun"] = true.into();
    assert!(!world.gate.visits(&review(&request)).await.is_allowed());
    assert_eq!(world.journal.checkpoint(), entries);
}

#[tokio::test]
async fn the_controllers_dry_run_of_a_new_session_is_let_through_and_no_other() {
    let world = World::new().await;
    assert!(world.ask("alice", "Controller").await.is_allowed());
    let check = async |who: &str, dry_run: bool, name: &str, expected: bool| {
        let container = changed(&json!({"name": name}));
        let mut request = adding_many(who, &[container]);
        request["dryRun"] = dry_run.into();
        let answer = world.gate.visits(&review(&request)).await;
        assert_eq!(
            answer.is_allowed(),
            expected,
            "{who} {dry_run} {name}: {answer:?}"
        );
    };
    check(CONTROLLER, true, HANDLE, true).await;
    check(CONTROLLER, false, HANDLE, false).await;
    check(CONTROLLER, true, "visit-00000000", false).await;
    check("alice", true, HANDLE, false).await;
}

#[tokio::test]
async fn what_changed_since_the_grant_voids_it() {
    let check = async |change: fn(&World), expected: &str| {
        let world = World::approved("Requester").await;
        change(&world);
        let answer = world.gate.visits(&adding("alice", &container())).await;
        assert!(!answer.is_allowed(), "{expected}");
        assert!(
            said(&answer).contains(expected),
            "{expected}: {}",
            said(&answer)
        );
        assert!(!reserved(&world), "{expected}");
    };
    check(|w| w.cluster.objects().pod = None, "no Pod rec").await;
    check(
        |w| w.cluster.objects().pod.as_mut().unwrap()["metadata"]["uid"] = "another".into(),
        "not the one of session",
    )
    .await;
    check(|w| w.cluster.objects().policies.clear(), "not permitted").await;
    check(
        |w| {
            w.cluster.objects().policies = vec![policy(&json!({"metadata": {"generation": 2}}))];
        },
        "has changed since",
    )
    .await;
    check(
        |w| w.cluster.objects().approvals.clear(),
        "has changed since",
    )
    .await;
    check(|w| w.cluster.objects().session = None, "no object any more").await;
    check(
        |w| {
            let mut objects = w.cluster.objects();
            objects.session.as_mut().unwrap().spec.reason = "another reason altogether".into();
        },
        "not as it was recorded",
    )
    .await;
    check(
        |w| {
            w.cluster.objects().policies[0].spec.match_broken();
        },
        "cannot be understood",
    )
    .await;
    check(|w| w.cluster.objects().away = true, "try again").await;
}

trait Broken {
    fn match_broken(&mut self);
}

impl Broken for api::DebugPolicySpec {
    fn match_broken(&mut self) {
        self.request.ticket = Some(api::debug_policy::TicketRule {
            pattern: "(".into(),
        });
    }
}

#[tokio::test]
async fn a_grant_is_used_in_time_or_not_at_all() {
    let world = World::approved("Requester").await;
    world.later(15 * 60);
    let answer = world.gate.visits(&adding("alice", &container())).await;
    assert!(!answer.is_allowed());
}

#[tokio::test]
async fn a_phase_that_admits_nobody_says_what_to_do() {
    let world = World::new().await;
    assert!(world.ask("alice", "Requester").await.is_allowed());
    world.propose().await;
    let answer = world.gate.visits(&adding("alice", &container())).await;
    assert!(
        said(&answer).contains("ephemera approve s1 -n default"),
        "{answer:?}"
    );
    let why = "nobody came".to_owned();
    world
        .journal
        .record(SESSION, Event::Expired { why })
        .await
        .unwrap();
    let answer = world.gate.visits(&adding("alice", &container())).await;
    assert!(
        said(&answer).contains("expired (nobody came): ask again"),
        "{answer:?}"
    );

    let world = World::visited().await;
    // The Pod's list was emptied under our feet: the grant is used all the same.
    let answer = world.gate.visits(&adding("alice", &container())).await;
    assert!(said(&answer).contains("is used"), "{answer:?}");
}

#[tokio::test]
async fn what_this_webhook_was_not_made_for_is_refused() {
    let world = World::new().await;
    let check = async |operation: &str, sub: &str| {
        let mut request = recorded("ephemeralcontainers");
        request["operation"] = operation.into();
        request["subResource"] = sub.into();
        assert!(
            !world.gate.visits(&review(&request)).await.is_allowed(),
            "{operation} {sub}"
        );
    };
    check("CREATE", "ephemeralcontainers").await;
    check("UPDATE", "resize").await;
    check("UPDATE", "").await;
    check("CONNECT", "portforward").await;
    let mut request = recorded("ephemeralcontainers");
    request["oldObject"] = Value::Null;
    assert!(!world.gate.visits(&review(&request)).await.is_allowed());
}

#[tokio::test]
async fn while_the_ledger_cannot_write_the_answer_is_no_and_says_so() {
    let world = World::approved("Requester").await;
    world.disk.breaks();
    for _ in 0..2 {
        let answer = world.gate.visits(&adding("alice", &container())).await;
        let Answer::Refused(no) = &answer else {
            panic!("{answer:?}")
        };
        assert_eq!(no.kind, RefusedKind::Unavailable, "it may be tried again");
        assert!(no.message.contains("ledger cannot write"), "{}", no.message);
    }
    assert!(!reserved(&world));

    let world = World::visited().await;
    world.disk.breaks();
    let answer = world.gate.visits(&joining("attach", "alice", HANDLE)).await;
    assert!(said(&answer).contains("ledger cannot write"), "{answer:?}");

    let world = World::new().await;
    world.disk.breaks();
    let answer = world.ask("alice", "Controller").await;
    assert!(said(&answer).contains("ledger cannot write"), "{answer:?}");
}
