//! `kill -9` of everything that is ours, at the worst moments; and a ledger that cannot write.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use libtest_mimic::Trial;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::Value;
use testkit::cluster::{refuses, said, until};
use testkit::sample::POD;
use testkit::traces::processes_with;
use testkit::{Ask, Cluster, Hook, Visit};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        crate::story(
            "crashes::killed_while_the_container_is_being_admitted_the_visit_goes_on",
            while_admitted,
        ),
        crate::story(
            "crashes::killed_right_after_the_approval_the_visit_goes_on",
            after_approval,
        ),
        crate::story(
            "crashes::killed_during_a_visit_its_exit_is_recorded",
            while_running,
        ),
        crate::story(
            "crashes::a_visit_that_ended_while_nobody_looked_has_its_exit_recorded",
            ended_unseen,
        ),
        crate::story(
            "crashes::a_ledger_that_cannot_write_lets_nobody_in",
            unwritable,
        ),
    ]
}

async fn while_admitted(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster
        .ask(Ask::injected(&["bash", "-c", "echo once; exit 9"]))
        .await?;
    let mut hook = Hook::on_ephemeral_containers(cluster).await?;
    cluster.approve(&visit).await?;
    // The API server waits for somebody else's answer: ours is given, nothing is stored.
    let question = hook.question().await?;
    cluster.stage.kill().await?;
    drop(question);
    cluster.verifies().await?;
    cluster.stage.start().await?;
    hook.question().await?.allow();
    went_on(cluster, &visit).await
}

async fn after_approval(cluster: &mut Cluster) -> Result<()> {
    for _ in 0..3 {
        let visit = cluster
            .ask(Ask::injected(&["bash", "-c", "echo once; exit 9"]))
            .await?;
        cluster.approve(&visit).await?;
        // However far the controller has come by now.
        cluster.stage.kill().await?;
        cluster.verifies().await?;
        cluster.stage.start().await?;
        went_on(cluster, &visit).await?;
    }
    Ok(())
}

async fn while_running(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster
        .approved(Ask::injected(&["bash", "-c", "echo once; sleep 5; exit 9"]))
        .await?;
    cluster
        .session_when(&visit, |phase| phase == "Running")
        .await?;
    let before = cluster
        .status_when(&visit, |status| status["state"]["running"].is_object())
        .await?;
    cluster.stage.kill().await?;
    cluster.stage.start().await?;
    went_on(cluster, &visit).await?;
    the_same_container(cluster, &visit, &before).await
}

async fn ended_unseen(cluster: &mut Cluster) -> Result<()> {
    let mark = format!("{}-mark", cluster.data_dir());
    let script = format!(": {mark}; echo once; sleep 2; exit 9");
    let visit = cluster
        .approved(Ask::injected(&["bash", "-c", &script]))
        .await?;
    let before = cluster
        .status_when(&visit, |status| status["state"]["running"].is_object())
        .await?;
    cluster.stage.kill().await?;
    until("the container's end", || {
        Ok(processes_with(&mark)?.is_empty())
    })
    .await?;
    cluster.stage.start().await?;
    went_on(cluster, &visit).await?;
    the_same_container(cluster, &visit, &before).await
}

/// The visit came to its end, once, and the books tell how.
async fn went_on(cluster: &Cluster, visit: &Visit) -> Result<()> {
    let session = cluster.closed(visit).await?;
    ensure!(
        session["status"]["exit"]["code"] == 9,
        "{:#}",
        session["status"]
    );
    ensure!(
        cluster.output(visit).await? == "once\n",
        "it ran more than once"
    );
    let containers = cluster.containers_in(POD).await?;
    ensure!(
        containers
            .iter()
            .filter(|name| **name == visit.handle)
            .count()
            == 1,
        "{containers:?}"
    );
    let record = cluster.record(visit).await?;
    ensure!(
        record["entered"]["value"] == true,
        "{:#}",
        record["entered"]
    );
    ensure!(
        record["exit"]["value"]["code"]["value"] == 9,
        "{:#}",
        record["exit"]
    );
    let steps = cluster.steps(visit).await?;
    for once in [
        "Granted",
        "Reserved",
        "Committed",
        "Started",
        "Ended",
        "Closed",
    ] {
        ensure!(
            steps.iter().filter(|step| *step == once).count() == 1,
            "{once}: {steps:?}"
        );
    }
    cluster.verifies().await
}

async fn the_same_container(cluster: &Cluster, visit: &Visit, before: &Value) -> Result<()> {
    let after = cluster
        .status_when(visit, |status| status["state"]["terminated"].is_object())
        .await?;
    ensure!(
        before["containerID"] == after["containerID"],
        "another container ran: {before:#} {after:#}"
    );
    let started = (
        &before["state"]["running"]["startedAt"],
        &after["state"]["terminated"]["startedAt"],
    );
    ensure!(started.0 == started.1, "it was started again: {started:?}");
    Ok(())
}

/// A small file system in place of a folder.
struct Small(PathBuf);

impl Small {
    /// Mounts it over the folder, with the folder's files in it.
    fn over(folder: PathBuf) -> Result<Self> {
        let aside = folder.with_extension("aside");
        std::fs::rename(&folder, &aside)?;
        std::fs::create_dir(&folder)?;
        mount("tmpfs", &folder, "tmpfs", MountFlags::empty(), c"size=2m").context("no tmpfs")?;
        let small = Self(folder);
        // An unchanged copy: nothing in it has these words.
        cli::stage::tampered(&aside, &small.0, b"\0no such words\0", b"\0no such words\0")?;
        Ok(small)
    }

    /// Fills it to the last byte.
    fn fill(&self) -> Result<()> {
        let mut file = std::fs::File::create(self.filler())?;
        while file.write_all(&[0; 4096]).is_ok() {}
        Ok(())
    }

    fn relieve(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // The cluster may still have a file of it open.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

async fn unwritable(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster
        .approved(Ask::by_hand(&["bash", "-c", "echo once; exit 9"]))
        .await?;
    let container = cluster.container(&visit).await?;
    cluster.stage.kill().await?;
    let ledger = Small::over(cluster.stage.path("ledger"))?;
    cluster.stage.start().await?;
    ledger.fill()?;
    let answer = cluster.add("alice", POD, &container).await?;
    refuses(
        &answer,
        StatusCode::SERVICE_UNAVAILABLE,
        &["the ledger cannot write, so the answer is no"],
    )?;
    let ask = cluster
        .stage
        .ephemera("alice", &Ask::injected(&["bash"]).words())
        .await?;
    ensure!(
        ask.status != 0 && ask.stderr.contains("the ledger cannot write"),
        "{ask:?}"
    );
    ensure!(
        cluster.containers_in(POD).await?.is_empty(),
        "somebody entered without an entry"
    );
    cluster.stage.kill().await?;
    ledger.relieve()?;
    cluster.stage.start().await?;
    let (status, answer) = cluster.add("alice", POD, &container).await?;
    ensure!(status == StatusCode::OK, "{status}: {}", said(&answer));
    went_on(cluster, &visit).await
}
