//! The work queue: what wakes a session.

use controller::Wake;
use session::PhaseName;
use tokio::sync::{mpsc, oneshot};

use crate::world::{SESSION, World};

fn pod_changed() -> Wake {
    Wake::Pod {
        namespace: "default".into(),
        name: "agent".into(),
    }
}

/// Waits until the session is in this phase, as the journal tells.
async fn until(world: &World, phase: PhaseName) {
    let mut changes = world.journal.changes();
    while world.phase() != phase {
        assert_eq!(changes.recv().await.unwrap(), SESSION);
    }
}

#[tokio::test]
async fn changes_of_the_log_of_pods_and_of_sessions_drive_it_to_the_close() {
    let world = World::asked("Controller").await;
    let (wakes, woken) = mpsc::channel(8);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopping = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(world.controller.clone().run(woken, stopping));
    until(&world, PhaseName::AwaitingApproval).await;
    // An entry of the log alone wakes it.
    world.judge("bob", "Approve").await;
    wakes.send(Wake::Everything).await.unwrap();
    until(&world, PhaseName::Injected).await;
    world.goes_on().await;
    wakes.send(pod_changed()).await.unwrap();
    until(&world, PhaseName::Running).await;
    world.goes_on().await;
    wakes.send(pod_changed()).await.unwrap();
    until(&world, PhaseName::Closed).await;
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn a_new_start_takes_up_what_the_log_holds_without_any_event() {
    let world = World::asked("Controller").await.restart().await;
    let (_wakes, woken) = mpsc::channel(8);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopping = async {
        let _ = stopped.await;
    };
    let running = tokio::spawn(world.controller.clone().run(woken, stopping));
    until(&world, PhaseName::AwaitingApproval).await;
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn an_object_that_no_entry_explains_is_told_that_it_counts_for_nothing() {
    let world = World::asked("Controller").await;
    let told = || {
        let object = world.cluster.objects().session.clone();
        object.and_then(|o| o.status).map(|s| s.message)
    };
    world
        .controller
        .look_at_object("default", "s1")
        .await
        .unwrap();
    assert_eq!(told(), None, "the log knows it");
    let mut object = world.cluster.objects().session.take();
    object.as_mut().unwrap().metadata.uid = Some("forged".into());
    world.cluster.objects().session = object;
    world
        .controller
        .look_at_object("default", "s1")
        .await
        .unwrap();
    let message = told().unwrap();
    assert!(
        message.contains("knows nothing of this session"),
        "{message}"
    );
}
