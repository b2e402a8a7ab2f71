//! The eight steps.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::StatusCode;
use serde_json::{Value, json};

use super::scene::{self, LOOK_AROUND, NAMESPACE, OTHER_POD, POD, TOOLS};
use super::stage::{Answer, Stage};

const JSON: &str = "application/json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// How long anything of the demo may take to come to be.
const PATIENCE: Duration = Duration::from_secs(20);

/// Plays all of them; the first that does not come out as told is an error.
pub(super) async fn play(stage: &Stage) -> Result<()> {
    stage.tell("One governed visit, on real containers.\n")?;
    the_cluster_is_up(stage).await?;
    a_plain_container_is_refused(stage).await?;
    let session = somebody_asks(stage).await?;
    somebody_else_approves(stage, &session).await?;
    the_container_runs(stage, &session).await?;
    the_grant_is_used(stage, &session).await?;
    a_changed_container_is_refused(stage).await?;
    the_record_is_printed(stage, &session).await?;
    the_ledger_verifies(stage).await
}

async fn the_cluster_is_up(stage: &Stage) -> Result<()> {
    stage.tell("1. The cluster is up and a sample Pod runs")?;
    let dir = stage.path("").display().to_string();
    let perl = perl_folder().await?;
    let images: [(&str, Vec<&str>); 3] = [
        ("tool-runner:1", vec!["perl", &perl]),
        ("sidecar:1", vec!["sleep"]),
        (TOOLS, vec!["bash", "cat", "ls", "basename", "tail", "sleep", "id", "env"]),
    ];
    for (name, programs) in images {
        let mut arguments = vec!["image", "build", name, "--data-dir", &dir, "--from-host"];
        arguments.extend(programs);
        succeeded(&stage.silently("admin", &arguments).await?)?;
        stage.tell(format!("   image {name}, made of programs of this machine"))?;
    }
    for (path, object) in scene::objects() {
        let (status, answer) = stage.send("admin", "POST", &path, JSON, &object).await?;
        ensure!(status == StatusCode::CREATED, "{path}: {}", answer["message"]);
    }
    for name in [POD, OTHER_POD] {
        let pod = pod_when(stage, name, |pod| pod["status"]["phase"] == "Running").await?;
        stage.tell(format!("   Pod {NAMESPACE}/{name} is Running at {}", pod["status"]["podIP"].as_str().unwrap_or("?")))?;
    }
    stage.tell("   container runner: answers on 127.0.0.1:8080, a credential in its environment, no shell in its image\n")
}

async fn a_plain_container_is_refused(stage: &Stage) -> Result<()> {
    stage.tell("2. alice is on call. RBAC lets her patch pods/ephemeralcontainers; she tries it plainly")?;
    let (status, answer) = add_container(stage, "alice", POD, &scene::uninvited()).await?;
    stage.tell(format!("   alice: PATCH pods/{POD}/ephemeralcontainers → {status}\n     {}", said(&answer)))?;
    ensure!(status == StatusCode::FORBIDDEN, "a container without a session was not refused");
    let (status, answer) = add_container(stage, "admin", POD, &scene::uninvited()).await?;
    stage.tell(format!("   the cluster's administrator, the same → {status}\n"))?;
    ensure!(status == StatusCode::FORBIDDEN, "the administrator was not refused: {}", said(&answer));
    Ok(())
}

async fn somebody_asks(stage: &Stage) -> Result<String> {
    stage.tell("3. She asks, with a reason and a ticket, and sees what the visit would expose")?;
    let pod = format!("pod/{POD}");
    let words = [
        "request", &pod, "-n", NAMESPACE, "--image", TOOLS, "--target", "runner", "--inject", "--reason",
        "runner answers slowly since 14:02", "--ticket", "INC-2041", "--checked", "logs=they end at 14:02", "--", "bash", "-c",
        LOOK_AROUND,
    ];
    let answer = stage.ephemera("alice", &words).await?;
    succeeded(&answer)?;
    stage.tell("")?;
    session_name(&answer)
}

