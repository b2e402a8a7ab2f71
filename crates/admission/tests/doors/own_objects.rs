//! Our own objects: stamped, recorded, unchangeable.

use admission::Answer;
use serde_json::{Value, json};
use session::PhaseName;

use crate::world::{
    CONTROLLER, SESSION, World, ask, merge, own, own_dry, patch, policy, said, verdict,
};

async fn stamped(
    world: &World,
    resource: &str,
    who: &str,
    object: &Value,
) -> Result<Value, String> {
    let review = own("CREATE", resource, who, object, &Value::Null);
    match world.gate.stamp(&review).await {
        Answer::Allowed(yes) => {
            let mut object = object.clone();
            patch(&mut object, yes.patch);
            Ok(object)
        }
        Answer::Refused(no) => Err(no.message),
    }
}

fn with(mut object: Value, change: &Value) -> Value {
    merge(&mut object, change);
    object
}

#[tokio::test]
async fn who_asks_and_which_pod_are_stamped_and_a_client_cannot_say_otherwise() {
    let world = World::new().await;
    let got = stamped(&world, "debugsessions", "alice", &ask("Controller"))
        .await
        .unwrap();
    assert_eq!(got["spec"]["requester"]["username"], "alice");
    assert_eq!(got["spec"]["requester"]["uid"], "alice-uid");
    assert_eq!(
        got["spec"]["pod"]["uid"],
        "125cc629-9aa1-47e8-a4df-a4108fe62cc6"
    );
    let check = async |change: Value, expected: Result<(), &str>| {
        let object = with(ask("Controller"), &json!({"spec": change}));
        let got = stamped(&world, "debugsessions", "alice", &object).await;
        match (got, expected) {
            (Ok(_), Ok(())) => {}
            (Err(said), Err(part)) if said.contains(part) => {}
            (got, _) => panic!("{change}: {got:?}"),
        }
    };
    check(got["spec"].clone(), Ok(())).await;
    check(
        json!({"requester": {"username": "bob"}}),
        Err("leave the field out"),
    )
    .await;
    check(json!({"pod": {"uid": "x"}}), Err("spec.pod.uid")).await;
    check(json!({"pod": {"name": "nobody"}}), Err("no Pod nobody")).await;
    check(json!({"pod": null}), Err("spec.pod.name")).await;
}

#[tokio::test]
async fn an_ask_is_recorded_before_it_is_stored_and_only_if_it_is_the_askers_own() {
    let world = World::new().await;
    let good = stamped(&world, "debugsessions", "alice", &ask("Controller"))
        .await
        .unwrap();
    let check = async |who: &str, object: &Value, dry_run: bool, expected: bool| {
        let review = own_dry(
            "CREATE",
            "debugsessions",
            who,
            object,
            &Value::Null,
            dry_run,
        );
        let answer = world.gate.objects(&review).await;
        assert_eq!(answer.is_allowed(), expected, "{who}: {answer:?}");
    };
    // Another webhook overwrote the stamp, or ours was not there.
    check("bob", &good, false, false).await;
    check("alice", &ask("Controller"), false, false).await;
    let other_pod = with(good.clone(), &json!({"spec": {"pod": {"uid": "x"}}}));
    check("alice", &other_pod, false, false).await;
    let no_reason = with(good.clone(), &json!({"spec": {"reason": " "}}));
    check("alice", &no_reason, false, false).await;
    let endless = with(good.clone(), &json!({"spec": {"durationSeconds": -1}}));
    check("alice", &endless, false, false).await;
    check("alice", &good, true, true).await;
    assert!(
        world.journal.session(SESSION).is_none(),
        "a dry run records nothing"
    );
    check("alice", &good, false, true).await;
    assert_eq!(world.session().phase.name(), PhaseName::Requested);
    check("alice", &good, false, false).await;
}

