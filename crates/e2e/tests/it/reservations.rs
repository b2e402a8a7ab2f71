//! Admission is asked, and something else happens than what it answered: what was promised is one promise,
//! and a promise that was not kept is void.

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use libtest_mimic::Trial;
use serde_json::json;
use testkit::cluster::{refuses, said};
use testkit::sample::{POD, pod_path};
use testkit::{Ask, Cluster, Hook, Visit};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        // The longest first: a reservation is void after half a minute.
        crate::story(
            "reservations::allowed_by_us_and_denied_by_another_is_void_and_can_be_used_again",
            void,
        ),
        crate::story(
            "reservations::asked_several_times_is_one_reservation",
            conflicts,
        ),
        crate::story(
            "reservations::the_controllers_own_request_denied_by_another_fails_honestly",
            failed,
        ),
    ]
}

const COMMAND: &[&str] = &["bash", "-c", "echo once"];

async fn conflicts(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster.approved(Ask::by_hand(COMMAND)).await?;
    let container = cluster.container(&visit).await?;
    let mut hook = Hook::on_ephemeral_containers(cluster).await?;
    let sent = cluster.add("alice", POD, &container);
    let held = async {
        // Twice the Pod is another one by the time the request is judged, so it is judged anew.
        for turn in 1..=2 {
            let question = hook.question().await?;
            let touched = json!({"metadata": {"annotations": {"turn": turn.to_string()}}});
            cluster.merge(&pod_path(POD), &touched).await?;
            question.allow();
        }
        hook.question().await?.allow();
        anyhow::Ok(())
    };
    let (answer, held) = tokio::join!(sent, held);
    held?;
    let (status, answer) = answer?;
    ensure!(status == StatusCode::OK, "{status}: {}", said(&answer));
    let asked = hook.asked();
    ensure!(
        asked.len() == 3,
        "admission was asked {} times",
        asked.len()
    );
    ensure!(
        asked[0]["uid"] != asked[1]["uid"],
        "a retry is another review"
    );
    cluster.closed(&visit).await?;
    let steps = cluster.steps(&visit).await?;
    ensure!(
        times(&steps, "Reserved") == 1 && times(&steps, "Committed") == 1,
        "{steps:?}"
    );
    ensure!(
        cluster.containers_in(POD).await? == [visit.handle.clone()],
        "there is another container"
    );
    ensure!(
        cluster.output(&visit).await? == "once\n",
        "it ran more than once"
    );
    cluster.verifies().await
}

async fn void(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster.approved(Ask::by_hand(COMMAND)).await?;
    let container = cluster.container(&visit).await?;
    let mut hook = Hook::on_ephemeral_containers(cluster).await?;
    let denied = async {
        hook.question()
            .await
            .map(|question| question.deny("not on a Sunday"))
    };
    let (answer, denied) = tokio::join!(cluster.add("alice", POD, &container), denied);
    denied?;
    let answer = answer?;
    refuses(
        &answer,
        StatusCode::FORBIDDEN,
        &["judge.example.com", "not on a Sunday"],
    )?;
    let steps = cluster.steps(&visit).await?;
    ensure!(
        steps.last().is_some_and(|last| last == "Reserved"),
        "it was not reserved: {steps:?}"
    );
    nobody_entered(cluster, &visit, "Reserved").await?;
    hook.unregister(cluster).await?;
    let path = testkit::sample::sessions_path(&visit.name);
    cluster
        .when(&path, |session| {
            session["status"]["reservation"] != "Reserved"
        })
        .await?;
    let steps = cluster.steps(&visit).await?;
    ensure!(
        steps.last().is_some_and(|last| last == "Voided"),
        "{steps:?}"
    );
    nobody_entered(cluster, &visit, "Void").await?;
    // Nobody has had what was granted: it is still there.
    let (status, answer) = cluster.add("alice", POD, &container).await?;
    ensure!(status == StatusCode::OK, "{status}: {}", said(&answer));
    cluster.closed(&visit).await?;
    let steps = cluster.steps(&visit).await?;
    ensure!(
        times(&steps, "Reserved") == 2
            && times(&steps, "Voided") == 1
            && times(&steps, "Committed") == 1,
        "{steps:?}"
    );
    ensure!(
        cluster.record(&visit).await?["entered"]["value"] == true,
        "the second time somebody entered"
    );
    cluster.verifies().await
}

async fn failed(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster.ask(Ask::injected(COMMAND)).await?;
    let mut hook = Hook::on_ephemeral_containers(cluster).await?;
    cluster.approve(&visit).await?;
    hook.question().await?.deny("not on a Sunday");
    let session = cluster
        .session_when(&visit, |phase| {
            !matches!(phase, "AwaitingApproval" | "Approved")
        })
        .await?;
    let status = &session["status"];
    ensure!(status["phase"] == "Failed", "{status:#}");
    ensure!(
        status["message"]
            .as_str()
            .is_some_and(|m| m.contains("not on a Sunday")),
        "{status:#}"
    );
    let steps = cluster.steps(&visit).await?;
    ensure!(
        steps.ends_with(&["Reserved".into(), "Voided".into(), "Failed".into()]),
        "{steps:?}"
    );
    nobody_entered(cluster, &visit, "Void").await?;
    ensure!(
        cluster.containers_in(POD).await?.is_empty(),
        "a refused container was stored"
    );
    cluster.verifies().await
}

/// No account says that somebody entered, and each says what became of the promise.
async fn nobody_entered(cluster: &Cluster, visit: &Visit, reservation: &str) -> Result<()> {
    let record = cluster.record(visit).await?;
    ensure!(
        record["entered"]["value"] != true,
        "{:#}",
        record["entered"]
    );
    ensure!(
        record["admission"]["value"]["reservation"] == reservation,
        "{:#}",
        record["admission"]
    );
    let ledger = cluster.stage.path("ledger").display().to_string();
    let text = cluster
        .done("auditor", &["record", &visit.uid, "--ledger", &ledger])
        .await?
        .stdout;
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with("entered"))
        .context("no line tells it")?;
    ensure!(!line.contains("yes"), "{line}");
    Ok(())
}

fn times(steps: &[String], kind: &str) -> usize {
    steps.iter().filter(|step| *step == kind).count()
}
