//! Somebody attaches or runs a command.

use serde_json::json;
use session::event::Exit;
use session::{Event, PhaseName};

use crate::world::{CONTROLLER, HANDLE, SESSION, World, adding, container, joining, said};

#[tokio::test]
async fn ordinary_containers_are_passed_and_unknown_names_refused() {
    let world = World::new().await;
    let check = async |door: &str, container: &str, expected: bool| {
        let answer = world.gate.visits(&joining(door, "bob", container)).await;
        assert_eq!(
            answer.is_allowed(),
            expected,
            "{door} {container:?}: {answer:?}"
        );
    };
    for door in ["attach", "exec"] {
        check(door, "app", true).await;
        check(door, "", true).await;
        check(door, "nobody", false).await;
        check(door, HANDLE, false).await;
    }
    for options in [
        json!(null),
        json!("app"),
        json!({"container": ["debugger"]}),
    ] {
        let mut review = joining("exec", "bob", "app");
        review.object = options.clone();
        let answer = world.gate.visits(&review).await;
        assert!(!answer.is_allowed(), "{options}");
    }
    world.cluster.objects().pod = None;
    check("exec", "app", false).await;
    world.cluster.objects().away = true;
    check("exec", "app", false).await;
}

#[tokio::test]
async fn an_ephemeral_container_without_a_session_is_joined_by_nobody() {
    let world = World::new().await;
    world.store(&json!({"name": "debugger-abc", "image": "busybox"}));
    for who in ["alice", "admin"] {
        let answer = world
            .gate
            .visits(&joining("attach", who, "debugger-abc"))
            .await;
        assert!(said(&answer).contains("without a session"), "{answer:?}");
    }
}

#[tokio::test]
async fn the_requester_attaches_until_the_deadline_and_each_time_is_recorded() {
    let world = World::visited().await;
    let entries = world.journal.entries_of(SESSION).len();
    for times in 1..=2 {
        let answer = world.gate.visits(&joining("attach", "alice", HANDLE)).await;
        assert!(answer.is_allowed(), "{answer:?}");
        assert_eq!(world.journal.entries_of(SESSION).len(), entries + times);
    }
    for who in ["bob", "admin", CONTROLLER] {
        let answer = world.gate.visits(&joining("attach", who, HANDLE)).await;
        assert!(!answer.is_allowed(), "{who}");
    }
    world.later(600);
    let answer = world.gate.visits(&joining("attach", "alice", HANDLE)).await;
    assert!(said(&answer).contains("deadline"), "{answer:?}");
}

#[tokio::test]
async fn an_exec_into_a_recorded_debug_container_is_told_to_attach() {
    let world = World::visited().await;
    let answer = world.gate.visits(&joining("exec", "alice", HANDLE)).await;
    assert!(said(&answer).contains("attach instead"), "{answer:?}");
}

#[tokio::test]
async fn nobody_joins_what_is_over() {
    let world = World::visited().await;
    let exit = Exit {
        code: Some(0),
        reason: "Completed".into(),
        message: String::new(),
        finished_at: None,
        image_id: String::new(),
    };
    world
        .journal
        .record(SESSION, Event::Ended(exit))
        .await
        .unwrap();
    let answer = world.gate.visits(&joining("attach", "alice", HANDLE)).await;
    assert!(said(&answer).contains("is over"), "{answer:?}");
}

#[tokio::test]
async fn a_reserved_container_that_is_in_the_pod_is_a_visit_before_any_watch_says_so() {
    let world = World::approved("Requester").await;
    assert!(
        world
            .gate
            .visits(&adding("alice", &container()))
            .await
            .is_allowed()
    );
    world.store(&container());
    let answer = world.gate.visits(&joining("attach", "alice", HANDLE)).await;
    assert!(answer.is_allowed(), "{answer:?}");
    assert_eq!(world.session().phase.name(), PhaseName::Injected);
}

#[tokio::test]
async fn a_container_that_is_not_the_granted_one_is_not_joined() {
    let world = World::visited().await;
    let mut other = container();
    other["command"] = json!(["sh"]);
    world.store(&other);
    let answer = world.gate.visits(&joining("attach", "alice", HANDLE)).await;
    assert!(!answer.is_allowed());
}
