//! The ends that are no close.

use controller::{DriveError, Next};
use serde_json::{Value, json};
use session::{Event, Phase, PhaseName};

use crate::fake::Adding;
use crate::world::{World, ask, person, policy, running};

/// After one look, the session is over, and says this.
async fn check(change: impl AsyncFnOnce(&World), expected: PhaseName, says: &str) {
    let world = World::asked("Controller").await;
    change(&world).await;
    assert_eq!(world.drive().await.unwrap(), Next::Over, "{says}");
    let phase = world.session().phase;
    assert_eq!(phase.name(), expected, "{phase:?}");
    let text = format!("{phase:?}");
    assert!(text.contains(says), "{says}: {text}");
    if let Some(object) = world.cluster.objects().session.clone()
        && let Some(status) = object.status
    {
        assert_eq!(status.phase.to_json(), expected.as_str());
        assert!(!status.message.is_empty(), "{says}");
    }
}

trait ToJson {
    fn to_json(&self) -> serde_json::Value;
}

impl ToJson for api::session_status::Phase {
    fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap()
    }
}

#[tokio::test]
async fn an_ask_that_cannot_be_met_ends_with_its_reason() {
    use PhaseName::{Denied, Failed, Lost};
    check(async |w| w.cluster.objects().pod = None, Lost, "gone").await;
    let other = async |w: &World| {
        w.cluster.objects().pod.as_mut().unwrap()["metadata"]["uid"] = "another".into();
    };
    check(other, Lost, "another one").await;
    check(
        async |w| w.cluster.objects().policies.clear(),
        Denied,
        "policy",
    )
    .await;
    let picky = async |w: &World| {
        let picky = policy(&json!({"spec": {"container": {"images": ["other"]}}}));
        w.cluster.objects().policies = vec![picky];
    };
    check(picky, Denied, "container.images").await;
    let refusing = async |w: &World| {
        w.cluster.objects().dry_run_refused = Some("violates PodSecurity".into());
    };
    check(refusing, Denied, "violates PodSecurity").await;
    let forged = async |w: &World| {
        w.cluster.objects().session.as_mut().unwrap().spec.ticket = "INC-8".into();
    };
    check(forged, Failed, "not what was asked").await;
    let unborn = async |w: &World| {
        w.cluster.objects().session = None;
        w.later(30);
    };
    check(unborn, Failed, "never stored").await;
}

#[tokio::test]
async fn an_object_that_is_not_there_yet_is_waited_for() {
    let world = World::asked("Controller").await;
    let object = world.cluster.objects().session.take();
    let until = world.session().requested_at + jiff::SignedDuration::from_secs(30);
    assert_eq!(world.drive().await.unwrap(), Next::At(until));
    world.cluster.objects().session = object;
    world.drive().await.unwrap();
    assert_eq!(world.phase(), PhaseName::AwaitingApproval);
}

#[tokio::test]
async fn waiting_for_approval_ends_by_people_by_time_and_by_change() {
    use PhaseName::{Denied, Expired, Lost, Withdrawn};
    let check = async |change: fn(&World), verdict: Option<(&str, &str)>, expected: PhaseName| {
        let world = World::asked("Controller").await;
        world.drive().await.unwrap();
        change(&world);
        if let Some((who, verdict)) = verdict {
            world.judge(who, verdict).await;
        }
        assert_eq!(world.drive().await.unwrap(), Next::Over, "{expected}");
        assert_eq!(world.phase(), expected, "{:?}", world.session().phase);
        assert_eq!(world.cluster.objects().added, 0, "{expected}");
    };
    check(|_| {}, Some(("bob", "Deny")), Denied).await;
    check(|_| {}, Some(("alice", "Deny")), Withdrawn).await;
    check(|w| w.later(900), None, Expired).await;
    check(|w| w.cluster.objects().pod = None, None, Lost).await;
    check(|w| w.cluster.objects().policies.clear(), None, Denied).await;
    let generation = |w: &World| {
        w.cluster.objects().policies = vec![policy(&json!({"metadata": {"generation": 2}}))];
    };
    check(generation, None, Denied).await;
    let reach = |w: &World| {
        let mut objects = w.cluster.objects();
        objects.pod.as_mut().unwrap()["spec"]["shareProcessNamespace"] = true.into();
    };
    check(reach, None, Denied).await;
}

