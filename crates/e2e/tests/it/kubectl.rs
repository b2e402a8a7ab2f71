//! The same with the `kubectl` of this machine.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cli::stage::Answer;
use libtest_mimic::Trial;
use testkit::sample::POD;
use testkit::{Ask, Cluster};

pub(crate) fn all() -> Vec<Trial> {
    let trials = vec![
        crate::story(
            "kubectl::debug_without_a_session_is_refused_with_the_line_to_use",
            plain,
        ),
        crate::story("kubectl::the_printed_line_is_admitted_once", printed),
        crate::story(
            "kubectl::everyday_commands_work_on_the_small_cluster",
            everyday,
        ),
    ];
    if crate::has_kubectl() {
        return trials;
    }
    trials
        .into_iter()
        .map(|trial| trial.with_kind("needs kubectl").with_ignored_flag(true))
        .collect()
}

/// A line of a shell whose kubectl knows the cluster and keeps what it caches in its directory.
async fn shell(cluster: &Cluster, line: &str) -> Result<Answer> {
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["-c", line])
        .env("KUBECONFIG", cluster.stage.path("kubeconfig"))
        .env("HOME", cluster.stage.path("home"));
    let output = tokio::time::timeout(
        testkit::cluster::PATIENCE,
        bash.stdin(Stdio::null()).kill_on_drop(true).output(),
    );
    let output = output
        .await
        .with_context(|| format!("{line}: took too long"))??;
    Ok(Answer {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// A line that must end with this status and say this.
async fn says(cluster: &Cluster, line: &str, status: i32, words: &str) -> Result<()> {
    let answer = shell(cluster, line).await?;
    ensure!(answer.status == status, "{line}: {answer:?}");
    let said = format!("{}{}", answer.stdout, answer.stderr);
    ensure!(
        said.contains(words),
        "{line}: {words:?} is not said: {answer:?}"
    );
    Ok(())
}

async fn plain(cluster: &mut Cluster) -> Result<()> {
    for person in ["alice", "admin"] {
        let line = format!(
            "kubectl --context={person} -n shop debug app --image=tools:1 --target=app -- bash"
        );
        says(
            cluster,
            &line,
            1,
            "ephemera request pod/app -n shop --image tools:1 --target app",
        )
        .await?;
    }
    ensure!(
        cluster.containers_in(POD).await?.is_empty(),
        "a refused container was stored"
    );
    Ok(())
}

async fn printed(cluster: &mut Cluster) -> Result<()> {
    let visit = cluster
        .approved(Ask::by_hand(&["bash", "-c", "echo 'as printed'; exit 5"]))
        .await?;
    let line = visit
        .answer
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("then"));
    let line = line.context("no line is printed")?.trim();
    ensure!(
        line.starts_with("kubectl debug") && line.contains(&visit.handle),
        "{line}"
    );
    says(cluster, line, 0, "").await?;
    let session = cluster.closed(&visit).await?;
    ensure!(
        session["status"]["exit"]["code"] == 5,
        "{:#}",
        session["status"]
    );
    ensure!(
        cluster.output(&visit).await? == "as printed\n",
        "another command ran"
    );
    // Whatever kubectl makes of the name that is there already: nothing is added.
    shell(cluster, line).await?;
    ensure!(
        cluster.containers_in(POD).await? == [visit.handle.clone()],
        "the line was admitted twice"
    );
    ensure!(
        cluster.output(&visit).await? == "as printed\n",
        "it ran twice"
    );
    cluster.verifies().await
}

const MANIFEST: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: box, namespace: shop}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: box, image: "tools:1", stdin: true, tty: true, command: [bash, -c, "echo hello from the box; exec cat"]}]
"#;

async fn everyday(cluster: &mut Cluster) -> Result<()> {
    let admin = "kubectl --context=admin -n shop";
    says(
        cluster,
        &format!("{admin} apply -f - <<'END'{MANIFEST}END"),
        0,
        "pod/box created",
    )
    .await?;
    says(
        cluster,
        &format!("{admin} wait --for=condition=Ready pod/box --timeout=60s"),
        0,
        "condition met",
    )
    .await?;
    says(cluster, &format!("{admin} get pods -o wide"), 0, "box").await?;
    says(
        cluster,
        &format!("{admin} logs box"),
        0,
        "hello from the box",
    )
    .await?;
    says(
        cluster,
        &format!("{admin} exec box -- bash -c 'echo out; exit 6'"),
        6,
        "out",
    )
    .await?;
    says(
        cluster,
        &format!("echo typed | {admin} exec -i box -- cat"),
        0,
        "typed",
    )
    .await?;
    terminals(cluster, admin).await?;
    says(
        cluster,
        &format!("timeout 30 {admin} delete pod box"),
        0,
        "deleted",
    )
    .await?;
    says(cluster, &format!("{admin} get pod box"), 1, "NotFound").await
}

/// With a terminal: its size, its end, the container's status.
async fn terminals(cluster: &Cluster, admin: &str) -> Result<()> {
    let pty = |line: &str| {
        format!(
            "script -qec 'stty rows 41 cols 97; {}' /dev/null",
            line.replace('\'', r"'\''")
        )
    };
    // The size follows the start, as with every kubelet: the command may be there first.
    let size = "while [[ $(stty size) == \"0 0\" ]]; do sleep 0.05; done; stty size; exit 7";
    says(
        cluster,
        &pty(&format!("{admin} exec -it box -- bash -c '{size}'")),
        7,
        "41 97",
    )
    .await?;
    // The terminal's line discipline echoes, `cat` repeats, Ctrl-D ends it and the container.
    let line = pty(&format!("{admin} attach -it box"));
    says(cluster, &format!("{{ until {admin} logs box | grep -q abc; do echo abc; read -t 0.3 _ <> <(:); done; printf '\\4'; }} | {line}"), 0, "abc").await?;
    Ok(())
}
