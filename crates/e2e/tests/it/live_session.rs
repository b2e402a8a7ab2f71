//! A live session: who is let onto its streams, and what may happen to its objects.

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use testkit::cluster::{JSON, refuses, said};
use testkit::sample::{NAMESPACE, POD, sessions_path};
use testkit::{Ask, Cluster, Visit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::refusals::set;

pub(crate) fn all() -> Vec<Trial> {
    vec![
        crate::story(
            "live_session::streams_are_for_whom_the_visit_was_granted",
            streams,
        ),
        crate::story("live_session::its_objects_stay_as_they_are", objects),
    ]
}

const SLEEP: &[&str] = &["sleep", "300"];
const MERGE: &str = "application/merge-patch+json";

async fn pods(cluster: &Cluster, person: &str) -> Result<Api<Pod>> {
    Ok(Api::namespaced(
        cluster.stage.client(person).await?,
        NAMESPACE,
    ))
}

fn into(container: &str) -> AttachParams {
    AttachParams::default().container(container).stderr(false)
}

async fn into_the_application(cluster: &Cluster) -> Result<()> {
    // Into the application people go as before, if they may.
    let mut command = pods(cluster, "alice")
        .await?
        .exec(POD, ["tail", "/etc/hostname"], &into("app"))
        .await?;
    let mut said = String::new();
    command
        .stdout()
        .context("no output")?
        .read_to_string(&mut said)
        .await?;
    ensure!(said == "app\n", "the application's container says {said:?}");
    let viewer = pods(cluster, "carl")
        .await?
        .exec(POD, ["tail", "/etc/hostname"], &into("app"))
        .await;
    ensure!(viewer.is_err(), "a viewer ran a command");
    Ok(())
}

async fn its_own_person(cluster: &Cluster, visit: &Visit) -> Result<()> {
    // And whose visit it is gets on.
    let mut attached = pods(cluster, "alice")
        .await?
        .attach(POD, &into(&visit.handle).stdin(true))
        .await?;
    let mut input = attached.stdin().context("no input")?;
    input.write_all(b"it is me\n").await?;
    let mut echo = [0; 9];
    attached
        .stdout()
        .context("no output")?
        .read_exact(&mut echo)
        .await?;
    ensure!(&echo == b"it is me\n", "{echo:?}");
    drop((input, attached));
    let record = cluster.record(visit).await?;
    let attachments = &record["terminal"]["attachments"]["value"];
    ensure!(
        attachments[0]["person"]["username"] == "alice" && attachments[1].is_null(),
        "{attachments:#}"
    );
    Ok(())
}

async fn streams(cluster: &mut Cluster) -> Result<()> {
    let flags = &["--inject", "-i"];
    let visit = cluster
        .approved(Ask {
            person: "alice",
            flags,
            command: &["cat"],
        })
        .await?;
    cluster
        .session_when(&visit, |phase| phase == "Running")
        .await?;
    for person in ["bob", "admin"] {
        let attached = pods(cluster, person)
            .await?
            .attach(POD, &into(&visit.handle))
            .await;
        ensure!(attached.is_err(), "{person} was let onto alice's visit");
    }
    for person in ["alice", "bob", "admin"] {
        let command = pods(cluster, person)
            .await?
            .exec(POD, ["cat", "/etc/hostname"], &into(&visit.handle))
            .await;
        ensure!(
            command.is_err(),
            "{person} ran a command in a debug container"
        );
    }
    ensure!(
        !cluster
            .steps(&visit)
            .await?
            .contains(&"Attached".to_owned()),
        "somebody refused is in the record"
    );
    into_the_application(cluster).await?;
    its_own_person(cluster, &visit).await?;
    cluster.verifies().await
}

async fn objects(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster.approved(Ask::injected(SLEEP)).await?;
    cluster
        .session_when(&visit, |phase| phase == "Running")
        .await?;
    let path = sessions_path(&visit.name);
    let deleted = cluster
        .stage
        .send("admin", "DELETE", &path, JSON, &Value::Null)
        .await?;
    refuses(
        &deleted,
        StatusCode::FORBIDDEN,
        &["cannot be deleted before it is over"],
    )?;
    let many = cluster
        .stage
        .send("admin", "DELETE", &sessions_path(""), JSON, &Value::Null)
        .await?;
    ensure!(
        !many.0.is_success(),
        "a live session was deleted with all of them: {:#}",
        many.1
    );
    let status = json!({"status": {"phase": "Closed"}});
    let written = cluster
        .stage
        .send("admin", "PATCH", &format!("{path}/status"), MERGE, &status)
        .await?;
    refuses(
        &written,
        StatusCode::FORBIDDEN,
        &["written by its controller alone"],
    )?;
    let spec = json!({"spec": {"durationSeconds": 86400}});
    let changed = cluster
        .stage
        .send("admin", "PATCH", &path, MERGE, &spec)
        .await?;
    // Said by the schema's own rule, or by admission where a cluster does not evaluate it.
    ensure!(
        changed.0.is_client_error()
            && said(&changed.1).contains("cannot be changed: make a new one"),
        "{:#}",
        changed.1
    );
    forged_ask(cluster, &cluster.session(&visit).await?).await?;
    ensure!(
        cluster.session(&visit).await?["status"]["phase"] == "Running",
        "the session was moved"
    );
    cluster.verifies().await
}

/// Asking in somebody else's name, or for a Pod that is another one by now.
async fn forged_ask(cluster: &Cluster, session: &Value) -> Result<()> {
    let bob = json!({"username": "bob", "uid": "bob-uid", "groups": ["approvers", "sre", "system:authenticated"]});
    let cases: [(&str, Value, &[&str]); 2] = [
        (
            "/requester",
            bob,
            &["spec.requester is filled in by the server"],
        ),
        (
            "/pod/uid",
            "c9204835-0504-4057-b8a5-d3b45d435646".into(),
            &["spec.pod.uid is", "leave the field out"],
        ),
    ];
    for (pointer, value, words) in cases {
        let mut spec = session["spec"].clone();
        set(&mut spec, pointer, &value)?;
        let ask = json!({"apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugSession",
            "metadata": {"generateName": "forged-"}, "spec": spec});
        let answer = cluster
            .stage
            .send("alice", "POST", &sessions_path(""), JSON, &ask)
            .await?;
        refuses(&answer, StatusCode::FORBIDDEN, words).context(pointer)?;
    }
    Ok(())
}