#[tokio::test]
async fn a_verdict_that_is_in_the_log_but_not_in_the_cluster_counts_for_nothing() {
    for verdict in ["Approve", "Deny"] {
        let world = World::asked("Controller").await;
        world.drive().await.unwrap();
        world.judge("bob", verdict).await;
        world.cluster.objects().approvals.clear();
        world.drive().await.unwrap();
        assert_eq!(world.phase(), PhaseName::AwaitingApproval, "{verdict}");
    }
}

#[tokio::test]
async fn what_admission_allowed_and_the_api_server_refused_is_void_and_nobody_entered() {
    let world = World::asked("Controller").await;
    world.drive().await.unwrap();
    world.judge("bob", "Approve").await;
    world.cluster.objects().adding = Adding::RefusedAfterReserving;
    assert_eq!(world.drive().await.unwrap(), Next::Over);
    let Phase::Failed { why } = world.session().phase else {
        panic!()
    };
    assert_eq!(why, "another webhook said no");
    // Requested, Proposed, Judged, Granted, Reserved, Voided, Failed.
    assert_eq!(world.journal.entries_of(crate::world::SESSION).len(), 7);
}

#[tokio::test]
async fn a_conflict_is_tried_again_under_the_same_reservation() {
    let world = World::asked("Controller").await;
    world.drive().await.unwrap();
    world.judge("bob", "Approve").await;
    world.cluster.objects().adding = Adding::Conflict;
    assert!(matches!(world.drive().await, Err(DriveError::Call(_))));
    world.drive().await.unwrap();
    assert_eq!(world.phase(), PhaseName::Injected);
    assert_eq!(world.journal.entries_of(crate::world::SESSION).len(), 6);
}

#[tokio::test]
async fn a_grant_that_nobody_uses_expires_and_one_that_came_to_nothing_too() {
    for reserve in [false, true] {
        let world = World::asked("Requester").await;
        world.drive().await.unwrap();
        world.judge("bob", "Approve").await;
        let next = world.drive().await.unwrap();
        let Phase::Approved { grant, .. } = world.session().phase else {
            panic!()
        };
        assert_eq!(next, Next::At(grant.use_until));
        if reserve {
            world.reserve().await;
            let next = world.drive().await.unwrap();
            assert_eq!(
                next,
                Next::At(world.journal.now() + jiff::SignedDuration::from_secs(30))
            );
        }
        world.later(900);
        assert_eq!(world.drive().await.unwrap(), Next::Over);
        assert_eq!(world.phase(), PhaseName::Expired);
        assert_eq!(world.cluster.objects().added, 0);
    }
}

#[tokio::test]
async fn a_session_whose_next_entry_is_too_long_ends_and_does_not_stay_for_ever() {
    let check = async |from: &dyn Fn(usize) -> Value, expected: PhaseName, says: &str| {
        let variable = |n: usize| json!({"name": format!("V{n}"), "valueFrom": from(n)});
        let mut object = ask("Controller");
        object["spec"]["container"]["env"] = (0..700).map(variable).collect();
        let world = World::asked_with(object).await;
        let lax = policy(&json!({"spec": {"container": {"envFromSecrets": ["*"]}}}));
        world.cluster.objects().policies = vec![lax];
        assert_eq!(world.drive().await.unwrap(), Next::Over, "{says}");
        let phase = world.session().phase;
        assert_eq!(phase.name(), expected, "{phase:?}");
        assert!(format!("{phase:?}").contains(says), "{phase:?}");
    };
    // As an ask it fits; the terms hold what it would expose besides.
    let secret = |n: usize| json!({"secretKeyRef": {"name": format!("s{n}"), "key": "k"}});
    check(
        &secret,
        PhaseName::Failed,
        "Proposed: it cannot be written down",
    )
    .await;
    // Refused in more sentences than fit.
    let field = |_: usize| json!({"fileKeyRef": {"volumeName": "v", "path": "p", "key": "k"}});
    check(&field, PhaseName::Denied, "and 676 more").await;
}

