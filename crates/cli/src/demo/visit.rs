//! The eight steps.

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use serde_json::{Value, json};

use super::scene::{self, LOOK_AROUND, NAMESPACE, OTHER_POD, POD, TOOLS};
use super::show::Show;
use crate::stage::{Answer, tampered};

const JSON: &str = "application/json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// Plays all of them; the first that does not come out as told is an error.
pub(super) async fn play(show: &Show) -> Result<()> {
    show.tell("One governed visit, on real containers.\n")?;
    the_cluster_is_up(show).await?;
    a_plain_container_is_refused(show).await?;
    let session = somebody_asks(show).await?;
    somebody_else_approves(show, &session).await?;
    the_container_runs(show, &session).await?;
    the_grant_is_used(show, &session).await?;
    a_changed_container_is_refused(show).await?;
    the_record_is_printed(show, &session).await?;
    the_ledger_verifies(show).await
}

async fn the_cluster_is_up(show: &Show) -> Result<()> {
    show.tell("1. The cluster is up and a sample Pod runs")?;
    let dir = show.stage.path("").display().to_string();
    let perl = perl_folder().await?;
    let images: [(&str, Vec<&str>); 3] = [
        ("tool-runner:1", vec!["perl", &perl]),
        ("sidecar:1", vec!["sleep"]),
        (
            TOOLS,
            vec![
                "bash", "cat", "ls", "basename", "tail", "sleep", "id", "env",
            ],
        ),
    ];
    for (name, programs) in images {
        let mut arguments = vec!["image", "build", name, "--data-dir", &dir, "--from-host"];
        arguments.extend(programs);
        succeeded(&show.stage.ephemera("admin", &arguments).await?)?;
        show.tell(format!("   image {name}, made of programs of this machine"))?;
    }
    for (path, object) in scene::objects() {
        let (status, answer) = show
            .stage
            .send("admin", "POST", &path, JSON, &object)
            .await?;
        ensure!(
            status == StatusCode::CREATED,
            "{path}: {}",
            answer["message"]
        );
    }
    for name in [POD, OTHER_POD] {
        let pod = pod_when(show, name, |pod| pod["status"]["phase"] == "Running").await?;
        show.tell(format!(
            "   Pod {NAMESPACE}/{name} is Running at {}",
            pod["status"]["podIP"].as_str().unwrap_or("?")
        ))?;
    }
    show.tell("   container runner: answers on 127.0.0.1:8080, a credential in its environment, no shell in its image\n")
}

async fn a_plain_container_is_refused(show: &Show) -> Result<()> {
    show.tell(
        "2. alice is on call. RBAC lets her patch pods/ephemeralcontainers; she tries it plainly",
    )?;
    let (status, answer) = add_container(show, "alice", POD, &scene::uninvited()).await?;
    show.tell(format!(
        "   alice: PATCH pods/{POD}/ephemeralcontainers → {status}\n     {}",
        said(&answer)
    ))?;
    ensure!(
        status == StatusCode::FORBIDDEN,
        "a container without a session was not refused"
    );
    let (status, answer) = add_container(show, "admin", POD, &scene::uninvited()).await?;
    show.tell(format!(
        "   admin: the same, with every right there is → {status}\n"
    ))?;
    ensure!(
        status == StatusCode::FORBIDDEN,
        "the administrator was not refused: {}",
        said(&answer)
    );
    Ok(())
}

async fn somebody_asks(show: &Show) -> Result<String> {
    show.tell("3. She asks, with a reason and a ticket, and sees what the visit would expose")?;
    let pod = format!("pod/{POD}");
    let words = [
        "request",
        &pod,
        "-n",
        NAMESPACE,
        "--image",
        TOOLS,
        "--target",
        "runner",
        "--inject",
        "--reason",
        "runner answers slowly since 14:02",
        "--ticket",
        "INC-2041",
        "--checked",
        "logs=they end at 14:02",
        "--",
        "bash",
        "-c",
        LOOK_AROUND,
    ];
    let answer = show.ephemera("alice", &words).await?;
    succeeded(&answer)?;
    show.tell("")?;
    session_name(&answer)
}

