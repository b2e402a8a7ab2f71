//! The process dies, at every call that it makes.

use session::{Phase, PhaseName};

use crate::world::{SESSION, World};

/// Lives through the whole story, dying once at this call. Whether it came to that call.
async fn live_and_die_at(call: usize) -> bool {
    let mut world = World::asked("Controller").await;
    world.die_at(call);
    let mut died = false;
    for _ in 0..40 {
        match world.drive_or_die().await {
            None => {
                died = true;
                world = world.restart().await;
            }
            Some(driven) => {
                driven.unwrap();
                world.goes_on().await;
            }
        }
        if world.phase().is_final() {
            break;
        }
    }
    world.die_at(0);
    world.drive().await.unwrap();
    assert_eq!(world.phase(), PhaseName::Closed, "died at call {call}");
    assert_eq!(
        world.cluster.objects().added,
        1,
        "died at call {call}: one container, once"
    );
    let entries = world.journal.entries_of(SESSION).len();
    assert_eq!(
        entries, 9,
        "died at call {call}: each thing once in the log"
    );
    let object = world.cluster.objects().session.clone().unwrap();
    let shown = object.status.unwrap().phase;
    assert_eq!(
        shown,
        api::session_status::Phase::Closed,
        "died at call {call}"
    );
    // Once more: what the log says is what was lived.
    let before = world.session();
    let world = world.restart().await;
    assert_eq!(world.session(), before);
    died
}

#[tokio::test]
async fn a_crash_at_any_call_is_finished_by_the_next_start() {
    let mut call = 1;
    while live_and_die_at(call).await {
        call += 1;
    }
    assert!(call > 20, "the story makes more calls than {call}");
}

#[tokio::test]
async fn a_restart_in_every_phase_goes_on_from_there() {
    let mut world = World::asked("Controller").await;
    let mut seen = Vec::new();
    while !world.phase().is_final() {
        world = world.restart().await;
        seen.push(world.phase());
        world.drive().await.unwrap();
        world.goes_on().await;
    }
    let expected = [
        PhaseName::Requested,
        PhaseName::AwaitingApproval,
        PhaseName::Injected,
        PhaseName::Running,
    ];
    assert_eq!(seen, expected);
    assert_eq!(world.phase(), PhaseName::Closed);
}

#[tokio::test]
async fn a_reservation_survives_a_restart_and_is_committed_or_voided() {
    let reserved = async || {
        let world = World::asked("Requester").await;
        world.drive().await.unwrap();
        world.judge("bob", "Approve").await;
        world.drive().await.unwrap();
        world.reserve().await;
        world.restart().await
    };
    let world = reserved().await;
    world.store_container();
    world.drive().await.unwrap();
    assert_eq!(world.phase(), PhaseName::Injected);

    let world = reserved().await;
    world.drive().await.unwrap();
    world.later(30);
    world.drive().await.unwrap();
    let Phase::Approved { reservation, .. } = world.session().phase else {
        panic!()
    };
    assert_eq!(reservation, None, "void, and the grant can be used");
}
