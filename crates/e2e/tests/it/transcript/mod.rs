//! A first hour with the `kubectl` of this machine, as it is written down in `tests/transcript/*.md`.
//!
//! Each file is told on a bare cluster of its own with real containers: every line after a `$` is given to a
//! shell, and what comes back must be what stands there. With `TRANSCRIPT=write` in the environment the files
//! are written anew from what came back; whoever does so reads the difference before committing it.

mod mask;
mod page;

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use testkit::Cluster;

use mask::masked;
use page::{Page, Step};

/// The programs of the image that the Pods of the transcript run.
const PROGRAMS: &[&str] = &[
    "bash", "cat", "date", "echo", "env", "false", "ls", "seq", "sh", "sleep", "stty", "tail",
    "tar", "true",
];

/// No page may take longer.
const LONGEST: Duration = Duration::from_mins(4);

/// The pages, in the order in which a person reads them.
const PAGES: &[&str] = &[
    "looking",
    "writing",
    "containers",
    "debugging",
    "who",
    "nodes",
];

/// Whose words the pages hold: other versions of kubectl say some of it otherwise.
const KUBECTL: &str = "v1.32.";

fn has_kubectl() -> bool {
    let version = std::process::Command::new("kubectl")
        .args(["version", "--client"])
        .output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(KUBECTL))
}

pub(crate) fn all() -> Vec<Trial> {
    let right = has_kubectl();
    let told = |page: &&'static str| {
        let page = *page;
        let trial = crate::trial(&format!("transcript::{page}"), async move || {
            tokio::time::timeout(LONGEST, tell(page))
                .await
                .context("the page took too long")?
        });
        if right {
            trial
        } else {
            let kind = format!("needs kubectl {KUBECTL}");
            trial.with_kind(kind).with_ignored_flag(true)
        }
    };
    PAGES.iter().map(told).collect()
}

/// Runs one page on a cluster of its own, from its first line to its last.
async fn tell(name: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcript")
        .join(name)
        .with_extension("md");
    let page = Page::parse(&std::fs::read_to_string(&path)?)?;
    let cluster = Cluster::raise(&["--bare"]).await?;
    let home = home(&cluster).await?;
    let mut differences = Vec::new();
    let mut written = page.clone();
    for (step, new) in page.steps().zip(written.steps_mut()) {
        new.answer = answer(&cluster, &home, step).await?;
        if !mask::alike(&step.answer, &new.answer) {
            differences.push(page::difference(step, new));
        }
    }
    cluster.strike().await?;
    if std::env::var_os("TRANSCRIPT").is_some_and(|what| what == "write") {
        let text = written.to_string();
        #[expect(
            clippy::disallowed_methods,
            reason = "a file of this repository, under version control"
        )]
        return Ok(std::fs::write(&path, text)?);
    }
    ensure!(
        differences.is_empty(),
        "{}: {} of its commands answered otherwise\n{}",
        path.display(),
        differences.len(),
        differences.join("\n")
    );
    Ok(())
}

/// A home directory whose kubectl knows the cluster, and the image `tools:1` on the node.
async fn home(cluster: &Cluster) -> Result<std::path::PathBuf> {
    let dir = cluster.data_dir();
    let mut words = vec![
        "image",
        "build",
        "tools:1",
        "--data-dir",
        &dir,
        "--from-host",
    ];
    words.extend(PROGRAMS);
    cluster.done("admin", &words).await?;
    let home = cluster.stage.path("home");
    std::fs::create_dir_all(home.join(".kube"))?;
    std::fs::copy(cluster.stage.path("kubeconfig"), home.join(".kube/config"))?;
    Ok(home)
}

/// What a command says: its output, then what it says on standard error after `! `, then its exit status if it
/// is not 0.
async fn answer(cluster: &Cluster, home: &Path, step: &Step) -> Result<String> {
    let mut bash = tokio::process::Command::new("bash");
    bash.args(["-c", &step.command])
        .current_dir(home)
        .env_remove("KUBECONFIG")
        .env("HOME", home)
        .env("TERM", "dumb")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(testkit::cluster::PATIENCE, bash.output()).await;
    let Ok(output) = output else {
        bail!("took too long: {}\n{}", step.command, cluster.dump().await);
    };
    let output = output?;
    let mut text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        text.push_str("! ");
        text.push_str(line);
        text.push('\n');
    }
    if !output.status.success() {
        let status = output.status.code().unwrap_or(-1);
        writeln!(text, "[exit status {status}]")?;
    }
    Ok(masked(&text))
}
