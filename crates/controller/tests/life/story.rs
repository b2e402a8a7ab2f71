//! A life without accidents.

use controller::Next;
use session::{Phase, PhaseName};

use crate::world::{World, running, terminated};

#[tokio::test]
async fn a_session_goes_from_the_ask_to_the_close() {
    let world = World::asked("Controller").await;
    let next = world.drive().await.unwrap();
    let Phase::AwaitingApproval { terms, .. } = world.session().phase else {
        panic!()
    };
    assert_eq!(next, Next::At(terms.approve_until));
    assert_eq!(terms.surroundings.cluster_version, "v1.36.2");
    assert_eq!(terms.surroundings.requester_rights.len(), 1);
    let path = "terminationMessagePath";
    assert_eq!(
        terms.container.raw()[path],
        "/dev/termination-log",
        "as the dry run returned it"
    );

    world.judge("bob", "Approve").await;
    let next = world.drive().await.unwrap();
    let Phase::Injected { visit } = world.session().phase else {
        panic!()
    };
    assert_eq!(next, Next::At(visit.commit.deadline));
    assert_eq!(visit.commit.resource_version, "7");
    assert_eq!(visit.grant.approvals, ["approval-uid"]);

    world.tell(&running());
    world.drive().await.unwrap();
    let Phase::Running { started, .. } = world.session().phase else {
        panic!()
    };
    assert_eq!(
        (started.image_id.as_str(), started.node.kubelet.as_str()),
        ("sha256:abc", "v1.36.2")
    );

    world.tell(&terminated());
    assert_eq!(world.drive().await.unwrap(), Next::Over);
    let Phase::Closed { exit, .. } = world.session().phase else {
        panic!()
    };
    assert_eq!((exit.code, exit.reason.as_str()), (Some(3), "Error"));
    let status = world
        .cluster
        .objects()
        .session
        .clone()
        .unwrap()
        .status
        .unwrap();
    assert_eq!(status.phase, api::session_status::Phase::Closed);
    let range = status.ledger.unwrap();
    let entries = world.journal.entries_of(crate::world::SESSION);
    assert_eq!(
        range.last - range.first + 1,
        i64::try_from(entries.len()).unwrap()
    );
}

#[tokio::test]
async fn looking_again_changes_nothing() {
    let world = World::asked("Controller").await;
    for _ in 0..12 {
        world.drive().await.unwrap();
        let (entries, status) = (
            world.journal.checkpoint(),
            world.cluster.objects().session.clone(),
        );
        world.drive().await.unwrap();
        assert_eq!(world.journal.checkpoint(), entries, "{}", world.phase());
        assert_eq!(world.cluster.objects().session, status);
        world.goes_on().await;
    }
    assert_eq!(world.phase(), PhaseName::Closed);
}

#[tokio::test]
async fn what_ran_and_ended_before_anybody_looked_is_told_whole() {
    let world = World::asked("Controller").await;
    world.drive().await.unwrap();
    world.judge("bob", "Approve").await;
    world.drive().await.unwrap();
    world.tell(&terminated());
    world.drive().await.unwrap();
    let Phase::Closed { exit, .. } = world.session().phase else {
        panic!()
    };
    assert_eq!(exit.code, Some(3));
    // Requested, Proposed, Judged, Granted, Reserved, Committed, Started, Ended, Closed.
    assert_eq!(world.journal.entries_of(crate::world::SESSION).len(), 9);
}