#[tokio::test]
async fn a_dry_run_shows_decision_quorum_and_exposure_before_anything_is_stored() {
    let world = World::new().await;
    let preview = async |object: Value| {
        let review = own_dry(
            "CREATE",
            "debugsessions",
            "alice",
            &object,
            &Value::Null,
            true,
        );
        let Answer::Allowed(yes) = world.gate.stamp(&review).await else {
            panic!("refused")
        };
        let mut object = object;
        patch(&mut object, yes.patch);
        let text = object["metadata"]["annotations"]["ephemera.dev/preview"]
            .as_str()
            .unwrap();
        serde_json::from_str::<Value>(text).unwrap()
    };
    let unnamed = with(
        ask("Controller"),
        &json!({"metadata": {"uid": null, "name": null}}),
    );
    let shown = preview(unnamed).await;
    assert_eq!(shown["decision"], "NeedsApproval", "{shown}");
    assert_eq!(shown["quorum"], json!([{"group": "approvers", "count": 1}]));
    assert!(shown["exposure"].is_object());
    let annotated = json!({
        "metadata": {"annotations": {"a": "b"}},
        "spec": {"container": {"image": "evil:1"}},
    });
    let shown = preview(with(ask("Controller"), &annotated)).await;
    assert_eq!(shown["decision"], "Denied");
    assert_eq!(shown["findings"][0]["policy"], "on-call", "{shown}");
    assert!(world.journal.sessions().is_empty());
}

#[tokio::test]
async fn a_verdict_is_on_exactly_these_terms_and_by_somebody_else() {
    let world = World::new().await;
    assert!(world.ask("alice", "Controller").await.is_allowed());
    let early = world
        .create(
            "debugapprovals",
            "bob",
            verdict("Approve", &format!("sha256:{}", "0".repeat(64))),
        )
        .await;
    assert!(said(&early).contains("no terms yet"), "{early:?}");
    world.propose().await;
    let hash = world.session().phase.terms().unwrap().spec_hash.to_string();
    let check = async |who: &str, change: Value, part: &str| {
        let object = with(verdict("Approve", &hash), &json!({"spec": change}));
        let answer = world.create("debugapprovals", who, object).await;
        assert!(
            !answer.is_allowed() && said(&answer).contains(part),
            "{part}: {answer:?}"
        );
    };
    check("alice", json!({}), "cannot approve it").await;
    check(
        "bob",
        json!({"specHash": format!("sha256:{}", "0".repeat(64))}),
        "look at the session again",
    )
    .await;
    check("bob", json!({"specHash": "x"}), "specHash").await;
    check("bob", json!({"sessionUid": "x"}), "no session s1").await;
    check("bob", json!({"session": "s2"}), "no session s2").await;
    check(
        "bob",
        json!({"approver": {"username": "carl"}}),
        "leave the field out",
    )
    .await;
    // A no by anybody would let everybody keep everybody out.
    check("carl", json!({"verdict": "Deny"}), "would not count").await;
    check("admin", json!({"verdict": "Deny"}), "would not count").await;
    check("carl", json!({}), "would not count").await;
    assert!(world.session().phase.approvals().is_empty());
    assert!(world.approve("bob").await.is_allowed());
    assert_eq!(
        world.session().phase.approvals()[0].approver.username,
        "bob"
    );
}

#[tokio::test]
async fn whoever_asked_and_says_no_takes_it_back() {
    let world = World::new().await;
    assert!(world.ask("alice", "Controller").await.is_allowed());
    let hash = format!("sha256:{}", "0".repeat(64));
    let answer = world
        .create("debugapprovals", "alice", verdict("Deny", &hash))
        .await;
    assert!(answer.is_allowed(), "{answer:?}");
    assert_eq!(world.session().phase.name(), PhaseName::Withdrawn);
}

