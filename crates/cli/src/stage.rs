//! A cluster of its own in a temporary directory, served by this very program: for the demo and for tests.

use std::ffi::OsString;
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

/// How long the cluster may take to be ready; it takes a fraction of a second.
const READY: Duration = Duration::from_secs(30);

/// How long it may take to end its containers.
const STRIKE: Duration = Duration::from_secs(30);

/// How long anything on it may take to come to be.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running cluster and the people who act on it. Dropping it ends the cluster too.
#[derive(Debug)]
pub struct Stage {
    program: PathBuf,
    options: Vec<OsString>,
    dir: Option<tempfile::TempDir>,
    up: Option<Child>,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    /// Exit status; -1 if a signal ended it.
    pub status: i32,
    /// Data.
    pub stdout: String,
    /// Talk.
    pub stderr: String,
}

impl Stage {
    /// Starts `program up …` in a new directory and waits until it says that it is ready.
    pub async fn raise(program: PathBuf, options: &[&str]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("ephemera-").tempdir()?;
        let options = options.iter().map(OsString::from).collect();
        let mut stage = Self {
            program,
            options,
            dir: Some(dir),
            up: None,
        };
        stage.start().await?;
        Ok(stage)
    }

    /// Starts `up` on the directory as it is.
    pub async fn start(&mut self) -> Result<()> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("up.log"))?;
        let mut up = Command::new(&self.program)
            .args([
                "up",
                "--listen",
                "127.0.0.1:0",
                "--node-name",
                "demo",
                "--data-dir",
            ])
            .arg(self.path(""))
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("the cluster could not be started")?;
        let mut lines =
            BufReader::new(up.stdout.take().context("the cluster has no output")?).lines();
        self.up = Some(up);
        let ready = async {
            while let Some(line) = lines.next_line().await? {
                if line.starts_with("ready") {
                    return Ok(());
                }
            }
            bail!("the cluster ended: {}", self.log())
        };
        tokio::time::timeout(READY, ready)
            .await
            .context("the cluster was not ready in time")??;
        // Reads what else is said, so that the cluster never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(())
    }

    /// A path in the data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir
            .as_ref()
            .map(|dir| dir.path().join(name))
            .unwrap_or_default()
    }

    /// What `up` wrote to its standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("up.log"))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// Process id of `up`.
    pub fn pid(&self) -> Option<u32> {
        self.up.as_ref().and_then(Child::id)
    }

    /// Runs `ephemera …` as a person of the cluster.
    pub async fn ephemera(&self, person: &str, arguments: &[&str]) -> Result<Answer> {
        let mut command = self.command();
        // `image`, `record` and `verify` read files, not the cluster.
        if !matches!(arguments.first(), Some(&("image" | "record" | "verify"))) {
            command.args(["--context", person]);
        }
        let output = command
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .await?;
        Ok(Answer {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// This program, told which cluster is meant.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env("XDG_STATE_HOME", self.path("state"));
        command
    }

    /// A client of the cluster as a person.
    pub async fn client(&self, person: &str) -> Result<kube::Client> {
        let kubeconfig = Kubeconfig::read_from(self.path("kubeconfig"))?;
        let options = KubeConfigOptions {
            context: Some(person.to_owned()),
            ..KubeConfigOptions::default()
        };
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
        // What is answered is what is looked at.
        config.default_retry = false;
        Ok(kube::Client::try_from(config)?)
    }

    /// Sends one request to the API server; the status code and the object that came back.
    pub async fn send(
        &self,
        person: &str,
        method: &str,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> Result<(StatusCode, Value)> {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(body)?
        };
        let (status, bytes) = self.raw(person, method, path, kind, bytes).await?;
        Ok((
            status,
            serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        ))
    }

    /// A text that the API server answers, such as a log.
    pub async fn text(&self, person: &str, path: &str) -> Result<String> {
        let (status, bytes) = self
            .raw(person, "GET", path, "text/plain", Vec::new())
            .await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if status != StatusCode::OK {
            bail!("{path}: {status}: {text}");
        }
        Ok(text)
    }

    async fn raw(
        &self,
        person: &str,
        method: &str,
        path: &str,
        kind: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>)> {
        let client = self.client(person).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(kube::client::Body::from(body))?;
        let response = client.send(request).await?;
        let status = response.status();
        let bytes = http_body_util::BodyExt::collect(response.into_body())
            .await?
            .to_bytes();
        Ok((status, bytes.to_vec()))
    }

    /// Reads an object as the administrator until it is as it should be.
    pub async fn when(&self, path: &str, there: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let reading = async {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            loop {
                pace.tick().await;
                last = self
                    .send("admin", "GET", path, "application/json", &Value::Null)
                    .await?
                    .1;
                if there(&last) {
                    return anyhow::Ok(());
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(done) => done.map(|()| last),
            Err(_) => bail!(
                "{path} did not come to be as expected: {last:#}\n{}",
                self.log()
            ),
        }
    }

    /// Ends `up` as nothing can prepare for, and waits until it is gone. Containers go on.
    pub async fn kill(&mut self) -> Result<()> {
        let mut up = self.up.take().context("the cluster is not there")?;
        up.kill().await.context("the cluster could not be killed")
    }

    /// Ends the cluster with Ctrl-C and waits until it has cleaned up.
    pub async fn strike(mut self) -> Result<()> {
        self.interrupt().await
    }

    /// The same, leaving the directory in place.
    pub async fn interrupt(&mut self) -> Result<()> {
        let Some(mut up) = self.up.take() else {
            return Ok(());
        };
        if let Some(pid) = pid(&up) {
            kill_process(pid, Signal::INT)?;
        }
        let ended = tokio::time::timeout(STRIKE, up.wait()).await;
        let ended = ended.context("the cluster did not end in time")??;
        if !ended.success() {
            bail!("the cluster did not end cleanly: {}", self.log());
        }
        Ok(())
    }

    /// Leaves the cluster running and its directory in place; its process id and directory.
    pub fn leave_up(mut self) -> Result<(u32, PathBuf)> {
        let up = self.up.take().context("the cluster is not there")?;
        let dir = self
            .dir
            .take()
            .context("the directory is not there")?
            .keep();
        Ok((up.id().unwrap_or_default(), dir))
    }
}

impl Drop for Stage {
    /// The way out when a step failed or somebody pressed Ctrl-C: let the cluster clean up, and wait.
    fn drop(&mut self) {
        let Some(mut up) = self.up.take() else { return };
        if pid(&up).is_some_and(|pid| kill_process(pid, Signal::INT).is_ok()) {
            tokio::task::block_in_place(|| {
                let wait = async { tokio::time::timeout(STRIKE, up.wait()).await };
                // Whatever came of it: nothing more can be done here.
                let _ = tokio::runtime::Handle::current().block_on(wait);
            });
        }
    }
}

fn pid(up: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(up.id()?).ok()?)
}

/// Copies a ledger's folder, with each occurrence of `old` in its public entries changed into `new` of the
/// same length; how many files were changed.
pub fn tampered(from: &Path, to: &Path, old: &[u8], new: &[u8]) -> Result<usize> {
    let mut folders = vec![(from.to_path_buf(), to.to_path_buf())];
    let mut changed = 0;
    while let Some((from, to)) = folders.pop() {
        std::fs::create_dir_all(&to)?;
        for entry in std::fs::read_dir(&from)? {
            let (source, copy) = {
                let entry = entry?;
                (entry.path(), to.join(entry.file_name()))
            };
            if source.is_dir() {
                folders.push((source, copy));
                continue;
            }
            std::fs::copy(&source, &copy)?;
            let public = source
                .components()
                .any(|part| part.as_os_str() == "entries");
            let bytes = std::fs::read(&source)?;
            if let (true, Some(at)) = (
                public,
                bytes.windows(old.len()).position(|window| window == old),
            ) {
                use std::os::unix::fs::FileExt;
                std::fs::File::options()
                    .write(true)
                    .open(&copy)?
                    .write_all_at(new, at as u64)?;
                changed += 1;
            }
        }
    }
    Ok(changed)
}
