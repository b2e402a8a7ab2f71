//! A cluster of its own for the demo, this very program as its server, and people to act on it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::{Request, StatusCode};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::printer::Printer;

/// How long the cluster may take to be ready; it takes a fraction of a second.
const READY: Duration = Duration::from_secs(30);

/// How long it may take to end its containers.
const STRIKE: Duration = Duration::from_secs(30);

/// A running cluster in a temporary directory. Dropping it ends the cluster too.
pub(super) struct Stage {
    pub(super) printer: Printer,
    program: PathBuf,
    dir: Option<tempfile::TempDir>,
    up: Option<Child>,
}

/// What a command answered.
pub(super) struct Answer {
    pub(super) status: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Stage {
    /// Starts `ephemera up` in a new directory and waits until it says that it is ready.
    pub(super) async fn raise(printer: Printer) -> Result<Self> {
        let program = std::env::current_exe().context("this program cannot find itself")?;
        let dir = tempfile::Builder::new().prefix("ephemera-demo-").tempdir()?;
        let mut up = Command::new(&program)
            .args(["up", "--listen", "127.0.0.1:0", "--node-name", "demo", "--data-dir"])
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(dir.path().join("up.log"))?)
            .process_group(0)
            .spawn()
            .context("the cluster could not be started")?;
        let mut lines = BufReader::new(up.stdout.take().context("the cluster has no output")?).lines();
        let stage = Self { printer, program, dir: Some(dir), up: Some(up) };
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if line.starts_with("ready") {
                    return Ok(());
                }
            }
            bail!("the cluster ended: {}", std::fs::read_to_string(stage.path("up.log"))?.trim())
        };
        tokio::time::timeout(READY, ready).await.context("the cluster was not ready in time")??;
        Ok(stage)
    }

    /// A path in the data directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.as_ref().map(|dir| dir.path().join(name)).unwrap_or_default()
    }

    /// Shows a line of the story.
    pub(super) fn tell(&self, text: impl AsRef<str>) -> Result<()> {
        Ok(self.printer.line(text)?)
    }

    /// Runs `ephemera …` as `person`, shows the command and what it answered.
    pub(super) async fn ephemera(&self, person: &str, arguments: &[&str]) -> Result<Answer> {
        let shown: Vec<String> = arguments.iter().map(|word| quoted(word)).collect();
        self.tell(format!("   {person}$ ephemera {}", shown.join(" ")))?;
        let answer = self.silently(person, arguments).await?;
        for line in answer.stderr.lines().chain(answer.stdout.lines()) {
            self.tell(format!("     {line}"))?;
        }
        Ok(answer)
    }

    /// The same without showing it.
    pub(super) async fn silently(&self, person: &str, arguments: &[&str]) -> Result<Answer> {
        let output = Command::new(&self.program)
            .args(arguments)
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env("XDG_STATE_HOME", self.path("state"))
            .args(if needs_cluster(arguments) { vec!["--context", person] } else { vec![] })
            .output()
            .await?;
        Ok(Answer {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Sends one request to the API server as `person`; the status code and the object that came back.
    pub(super) async fn send(&self, person: &str, method: &str, path: &str, kind: &str, body: &Value) -> Result<(StatusCode, Value)> {
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
        let (status, bytes) = self.raw(person, method, path, kind, bytes).await?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }

    /// A text that the API server answers, such as a log.
    pub(super) async fn text(&self, person: &str, path: &str) -> Result<String> {
        let (status, bytes) = self.raw(person, "GET", path, "text/plain", Vec::new()).await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status != StatusCode::OK {
            bail!("{path}: {status}: {text}");
        }
        Ok(text)
    }

    async fn raw(&self, person: &str, method: &str, path: &str, kind: &str, body: Vec<u8>) -> Result<(StatusCode, Vec<u8>)> {
        let kubeconfig = Kubeconfig::read_from(self.path("kubeconfig"))?;
        let options = KubeConfigOptions { context: Some(person.to_owned()), ..KubeConfigOptions::default() };
        let client = kube::Client::try_from(kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?)?;
        let request = Request::builder().method(method).uri(path).header("content-type", kind).body(kube::client::Body::from(body))?;
        let response = client.send(request).await?;
        let status = response.status();
        let bytes = http_body_util::BodyExt::collect(response.into_body()).await?.to_bytes();
        Ok((status, bytes.to_vec()))
    }

    /// Ends the cluster and waits until it has cleaned up.
    pub(super) async fn strike(mut self) -> Result<()> {
        let Some(mut up) = self.up.take() else { return Ok(()) };
        if let Some(pid) = up.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            kill_process(pid, Signal::INT)?;
        }
        let ended = tokio::time::timeout(STRIKE, up.wait()).await;
        let ended = ended.context("the cluster did not end in time")??;
        if !ended.success() {
            bail!("the cluster did not end cleanly: {}", std::fs::read_to_string(self.path("up.log"))?.trim());
        }
        Ok(())
    }

    /// Leaves the cluster running and its directory in place.
    pub(super) fn leave_up(mut self) -> Result<()> {
        let up = self.up.take().context("the cluster is not there")?;
        let dir = self.dir.take().context("the directory is not there")?.keep();
        let pid = up.id().unwrap_or_default();
        self.tell(format!("\nThe cluster stays up. End it with: kill -INT {pid}"))?;
        self.tell(format!("  export KUBECONFIG={}", Path::new(&dir).join("kubeconfig").display()))?;
        // The handle must not end it.
        std::mem::forget(up);
        Ok(())
    }
}

impl Drop for Stage {
    /// The way out when a step failed or somebody pressed Ctrl-C: ask the cluster to clean up, and wait.
    fn drop(&mut self) {
        let Some(mut up) = self.up.take() else { return };
        let pid = up.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if pid.is_some_and(|pid| kill_process(pid, Signal::INT).is_ok()) {
            tokio::task::block_in_place(|| {
                let wait = async { tokio::time::timeout(STRIKE, up.wait()).await };
                // Whatever came of it: nothing more can be done here.
                let _ = tokio::runtime::Handle::current().block_on(wait);
            });
        }
    }
}

/// `image`, `record` and `verify` read files, not the cluster.
fn needs_cluster(arguments: &[&str]) -> bool {
    !matches!(arguments.first(), Some(&("image" | "record" | "verify")))
}

/// A word as a shell would need it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