#[tokio::test]
async fn nobody_has_endlessly_many_sessions_open() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for n in 0..33 {
        if n == 20 {
            world.later(60);
        }
        let uid = format!("{n:08}-77aa-4c1e-9b1e-1f1f1f1f1f1f");
        let object = with(ask("Controller"), &json!({"metadata": {"uid": uid}}));
        answers.push(world.create("debugsessions", "alice", object).await);
    }
    assert!(answers[..32].iter().all(Answer::is_allowed));
    assert!(said(&answers[32]).contains("32 sessions that are not over"));
    let somebody_elses = world.ask("bob", "Controller").await;
    assert!(somebody_elses.is_allowed(), "{somebody_elses:?}");
}

#[tokio::test]
async fn nobody_asks_without_a_pause() {
    let world = World::new().await;
    let mut taken = 0;
    for n in 0..40 {
        let uid = format!("{n:08}-77aa-4c1e-9b1e-1f1f1f1f1f1f");
        let object = with(
            ask("Controller"),
            &json!({"metadata": {"uid": uid.clone()}}),
        );
        taken += usize::from(
            world
                .create("debugsessions", "alice", object)
                .await
                .is_allowed(),
        );
        if let Some(session) = world.journal.session(&uid) {
            let why = "refused at once".to_owned();
            let uid = &session.request.session.uid;
            world
                .journal
                .record(uid, session::Event::Failed { why })
                .await
                .unwrap();
        }
    }
    assert_eq!(taken, 30);
    world.later(60);
    assert!(world.ask("alice", "Controller").await.is_allowed());
}

#[tokio::test]
async fn what_was_said_stays_and_a_status_is_the_controllers() {
    let world = World::new().await;
    let (old, new) = (ask("Controller"), ask("Requester"));
    let check = async |path: &str, who: &str, object: &Value, expected: bool| {
        let answer = world
            .gate
            .objects(&own("UPDATE", path, who, object, &old))
            .await;
        assert_eq!(answer.is_allowed(), expected, "{path} {who}: {answer:?}");
    };
    let labelled = with(old.clone(), &json!({"metadata": {"labels": {"a": "b"}}}));
    check("debugsessions", "alice", &labelled, true).await;
    check("debugsessions", "alice", &new, false).await;
    check("debugsessions", CONTROLLER, &new, false).await;
    check("debugapprovals", "admin", &new, false).await;
    check("debugsessions/status", CONTROLLER, &old, true).await;
    check("debugsessions/status", "admin", &old, false).await;
    check("debugsessions/scale", CONTROLLER, &old, false).await;
}

#[tokio::test]
async fn a_living_session_cannot_be_made_to_disappear() {
    let world = World::new().await;
    let delete = async |old: &Value| {
        let review = own("DELETE", "debugsessions", "admin", &Value::Null, old);
        world.gate.objects(&review).await.is_allowed()
    };
    assert!(
        delete(&ask("Controller")).await,
        "the log knows nothing of it"
    );
    assert!(world.ask("alice", "Controller").await.is_allowed());
    assert!(!delete(&ask("Controller")).await);
    assert!(!delete(&Value::Null).await);
    let why = "test".to_owned();
    world
        .journal
        .record(SESSION, session::Event::Failed { why })
        .await
        .unwrap();
    assert!(delete(&ask("Controller")).await, "it is over");
}

#[tokio::test]
async fn a_policy_that_cannot_be_understood_is_not_stored() {
    let world = World::new().await;
    let check = async |spec: Value, expected: bool| {
        let object = with(
            serde_json::to_value(policy(&json!({}))).unwrap(),
            &json!({"spec": spec}),
        );
        let review = own("CREATE", "debugpolicies", "admin", &object, &Value::Null);
        let answer = world.gate.objects(&review).await;
        assert_eq!(answer.is_allowed(), expected, "{spec}: {answer:?}");
    };
    check(json!({}), true).await;
    check(json!({"request": {"ticket": {"pattern": "("}}}), false).await;
    check(
        json!({"approval": {"quorum": [{"group": "", "count": 1}]}}),
        false,
    )
    .await;
    check(json!({"recording": {"mode": "Required"}}), false).await;
}