async fn somebody_else_approves(stage: &Stage, session: &str) -> Result<()> {
    stage.tell("4. Her own approval is refused; somebody else's counts")?;
    let own = stage.silently("alice", &["approve", session, "-n", NAMESPACE]).await?;
    stage.tell(format!("   alice$ ephemera approve {session} -n {NAMESPACE}   → exit status {}", own.status))?;
    stage.tell(format!("     {}", own.stderr.trim()))?;
    ensure!(own.status == 3, "alice approved her own visit");
    succeeded(&stage.ephemera("bob", &["approve", session, "-n", NAMESPACE, "--comment", "go ahead"]).await?)?;
    stage.tell("")
}

async fn the_container_runs(stage: &Stage, session: &str) -> Result<()> {
    stage.tell("5. The container runs: the target's processes, nobody else's; the Pod's own network")?;
    let closed = session_when(stage, session, |phase| matches!(phase, "Ended" | "Closed")).await?;
    let handle = closed["status"]["handle"].as_str().context("the session has no container")?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{POD}/log?container={handle}");
    let log = log(stage, &path).await?;
    for line in log.lines() {
        stage.tell(format!("     {handle}: {line}"))?;
    }
    ensure!(log.contains(" perl"), "the target's process was not seen");
    ensure!(!log.contains(" sleep"), "another container's process was seen");
    ensure!(log.contains("runner says: tools ready: 3"), "the runner did not answer on the Pod's loopback");
    ensure!(closed["status"]["exit"]["code"] == 7, "the exit code was not kept: {}", closed["status"]["exit"]);
    stage.tell("")
}

async fn the_grant_is_used(stage: &Stage, session: &str) -> Result<()> {
    stage.tell("6. The same grant a second time, and a changed container, are refused")?;
    let object = session_when(stage, session, |_| true).await?;
    let container = object["status"]["container"].clone();
    let again = json!([{"op": "add", "path": "/spec/ephemeralContainers/-", "value": container}]);
    let path = ephemeral_containers(POD);
    let (status, answer) = stage.send("alice", "PATCH", &path, "application/json-patch+json", &again).await?;
    stage.tell(format!("   alice: the same container again → {status}\n     {}", said(&answer)))?;
    ensure!(status.is_client_error(), "the grant was used twice");
    let elsewhere = json!({"spec": {"ephemeralContainers": [container]}});
    let (status, answer) = add_container(stage, "alice", OTHER_POD, &elsewhere).await?;
    stage.tell(format!("   alice: the same container in Pod {OTHER_POD} → {status}\n     {}", said(&answer)))?;
    ensure!(status == StatusCode::FORBIDDEN, "the grant was used for another Pod");
    Ok(())
}

async fn a_changed_container_is_refused(stage: &Stage) -> Result<()> {
    let pod = format!("pod/{POD}");
    let words = [
        "request", &pod, "-n", NAMESPACE, "--image", TOOLS, "--target", "runner", "--reason",
        "one more look, by hand this time", "--ticket", "INC-2041", "--", "sleep", "60",
    ];
    let asked = stage.silently("alice", &words).await?;
    succeeded(&asked)?;
    let session = session_name(&asked)?;
    succeeded(&stage.silently("bob", &["approve", &session, "-n", NAMESPACE]).await?)?;
    let approved = session_when(stage, &session, |phase| phase == "Approved").await?;
    let mut container = approved["status"]["container"].clone();
    container["securityContext"]["privileged"] = true.into();
    let changed = json!({"spec": {"ephemeralContainers": [container]}});
    let (status, answer) = add_container(stage, "alice", POD, &changed).await?;
    stage.tell(format!("   alice: an approved container, made privileged → {status}\n     {}\n", said(&answer)))?;
    ensure!(status == StatusCode::FORBIDDEN, "a changed container was admitted");
    Ok(())
}

async fn the_record_is_printed(stage: &Stage, session: &str) -> Result<()> {
    stage.tell("7. The visit has ended; its record, read from the ledger")?;
    session_when(stage, session, |phase| phase == "Closed").await?;
    let ledger = stage.path("ledger").display().to_string();
    let answer = stage.ephemera("admin", &["record", session, "-n", NAMESPACE, "--ledger", &ledger]).await?;
    succeeded(&answer)?;
    ensure!(answer.stdout.contains("INC-2041"), "the record does not name the ticket");
    stage.tell("")
}

