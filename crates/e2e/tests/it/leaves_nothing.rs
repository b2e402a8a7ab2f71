//! A cluster that ended is as if it had never been.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use testkit::sample::{OTHER_POD, POD, pod_path};
use testkit::{Ask, Cluster, Traces};

pub(crate) fn all() -> Vec<Trial> {
    vec![
        crate::trial("leaves_nothing::after_ctrl_c", after_ctrl_c),
        crate::trial(
            "leaves_nothing::after_a_kill_and_another_start",
            after_a_kill,
        ),
    ]
}

async fn after_ctrl_c() -> Result<()> {
    let cluster = Cluster::with_sample().await?;
    let visit = cluster.approved(Ask::injected(&["sleep", "300"])).await?;
    cluster
        .session_when(&visit, |phase| phase == "Running")
        .await?;
    gone(cluster).await
}

async fn after_a_kill() -> Result<()> {
    let mut cluster = Cluster::with_sample().await?;
    cluster.stage.kill().await?;
    cluster.stage.start().await?;
    gone(cluster).await
}

async fn gone(cluster: Cluster) -> Result<()> {
    let dir = cluster.data_dir();
    let mut pods = Vec::new();
    for name in [POD, OTHER_POD] {
        let uid = cluster.get(&pod_path(name)).await?["metadata"]["uid"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        pods.push(uid);
    }
    let during = Traces::of(&dir, &pods)?;
    // Two Pods of two containers each: what is not found while it is there would not be found after.
    ensure!(
        during.processes.len() > 8 && during.mounts.len() > 4,
        "{during:#?}"
    );
    cluster.strike().await?;
    let after = Traces::of(&dir, &pods)?;
    ensure!(after.is_empty(), "left behind: {after:#?}");
    let left = during.left()?;
    ensure!(left.is_empty(), "left behind: {left:#?}");
    ensure!(
        !std::path::Path::new(&dir).exists(),
        "the directory is left behind"
    );
    Ok(())
}
