//! What is not possible is said in one line that tells what to do, and leaves nothing.

use std::net::TcpListener;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use testkit::Cluster;

use crate::{story, trial};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        story(
            "wrong_uses::a_second_up_on_the_same_data_dir_is_refused",
            second,
        ),
        trial("wrong_uses::a_taken_port_is_named", taken),
        trial(
            "wrong_uses::a_bare_cluster_gives_nobody_rights_and_governs_nothing",
            bare,
        ),
    ]
}

/// What `up` says on standard error when it does not start.
async fn refusal(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    let output = cluster
        .stage
        .command()
        .arg("up")
        .args(arguments)
        .output()
        .await?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    let said = String::from_utf8(output.stderr)?.trim().to_owned();
    ensure!(said.lines().count() == 1, "more than a line: {said}");
    Ok(said)
}

async fn second(cluster: &mut Cluster) -> Result<()> {
    let dir = cluster.stage.path("").display().to_string();
    let said = refusal(cluster, &["--data-dir", &dir, "--listen", "127.0.0.1:0"]).await?;
    ensure!(said.contains("another `ephemera up` runs on"), "{said}");
    ensure!(said.contains("--data-dir"), "{said}");
    Ok(())
}

async fn taken() -> Result<()> {
    let cluster = Cluster::raise(&["--bare"]).await?;
    let held = TcpListener::bind("127.0.0.1:0")?;
    let address = held.local_addr()?.to_string();
    let dir = tempfile::tempdir()?;
    let path = dir.path().to_str().context("the directory has a name")?;
    let said = refusal(&cluster, &["--data-dir", path, "--listen", &address]).await?;
    ensure!(said.contains(&format!("{address} is taken")), "{said}");
    ensure!(said.contains("--listen"), "{said}");
    cluster.strike().await
}

async fn bare() -> Result<()> {
    let cluster = Cluster::raise(&["--bare"]).await?;
    let pods = "/api/v1/namespaces/default/pods";
    let get = async |person| {
        cluster
            .stage
            .send(
                person,
                "GET",
                pods,
                "application/json",
                &serde_json::Value::Null,
            )
            .await
    };
    for person in ["alice", "bob", "carl"] {
        let (status, answer) = get(person).await?;
        ensure!(status == 403, "{person}: {status} {answer}");
    }
    ensure!(get("admin").await?.0 == 200);
    let sessions = cluster.stage.ephemera("admin", &["sessions"]).await?;
    ensure!(sessions.status == 1, "{sessions:?}");
    cluster.strike().await
}
