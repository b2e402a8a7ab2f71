//! What is not let in, and in which words: each of these is a way somebody could try.

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testkit::cluster::{JSON, STRATEGIC, door, refuses, said};
use testkit::sample::{NAMESPACE, OTHER_POD, POD, approvals_path, policy_path};
use testkit::{Ask, Cluster, Visit};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        crate::story(
            "refusals::a_container_that_is_not_the_granted_one",
            another_container,
        ),
        crate::story("refusals::verdicts_that_do_not_count", verdicts),
        crate::story(
            "refusals::a_policy_that_changed_voids_what_was_approved",
            another_policy,
        ),
        crate::story("refusals::a_grant_that_was_not_used_in_time", expired),
    ]
}

const SLEEP: &[&str] = &["sleep", "300"];

async fn another_container(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster.approved(Ask::by_hand(SLEEP)).await?;
    let granted = cluster.container(&visit).await?;
    let changes = [
        ("/env", json!([{"name": "HISTFILE", "value": "/dev/null"}])),
        ("/securityContext/privileged", json!(true)),
        (
            "/securityContext/capabilities/add",
            json!(["SYS_PTRACE", "SYS_ADMIN"]),
        ),
        ("/image", json!("tools:2")),
        ("/tty", json!(true)),
        ("/stdin", json!(true)),
        ("/args", json!(["600"])),
        ("/command", json!(["sleep", "301"])),
        ("/targetContainerName", json!("sidecar")),
        ("/imagePullPolicy", json!("Always")),
    ];
    for (pointer, value) in changes {
        let mut container = granted.clone();
        set(&mut container, pointer, &value)?;
        let answer = cluster.add("alice", POD, &container).await?;
        let field = pointer[1..].replace('/', ".");
        refuses(
            &answer,
            StatusCode::FORBIDDEN,
            &["is not the one that was granted", &field],
        )
        .context(pointer)?;
    }
    two_at_once(cluster, &granted).await?;
    in_another_place(cluster, &visit, &granted).await?;
    ensure!(
        cluster.containers_in(POD).await?.is_empty(),
        "a refused container was stored"
    );
    ensure!(
        !cluster
            .steps(&visit)
            .await?
            .contains(&"Reserved".to_owned()),
        "something refused was reserved"
    );
    // It was refused for what was changed, and for nothing else.
    let (status, answer) = cluster.add("alice", POD, &granted).await?;
    ensure!(status == StatusCode::OK, "{status}: {}", said(&answer));
    cluster
        .session_when(&visit, |phase| phase == "Running")
        .await?;
    cluster.verifies().await
}

/// The granted container for another Pod, under another reserved name, by another person.
async fn in_another_place(cluster: &Cluster, visit: &Visit, granted: &Value) -> Result<()> {
    let elsewhere = cluster.add("alice", OTHER_POD, granted).await?;
    refuses(
        &elsewhere,
        StatusCode::FORBIDDEN,
        &["no session of Pod app-b has the handle", &visit.handle],
    )?;
    let mut reserved = granted.clone();
    reserved["name"] = "visit-00000000".into();
    let answer = cluster.add("alice", POD, &reserved).await?;
    refuses(
        &answer,
        StatusCode::FORBIDDEN,
        &["names that begin with \"visit-\" are kept for sessions"],
    )?;
    for person in ["bob", "admin"] {
        let answer = cluster.add(person, POD, granted).await?;
        refuses(&answer, StatusCode::FORBIDDEN, &[person, "alice"]).context(person)?;
    }
    Ok(())
}

async fn two_at_once(cluster: &Cluster, granted: &Value) -> Result<()> {
    let mut second = granted.clone();
    second["name"] = "second".into();
    for both in [json!([granted, second]), json!([second, granted])] {
        let patch = json!({"spec": {"ephemeralContainers": both}});
        let answer = cluster
            .stage
            .send("alice", "PATCH", &door(POD), STRATEGIC, &patch)
            .await?;
        refuses(
            &answer,
            StatusCode::FORBIDDEN,
            &["2 ephemeral containers arrive at once"],
        )?;
    }
    Ok(())
}

pub(crate) fn set(container: &mut Value, pointer: &str, value: &Value) -> Result<()> {
    let (parent, field) = pointer.rsplit_once('/').context("a pointer")?;
    container.pointer_mut(parent).context("the parent")?[field] = value.clone();
    Ok(())
}

async fn verdicts(cluster: &mut Cluster) -> Result<()> {
    let two = json!({"spec": {"approval": {"quorum": [{"group": "approvers", "count": 2}]}}});
    cluster.merge(&policy_path(), &two).await?;
    let visit = cluster.ask(Ask::injected(SLEEP)).await?;
    let session = cluster.session(&visit).await?;
    forged(cluster, &visit, &session).await?;
    // One person twice is one person.
    cluster.approve(&visit).await?;
    cluster.approve(&visit).await?;
    let session = cluster
        .session_when(&visit, |phase| phase != "Requested")
        .await?;
    ensure!(
        session["status"]["phase"] == "AwaitingApproval",
        "one person was two: {:#}",
        session["status"]
    );
    let one = json!({"spec": {"approval": {"quorum": [{"group": "approvers", "count": 1}]}}});
    cluster.merge(&policy_path(), &one).await?;
    a_no_ends_it(cluster).await?;
    // Who asked takes it back.
    let visit = cluster.ask(Ask::injected(SLEEP)).await?;
    cluster
        .done("alice", &["deny", &visit.name, "-n", NAMESPACE])
        .await?;
    cluster
        .session_when(&visit, |phase| phase == "Withdrawn")
        .await?;
    ensure!(
        cluster.containers_in(POD).await?.is_empty(),
        "somebody entered"
    );
    cluster.verifies().await
}