async fn the_ledger_verifies(stage: &Stage) -> Result<()> {
    stage.tell("8. The ledger verifies; a tampered copy of it does not")?;
    let (ledger, key) = (stage.path("ledger").display().to_string(), stage.path("ledger.vkey").display().to_string());
    succeeded(&stage.ephemera("auditor", &["verify", "--ledger", &ledger, "--key", &key]).await?)?;
    let copy = stage.path("tampered");
    let changed = tampered(&stage.path("ledger"), &copy).await?;
    stage.tell(format!("   somebody changes INC-2041 into INC-9999 in a copy ({changed} file)"))?;
    let copy = copy.display().to_string();
    let answer = stage.ephemera("auditor", &["verify", "--ledger", &copy, "--key", &key]).await?;
    ensure!(answer.status == 5, "the tampered copy verified");
    Ok(())
}

/// Copies a ledger and changes one ticket in it; how many files were changed.
async fn tampered(from: &std::path::Path, to: &std::path::Path) -> Result<usize> {
    let mut folders = vec![(from.to_path_buf(), to.to_path_buf())];
    let mut changed = 0;
    while let Some((from, to)) = folders.pop() {
        tokio::fs::create_dir_all(&to).await?;
        let mut entries = tokio::fs::read_dir(&from).await?;
        while let Some(entry) = entries.next_entry().await? {
            let (source, copy) = (entry.path(), to.join(entry.file_name()));
            if entry.file_type().await?.is_dir() {
                folders.push((source, copy));
                continue;
            }
            let mut bytes = tokio::fs::read(&source).await?;
            let public = source.components().any(|part| part.as_os_str() == "entries");
            if let (true, Some(at)) = (public, bytes.windows(8).position(|window| window == b"INC-2041")) {
                bytes[at..at + 8].copy_from_slice(b"INC-9999");
                changed += 1;
            }
            tokio::fs::write(&copy, bytes).await?;
        }
    }
    Ok(changed)
}

fn ephemeral_containers(pod: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}/ephemeralcontainers")
}

async fn add_container(stage: &Stage, person: &str, pod: &str, patch: &Value) -> Result<(StatusCode, Value)> {
    stage.send(person, "PATCH", &ephemeral_containers(pod), STRATEGIC, patch).await
}

fn said(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or("(no message)")
}

fn succeeded(answer: &Answer) -> Result<()> {
    ensure!(answer.status == 0, "exit status {}: {}", answer.status, answer.stderr.trim());
    Ok(())
}

/// The name in `session NAME: Phase`.
fn session_name(answer: &Answer) -> Result<String> {
    let name = answer.stdout.lines().find_map(|line| line.strip_prefix("session ")?.split(':').next());
    Ok(name.context("no session was named")?.to_owned())
}

async fn session_when(stage: &Stage, name: &str, there: fn(&str) -> bool) -> Result<Value> {
    let path = format!("/apis/ephemera.dev/v1alpha1/namespaces/{NAMESPACE}/debugsessions/{name}");
    when(stage, &path, |session| there(session["status"]["phase"].as_str().unwrap_or_default())).await
}

async fn pod_when(stage: &Stage, name: &str, there: fn(&Value) -> bool) -> Result<Value> {
    when(stage, &format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}"), there).await
}

/// Reads an object until it is as it should be.
async fn when(stage: &Stage, path: &str, there: impl Fn(&Value) -> bool) -> Result<Value> {
    let mut last = Value::Null;
    let reading = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        loop {
            pace.tick().await;
            last = stage.send("admin", "GET", path, JSON, &Value::Null).await?.1;
            if there(&last) {
                return anyhow::Ok(());
            }
        }
    };
    match tokio::time::timeout(PATIENCE, reading).await {
        Ok(done) => done.map(|()| last),
        Err(_) => bail!("{path} did not come to be as expected: {}", last["status"]),
    }
}

async fn log(stage: &Stage, path: &str) -> Result<String> {
    stage.text("admin", path).await
}

/// The folder of the modules that the machine's perl comes with.
async fn perl_folder() -> Result<String> {
    let ask = ["-MConfig", "-MIO::Socket::INET", "-e", "($_ = $INC{'IO/Socket/INET.pm'}) =~ s{/IO/Socket/INET.pm$}{}; print"];
    let output = tokio::process::Command::new("perl").args(ask).output().await.context("perl, which every Debian has, did not run")?;
    ensure!(output.status.success(), "perl has no IO::Socket::INET here");
    Ok(String::from_utf8(output.stdout)?)
}
