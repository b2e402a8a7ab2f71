//! A running cluster, its people, and what they send.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cli::stage::{Answer, Stage};
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::sample::{self, NAMESPACE};

/// How long anything may take on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The content type of an object.
pub const JSON: &str = "application/json";

/// The content type of the patch that `kubectl debug` sends.
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// A cluster of its own. Dropping it ends it.
#[derive(Debug)]
pub struct Cluster {
    /// The running `ephemera up` and its directory.
    pub stage: Stage,
    /// Holds the name under which the test program is the product.
    _program: TempDir,
}

impl Cluster {
    /// Starts the product: this very test program under the name `ephemera`.
    pub async fn raise(options: &[&str]) -> Result<Self> {
        // The same provider as the product's; an earlier choice is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let dir = tempfile::Builder::new()
            .prefix("ephemera-program-")
            .tempdir()?;
        let program = dir.path().join("ephemera");
        // Not by its path: whoever builds meanwhile replaces the file there.
        std::os::unix::fs::symlink(format!("/proc/{}/exe", std::process::id()), &program)?;
        let stage = Stage::raise(program, options).await?;
        Ok(Self {
            stage,
            _program: dir,
        })
    }

    /// A cluster with two running Pods, a policy, and images to visit them with.
    pub async fn with_sample() -> Result<Self> {
        let cluster = Self::raise(&[]).await?;
        sample::set_up(&cluster).await?;
        Ok(cluster)
    }

    /// Ends it with Ctrl-C; an unclean end is an error.
    pub async fn strike(self) -> Result<()> {
        self.stage.strike().await
    }

    /// The data directory.
    pub fn data_dir(&self) -> String {
        self.stage
            .path("")
            .display()
            .to_string()
            .trim_end_matches('/')
            .to_owned()
    }

    /// Runs `ephemera …` as a person; anything but success is an error.
    pub async fn done(&self, person: &str, words: &[&str]) -> Result<Answer> {
        let answer = self.stage.ephemera(person, words).await?;
        ensure!(
            answer.status == 0,
            "{person}: ephemera {}: {answer:?}",
            words.join(" ")
        );
        Ok(answer)
    }

    /// Reads an object.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let (status, object) = self
            .stage
            .send("admin", "GET", path, JSON, &Value::Null)
            .await?;
        ensure!(
            status == StatusCode::OK,
            "{path}: {status}: {}",
            said(&object)
        );
        Ok(object)
    }

    /// Creates an object as the administrator.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value> {
        let (status, answer) = self.stage.send("admin", "POST", path, JSON, object).await?;
        ensure!(
            status == StatusCode::CREATED,
            "{path}: {status}: {}",
            said(&answer)
        );
        Ok(answer)
    }

    /// Changes an object as the administrator, by a JSON merge patch (RFC 7396).
    pub async fn merge(&self, path: &str, patch: &Value) -> Result<Value> {
        let (status, answer) = self
            .stage
            .send(
                "admin",
                "PATCH",
                path,
                "application/merge-patch+json",
                patch,
            )
            .await?;
        ensure!(
            status == StatusCode::OK,
            "{path}: {status}: {}",
            said(&answer)
        );
        Ok(answer)
    }

    /// Reads an object until it is as it should be, for as long as [`PATIENCE`] lasts.
    pub async fn when(&self, path: &str, there: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let reading = async {
            let mut pace = tokio::time::interval(Duration::from_millis(25));
            loop {
                pace.tick().await;
                last = self
                    .stage
                    .send("admin", "GET", path, JSON, &Value::Null)
                    .await?
                    .1;
                if there(&last) {
                    return anyhow::Ok(());
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(read) => read.map(|()| last),
            Err(_) => bail!("{path} did not come to be as expected: {last:#}"),
        }
    }

    /// Sends an ephemeral container in the very form in which `kubectl debug` sends it.
    pub async fn add(
        &self,
        person: &str,
        pod: &str,
        container: &Value,
    ) -> Result<(StatusCode, Value)> {
        let patch = json!({"spec": {
            "$setElementOrder/ephemeralContainers": [{"name": container["name"]}],
            "ephemeralContainers": [container],
        }});
        self.stage
            .send(person, "PATCH", &door(pod), STRATEGIC, &patch)
            .await
    }

    /// Names of the ephemeral containers that a Pod has.
    pub async fn containers_in(&self, pod: &str) -> Result<Vec<String>> {
        let pod = self.get(&sample::pod_path(pod)).await?;
        let containers = pod["spec"]["ephemeralContainers"]
            .as_array()
            .into_iter()
            .flatten();
        Ok(containers
            .filter_map(|container| container["name"].as_str())
            .map(str::to_owned)
            .collect())
    }

    /// `ephemera verify` of the cluster's ledger, or of a copy of it.
    pub async fn verify(&self, ledger: &Path) -> Result<Answer> {
        let (ledger, key) = (
            ledger.display().to_string(),
            self.stage.path("ledger.vkey").display().to_string(),
        );
        self.stage
            .ephemera("auditor", &["verify", "--ledger", &ledger, "--key", &key])
            .await
    }

    /// The ledger verifies.
    pub async fn verifies(&self) -> Result<()> {
        let answer = self.verify(&self.stage.path("ledger")).await?;
        ensure!(answer.status == 0, "the ledger does not verify: {answer:?}");
        Ok(())
    }

    /// What a test that failed has to tell: sessions, the Pods' ephemeral containers, the log of `up`.
    pub async fn dump(&self) -> String {
        let sessions = self.get(&sample::sessions_path("")).await;
        let pods = self
            .get(&format!("/api/v1/namespaces/{NAMESPACE}/pods"))
            .await;
        let shown = |read: Result<Value>, part: fn(&Value) -> Value| match read {
            Ok(list) => {
                let items = list["items"].as_array().into_iter().flatten();
                let items: Vec<String> = items.map(|item| format!("{:#}", part(item))).collect();
                items.join("\n")
            }
            Err(error) => format!("could not be read: {error:#}"),
        };
        let sessions = shown(
            sessions,
            |session| json!({"name": session["metadata"]["name"], "status": session["status"]}),
        );
        let pods = shown(pods, |pod| {
            json!({"name": pod["metadata"]["name"], "phase": pod["status"]["phase"],
                "ephemeralContainers": pod["spec"]["ephemeralContainers"],
                "statuses": pod["status"]["ephemeralContainerStatuses"]})
        });
        let log = self.stage.log();
        let tail: Vec<&str> = log.lines().rev().take(60).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        format!(
            "--- sessions\n{sessions}\n--- pods\n{pods}\n--- up.log\n{}",
            tail.join("\n")
        )
    }
}

/// The subresource through which ephemeral containers come.
pub fn door(pod: &str) -> String {
    format!("{}/ephemeralcontainers", sample::pod_path(pod))
}

/// What a `Status` says.
pub fn said(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or("(no message)")
}

/// An answer that refuses, with all of these words.
pub fn refuses(
    (status, answer): &(StatusCode, Value),
    code: StatusCode,
    words: &[&str],
) -> Result<()> {
    ensure!(*status == code, "expected {code}, got {status}: {answer:#}");
    for word in words {
        ensure!(
            said(answer).contains(word),
            "{word:?} is not said: {}",
            said(answer)
        );
    }
    Ok(())
}

/// Waits until something holds, as [`Cluster::when`] does.
pub async fn until(what: &str, there: impl Fn() -> Result<bool>) -> Result<()> {
    let looking = async {
        let mut pace = tokio::time::interval(Duration::from_millis(25));
        while !there()? {
            pace.tick().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .with_context(|| format!("{what} took too long"))?
}
