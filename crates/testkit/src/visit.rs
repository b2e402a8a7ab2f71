//! A visit in few words: ask, approve, look what became of it.

use anyhow::{Context, Result, bail};
use cli::stage::Answer;
use serde_json::Value;

use crate::Cluster;
use crate::sample::{NAMESPACE, POD, TOOLS, pod_path, sessions_path};

/// What is asked for; the rest is always the same.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Who asks.
    pub person: &'a str,
    /// Further flags of `ephemera request`: `--inject`, `-it`, …
    pub flags: &'a [&'a str],
    /// What is to run.
    pub command: &'a [&'a str],
}

impl<'a> Ask<'a> {
    /// The controller adds the container.
    pub fn injected(command: &'a [&'a str]) -> Self {
        Self {
            person: "alice",
            flags: &["--inject"],
            command,
        }
    }

    /// The person adds it.
    pub fn by_hand(command: &'a [&'a str]) -> Self {
        Self {
            person: "alice",
            flags: &[],
            command,
        }
    }

    /// What is typed after `ephemera`.
    pub fn words(&self) -> Vec<&'a str> {
        let mut words = vec![
            "request",
            POD,
            "-n",
            NAMESPACE,
            "--image",
            TOOLS,
            "--target",
            "app",
            "--reason",
            "it answers slowly since 14:02",
            "--ticket",
            "INC-2041",
            "--checked",
            "logs=they end at 14:02",
        ];
        words.extend(self.flags);
        words.push("--");
        words.extend(self.command);
        words
    }
}

/// A session that was asked for.
#[derive(Debug)]
pub struct Visit {
    /// Name of the `DebugSession`.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Name of the container.
    pub handle: String,
    /// What `ephemera request` answered.
    pub answer: Answer,
}

impl Cluster {
    /// Asks, and has the session decided.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Visit> {
        let answer = self.done(ask.person, &ask.words()).await?;
        let name = answer
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix("session ")?.split(':').next());
        let name = name
            .with_context(|| format!("no session is named: {answer:?}"))?
            .to_owned();
        let object = self.get(&sessions_path(&name)).await?;
        let text = |pointer| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let handle = text("/status/handle").with_context(|| format!("no handle: {object:#}"))?;
        let uid = text("/metadata/uid").context("no uid")?;
        Ok(Visit {
            name,
            uid,
            handle,
            answer,
        })
    }

    /// Asks, and has bob approve; returns once the session shows it.
    pub async fn approved(&self, ask: Ask<'_>) -> Result<Visit> {
        let visit = self.ask(ask).await?;
        self.approve(&visit).await?;
        self.session_when(&visit, |phase| phase != "AwaitingApproval")
            .await?;
        Ok(visit)
    }

    /// bob says yes.
    pub async fn approve(&self, visit: &Visit) -> Result<()> {
        self.done("bob", &["approve", &visit.name, "-n", NAMESPACE])
            .await
            .map(|_| ())
    }

    /// The session as its object shows it.
    pub async fn session(&self, visit: &Visit) -> Result<Value> {
        self.get(&sessions_path(&visit.name)).await
    }

    /// The session, once its phase is as it should be.
    pub async fn session_when(&self, visit: &Visit, there: impl Fn(&str) -> bool) -> Result<Value> {
        let path = sessions_path(&visit.name);
        self.when(&path, |session| {
            there(session["status"]["phase"].as_str().unwrap_or_default())
        })
        .await
    }

    /// The session, once its books are closed. Any other end is an error at once.
    pub async fn closed(&self, visit: &Visit) -> Result<Value> {
        let over = ["Closed", "Denied", "Expired", "Withdrawn", "Failed", "Lost"];
        let session = self
            .session_when(visit, |phase| over.contains(&phase))
            .await?;
        if session["status"]["phase"] != "Closed" {
            bail!("the visit did not take place: {:#}", session["status"]);
        }
        Ok(session)
    }

    /// The container as `kubectl debug` sends it: without what the API server adds.
    pub async fn container(&self, visit: &Visit) -> Result<Value> {
        let mut container = self.session(visit).await?["spec"]["container"].take();
        container["name"] = visit.handle.as_str().into();
        Ok(container)
    }

    /// The container's status in the Pod, once there is one for which this holds.
    pub async fn status_when(
        &self,
        visit: &Visit,
        there: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let of = |pod: &Value| {
            let all = pod["status"]["ephemeralContainerStatuses"]
                .as_array()
                .into_iter()
                .flatten();
            all.filter(|status| status["name"] == visit.handle.as_str())
                .find(|status| there(status))
                .cloned()
        };
        let pod = self.when(&pod_path(POD), |pod| of(pod).is_some()).await?;
        of(&pod).context("the status is gone")
    }

    /// The container's output.
    pub async fn output(&self, visit: &Visit) -> Result<String> {
        self.stage
            .text(
                "admin",
                &format!("{}/log?container={}", pod_path(POD), visit.handle),
            )
            .await
    }

    /// `ephemera record` of the session, as JSON.
    pub async fn record(&self, visit: &Visit) -> Result<Value> {
        let ledger = self.stage.path("ledger").display().to_string();
        let words = ["record", &visit.uid, "--ledger", &ledger, "-o", "json"];
        let answer = self.done("auditor", &words).await?;
        Ok(serde_json::from_str(&answer.stdout)?)
    }

    /// The kinds of the session's entries, in the order of the ledger.
    pub async fn steps(&self, visit: &Visit) -> Result<Vec<String>> {
        let record = self.record(visit).await?;
        let steps = record["steps"].as_array().into_iter().flatten();
        Ok(steps
            .filter_map(|step| step["kind"].as_str())
            .map(str::to_owned)
            .collect())
    }
}