async fn somebody_else_approves(show: &Show, session: &str) -> Result<()> {
    show.tell("4. Her own approval is refused; somebody else's counts")?;
    let own = show
        .stage
        .ephemera("alice", &["approve", session, "-n", NAMESPACE])
        .await?;
    show.tell(format!(
        "   alice$ ephemera approve {session} -n {NAMESPACE}   → exit status {}",
        own.status
    ))?;
    show.tell(format!("     {}", own.stderr.trim()))?;
    ensure!(own.status == 3, "alice approved her own visit");
    succeeded(
        &show
            .ephemera(
                "bob",
                &["approve", session, "-n", NAMESPACE, "--comment", "go ahead"],
            )
            .await?,
    )?;
    show.tell("")
}

async fn the_container_runs(show: &Show, session: &str) -> Result<()> {
    show.tell(
        "5. The container runs: the target's processes, nobody else's; the Pod's own network",
    )?;
    let closed = session_when(show, session, |phase| matches!(phase, "Ended" | "Closed")).await?;
    let handle = closed["status"]["handle"]
        .as_str()
        .context("the session has no container")?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{POD}/log?container={handle}");
    let log = log(show, &path).await?;
    for line in log.lines() {
        show.tell(format!("     {handle}: {line}"))?;
    }
    ensure!(log.contains(" perl"), "the target's process was not seen");
    ensure!(
        !log.contains(" sleep"),
        "another container's process was seen"
    );
    ensure!(
        log.contains("runner says: tools ready: 3"),
        "the runner did not answer on the Pod's loopback"
    );
    ensure!(
        closed["status"]["exit"]["code"] == 7,
        "the exit code was not kept: {}",
        closed["status"]["exit"]
    );
    show.tell("")
}

async fn the_grant_is_used(show: &Show, session: &str) -> Result<()> {
    show.tell("6. The same grant a second time, and a changed container, are refused")?;
    let object = session_when(show, session, |_| true).await?;
    let container = object["status"]["container"].clone();
    let again = json!([{"op": "add", "path": "/spec/ephemeralContainers/-", "value": container}]);
    let path = ephemeral_containers(POD);
    let (status, answer) = show
        .stage
        .send(
            "alice",
            "PATCH",
            &path,
            "application/json-patch+json",
            &again,
        )
        .await?;
    show.tell(format!(
        "   alice: the same container again → {status}\n     {}",
        said(&answer)
    ))?;
    ensure!(status.is_client_error(), "the grant was used twice");
    let elsewhere = json!({"spec": {"ephemeralContainers": [container]}});
    let (status, answer) = add_container(show, "alice", OTHER_POD, &elsewhere).await?;
    show.tell(format!(
        "   alice: the same container in Pod {OTHER_POD} → {status}\n     {}",
        said(&answer)
    ))?;
    ensure!(
        status == StatusCode::FORBIDDEN,
        "the grant was used for another Pod"
    );
    Ok(())
}

async fn a_changed_container_is_refused(show: &Show) -> Result<()> {
    let pod = format!("pod/{POD}");
    let words = [
        "request",
        &pod,
        "-n",
        NAMESPACE,
        "--image",
        TOOLS,
        "--target",
        "runner",
        "--reason",
        "one more look, by hand this time",
        "--ticket",
        "INC-2041",
        "--",
        "sleep",
        "60",
    ];
    let asked = show.stage.ephemera("alice", &words).await?;
    succeeded(&asked)?;
    let session = session_name(&asked)?;
    succeeded(
        &show
            .stage
            .ephemera("bob", &["approve", &session, "-n", NAMESPACE])
            .await?,
    )?;
    let approved = session_when(show, &session, |phase| phase == "Approved").await?;
    let mut container = approved["status"]["container"].clone();
    container["securityContext"]["privileged"] = true.into();
    let changed = json!({"spec": {"ephemeralContainers": [container]}});
    let (status, answer) = add_container(show, "alice", POD, &changed).await?;
    show.tell(format!(
        "   alice: an approved container, made privileged → {status}\n     {}\n",
        said(&answer)
    ))?;
    ensure!(
        status == StatusCode::FORBIDDEN,
        "a changed container was admitted"
    );
    Ok(())
}