async fn a_no_ends_it(cluster: &Cluster) -> Result<()> {
    // A no ends it; nobody's yes comes after it.
    let visit = cluster.ask(Ask::injected(SLEEP)).await?;
    cluster
        .done(
            "bob",
            &[
                "deny",
                &visit.name,
                "-n",
                NAMESPACE,
                "--comment",
                "look at the traces first",
            ],
        )
        .await?;
    let session = cluster
        .session_when(&visit, |phase| phase == "Denied")
        .await?;
    ensure!(
        session["status"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("look at the traces first")),
        "{session:#}"
    );
    let late = cluster
        .stage
        .ephemera("bob", &["approve", &visit.name, "-n", NAMESPACE])
        .await?;
    ensure!(
        late.status != 0 && late.stderr.contains("look at the traces first"),
        "{late:?}"
    );
    Ok(())
}

/// Verdicts that say something false about who gives them or on what.
async fn forged(cluster: &Cluster, visit: &Visit, session: &Value) -> Result<()> {
    let spec = json!({"session": visit.name, "sessionUid": visit.uid, "specHash": session["status"]["specHash"], "verdict": "Approve"});
    let bob = json!({"username": "bob", "uid": "bob-uid", "groups": ["approvers", "sre", "system:authenticated"]});
    let other_hash = format!("sha256:{}", "0".repeat(64));
    let cases: [(&str, &str, Value, &[&str]); 4] = [
        (
            "alice",
            "/approver",
            bob.clone(),
            &["spec.approver is filled in by the server", "alice"],
        ),
        (
            "admin",
            "/approver",
            bob,
            &["spec.approver is filled in by the server", "admin"],
        ),
        (
            "bob",
            "/specHash",
            other_hash.into(),
            &["look at the session again"],
        ),
        (
            "bob",
            "/sessionUid",
            "c9204835-0504-4057-b8a5-d3b45d435646".into(),
            &["no session", "was asked for"],
        ),
    ];
    for (person, pointer, value, words) in cases {
        let mut spec = spec.clone();
        set(&mut spec, pointer, &value)?;
        let approval = json!({"apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugApproval",
            "metadata": {"generateName": "forged-"}, "spec": spec});
        let answer = cluster
            .stage
            .send(person, "POST", &approvals_path(), JSON, &approval)
            .await?;
        refuses(&answer, StatusCode::FORBIDDEN, words)
            .with_context(|| format!("{person} {pointer}"))?;
    }
    Ok(())
}

async fn another_policy(cluster: &mut Cluster) -> Result<()> {
    let asked = cluster.ask(Ask::injected(SLEEP)).await?;
    let hash = cluster.session(&asked).await?["status"]["specHash"]
        .as_str()
        .context("a hash")?
        .to_owned();
    let granted = cluster.approved(Ask::by_hand(SLEEP)).await?;
    cluster
        .merge(
            &policy_path(),
            &json!({"spec": {"request": {"maxDurationSeconds": 1700}}}),
        )
        .await?;
    // The person has a grant and the very container; what was approved was another rule.
    let container = cluster.container(&granted).await?;
    let answer = cluster.add("alice", POD, &container).await?;
    refuses(
        &answer,
        StatusCode::FORBIDDEN,
        &["has changed since", "ask again"],
    )?;
    // Nobody has said yes yet: the old hash is no use any more.
    cluster
        .session_when(&asked, |phase| phase == "Denied")
        .await?;
    let words = [
        "approve",
        &asked.name,
        "-n",
        NAMESPACE,
        "--spec-hash",
        &hash,
    ];
    let late = cluster.stage.ephemera("bob", &words).await?;
    ensure!(late.status == 3, "an old hash was approved: {late:?}");
    ensure!(
        cluster.containers_in(POD).await?.is_empty(),
        "somebody entered"
    );
    ensure!(
        cluster.record(&granted).await?["entered"]["value"] != true,
        "the record says that somebody entered"
    );
    cluster.verifies().await
}

async fn expired(cluster: &mut Cluster) -> Result<()> {
    let short = json!({"spec": {"approval": {"expirySeconds": 8}}});
    cluster.merge(&policy_path(), &short).await?;
    let visit = cluster.approved(Ask::by_hand(SLEEP)).await?;
    let container = cluster.container(&visit).await?;
    let session = cluster
        .session_when(&visit, |phase| phase == "Expired")
        .await?;
    ensure!(
        session["status"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("the grant was not used")),
        "{session:#}"
    );
    let answer = cluster.add("alice", POD, &container).await?;
    refuses(&answer, StatusCode::FORBIDDEN, &["expired", "ask again"])?;
    ensure!(
        cluster.record(&visit).await?["entered"]["value"] == false,
        "somebody entered"
    );
    cluster.verifies().await
}