async fn reserved_by_alice() -> World {
    let world = World::asked("Requester").await;
    world.drive().await.unwrap();
    world.judge("bob", "Approve").await;
    world.drive().await.unwrap();
    world.reserve().await;
    world.drive().await.unwrap();
    world
}

#[tokio::test]
async fn a_container_that_comes_after_its_promise_was_found_void_is_a_visit() {
    let world = reserved_by_alice().await;
    world.later(30);
    world.drive().await.unwrap();
    let Phase::Approved { reservation, .. } = world.session().phase else {
        panic!()
    };
    assert_eq!(reservation, None);
    // Admission had been asked once more just before, and the API server stored just after.
    world.store_container();
    world.later(900);
    world.drive().await.unwrap();
    assert_eq!(world.phase(), PhaseName::Injected);
}

#[tokio::test]
async fn a_pod_that_is_gone_before_anybody_looked_leaves_it_open_whether_somebody_entered() {
    let world = reserved_by_alice().await;
    world.cluster.objects().pod = None;
    assert_eq!(world.drive().await.unwrap(), Next::Over);
    let Phase::Lost { why, promised } = world.session().phase else {
        panic!()
    };
    assert!(promised && why.contains("is not known"), "{why}");
    let status = world.cluster.objects().session.clone().unwrap().status;
    let entered = status
        .unwrap()
        .conditions
        .into_iter()
        .find(|c| c.type_ == "Entered");
    assert_eq!(entered.unwrap().status, "Unknown");
}

async fn injected() -> World {
    let world = World::asked("Controller").await;
    world.drive().await.unwrap();
    world.judge("bob", "Approve").await;
    world.drive().await.unwrap();
    assert_eq!(world.phase(), PhaseName::Injected);
    world
}

#[tokio::test]
async fn a_pod_that_goes_away_ends_its_visit_and_nobody_knows_the_exit_code() {
    for run in [false, true] {
        let world = injected().await;
        if run {
            world.tell(&running());
            world.drive().await.unwrap();
        }
        world.cluster.objects().pod = None;
        assert_eq!(world.drive().await.unwrap(), Next::Over);
        let Phase::Closed { exit, .. } = world.session().phase else {
            panic!()
        };
        assert_eq!((exit.code, exit.reason.as_str()), (None, "PodGone"));
        assert_eq!(exit.image_id, if run { "sha256:abc" } else { "" });
    }
}

#[tokio::test]
async fn a_visit_that_outlives_its_deadline_is_said_to_and_its_end_is_still_recorded() {
    let world = injected().await;
    world.tell(&running());
    world.drive().await.unwrap();
    world.later(600);
    assert_eq!(world.drive().await.unwrap(), Next::OnChange);
    let session = world.session();
    assert_eq!(session.phase.name(), PhaseName::Running);
    assert!(session.phase.visit().unwrap().overstayed);
    world.goes_on().await;
    world.drive().await.unwrap();
    assert_eq!(world.phase(), PhaseName::Closed);
}

#[tokio::test]
async fn a_pod_that_ends_without_a_word_about_the_container_ends_the_visit() {
    let world = injected().await;
    world.cluster.objects().pod.as_mut().unwrap()["status"]["phase"] = "Failed".into();
    world.drive().await.unwrap();
    let Phase::Closed { exit, .. } = world.session().phase else {
        panic!()
    };
    assert_eq!((exit.code, exit.reason.as_str()), (None, "PodFailed"));
}

#[tokio::test]
async fn a_session_that_was_taken_back_is_shown_so() {
    let world = World::asked("Controller").await;
    world.drive().await.unwrap();
    let by = person("alice");
    world.record(Event::Withdrawn { by }).await;
    assert_eq!(world.drive().await.unwrap(), Next::Over);
    let status = world
        .cluster
        .objects()
        .session
        .clone()
        .unwrap()
        .status
        .unwrap();
    assert_eq!(status.phase, api::session_status::Phase::Withdrawn);
}