async fn the_record_is_printed(show: &Show, session: &str) -> Result<()> {
    show.tell("7. The visit has ended; its record, read from the ledger")?;
    session_when(show, session, |phase| phase == "Closed").await?;
    let ledger = show.stage.path("ledger").display().to_string();
    let answer = show
        .ephemera(
            "admin",
            &["record", session, "-n", NAMESPACE, "--ledger", &ledger],
        )
        .await?;
    succeeded(&answer)?;
    ensure!(
        answer.stdout.contains("INC-2041"),
        "the record does not name the ticket"
    );
    show.tell("")
}

async fn the_ledger_verifies(show: &Show) -> Result<()> {
    show.tell("8. The ledger verifies; a tampered copy of it does not")?;
    let (ledger, key) = (
        show.stage.path("ledger").display().to_string(),
        show.stage.path("ledger.vkey").display().to_string(),
    );
    succeeded(
        &show
            .ephemera("auditor", &["verify", "--ledger", &ledger, "--key", &key])
            .await?,
    )?;
    let copy = show.stage.path("tampered");
    let changed = tampered(&show.stage.path("ledger"), &copy, b"INC-2041", b"INC-9999")?;
    show.tell(format!(
        "   somebody changes INC-2041 into INC-9999 in a copy of it, in {changed} files"
    ))?;
    let copy = copy.display().to_string();
    let answer = show
        .ephemera("auditor", &["verify", "--ledger", &copy, "--key", &key])
        .await?;
    ensure!(answer.status == 5, "the tampered copy verified");
    Ok(())
}

fn ephemeral_containers(pod: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}/ephemeralcontainers")
}

async fn add_container(
    show: &Show,
    person: &str,
    pod: &str,
    patch: &Value,
) -> Result<(StatusCode, Value)> {
    show.stage
        .send(
            person,
            "PATCH",
            &ephemeral_containers(pod),
            STRATEGIC,
            patch,
        )
        .await
}

fn said(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or("(no message)")
}

fn succeeded(answer: &Answer) -> Result<()> {
    ensure!(
        answer.status == 0,
        "exit status {}: {}",
        answer.status,
        answer.stderr.trim()
    );
    Ok(())
}

/// The name in `session NAME: Phase`.
fn session_name(answer: &Answer) -> Result<String> {
    let name = answer
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("session ")?.split(':').next());
    Ok(name.context("no session was named")?.to_owned())
}

async fn session_when(show: &Show, name: &str, there: fn(&str) -> bool) -> Result<Value> {
    let path = format!("/apis/ephemera.dev/v1alpha1/namespaces/{NAMESPACE}/debugsessions/{name}");
    show.stage
        .when(&path, |session| {
            there(session["status"]["phase"].as_str().unwrap_or_default())
        })
        .await
}

async fn pod_when(show: &Show, name: &str, there: fn(&Value) -> bool) -> Result<Value> {
    show.stage
        .when(
            &format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}"),
            there,
        )
        .await
}

async fn log(show: &Show, path: &str) -> Result<String> {
    show.stage.text("admin", path).await
}

/// The folder of the modules that the machine's perl comes with.
async fn perl_folder() -> Result<String> {
    let ask = [
        "-MConfig",
        "-MIO::Socket::INET",
        "-e",
        "($_ = $INC{'IO/Socket/INET.pm'}) =~ s{/IO/Socket/INET.pm$}{}; print",
    ];
    let output = tokio::process::Command::new("perl")
        .args(ask)
        .output()
        .await
        .context("perl, which every Debian has, did not run")?;
    ensure!(output.status.success(), "perl has no IO::Socket::INET here");
    Ok(String::from_utf8(output.stdout)?)
}
