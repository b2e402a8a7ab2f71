//! One task per Pod: looks at what is, does the next step, reports, waits for something to happen
//! (`pod_workers.go`, `kubelet.go: SyncPod`).
//!
//! Flow of one look: the runtime's records; then, if the Pod is being deleted or is over, its containers are
//! ended; else its sandbox, its volumes, and the containers that [`plan`](crate::pod::plan) names; at last
//! the status, if it changed. It is woken by a change of the Pod, by a container's change of state, by the
//! end of a delay, and once a minute to bring volumes up to date.

mod hooks;
mod image;
mod prepare;
mod publish;
mod start;
mod stop;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cluster_sandbox::runtime::{RuntimeError, SandboxStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use tokio::sync::{Notify, watch};

use crate::backoff::BackOff;
use crate::events::Severity;
use crate::files;
use crate::pod::config::POD_UID_LABEL;
use crate::pod::plan::{self, Facts, Plan, is_active};
use crate::pod::records::{Records, exit};
use crate::pod::roles::{self, Role, Spec};
use crate::pod::status::Waiting;
use crate::shared::Shared;
use crate::volumes::Token;

/// A container that could not be configured is tried again after this.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// Volumes follow their sources at least this often.
const RESYNC: Duration = Duration::from_mins(1);

/// What the API says of a Pod.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The Pod as it was seen last.
    pub pod: Arc<Pod>,
    /// It is not in the API any more.
    pub gone: bool,
}

/// When to look again.
enum Next {
    After(Duration),
    Done,
}

/// One Pod's task.
pub struct Worker {
    shared: Arc<Shared>,
    wanted: watch::Receiver<Wanted>,
    wake: Arc<Notify>,
    /// The Pod, with the status that was reported last.
    pod: Pod,
    gone: bool,
    containers: Arc<[Spec]>,
    sandbox: Option<SandboxStatus>,
    /// Ids of the Pod's containers that the runtime remembers.
    known: BTreeSet<String>,
    records: Records,
    directory: PathBuf,
    volumes: BTreeMap<String, PathBuf>,
    files: Vec<(PathBuf, PathBuf)>,
    volumes_checked: Option<Timestamp>,
    tokens: BTreeMap<(String, String), Token>,
    waiting: BTreeMap<String, Waiting>,
    retry_at: BTreeMap<String, Timestamp>,
    crash_back_off: BackOff,
    image_back_off: BackOff,
    messages: BTreeMap<String, String>,
    ending: stop::Ending,
    hooks: hooks::Running,
    published: Option<PodStatus>,
}

impl Worker {
    /// A worker for the Pod of `wanted`, woken through `wake` as well.
    pub fn new(shared: Arc<Shared>, wanted: watch::Receiver<Wanted>, wake: Arc<Notify>) -> Self {
        let first = wanted.borrow().clone();
        let pod = (*first.pod).clone();
        let directory = shared.pod_directory(pod.metadata.uid.as_deref().unwrap_or_default());
        Self {
            shared,
            wanted,
            wake,
            containers: roles::containers(&pod).into(),
            pod,
            gone: first.gone,
            sandbox: None,
            known: BTreeSet::new(),
            records: Records::default(),
            directory,
            volumes: BTreeMap::new(),
            files: Vec::new(),
            volumes_checked: None,
            tokens: BTreeMap::new(),
            waiting: BTreeMap::new(),
            retry_at: BTreeMap::new(),
            crash_back_off: BackOff::default(),
            image_back_off: BackOff::default(),
            messages: BTreeMap::new(),
            ending: stop::Ending::default(),
            hooks: hooks::Running::default(),
            published: None,
        }
    }

    /// Runs until the Pod is gone from the API and from the node.
    pub async fn run(mut self) {
        let mut found = false;
        loop {
            if !found {
                found = self.find().await.is_ok();
            }
            let next = if found {
                self.look().await
            } else {
                Next::After(Duration::from_secs(1))
            };
            let Next::After(delay) = next else { break };
            tokio::select! {
                changed = self.wanted.changed() => {
                    // The dispatcher is gone: the node stops, its containers stay.
                    if changed.is_err() {
                        return;
                    }
                    self.take();
                }
                () = self.wake.notified() => self.retry_at.clear(),
                () = tokio::time::sleep(delay) => {}
            }
        }
        self.shared.forget(&self.pod);
    }

    /// The Pod's name as messages have it: `name_namespace(uid)`.
    fn full_name(&self) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let meta = &self.pod.metadata;
        format!(
            "{}_{}({})",
            text(&meta.name),
            text(&meta.namespace),
            text(&meta.uid)
        )
    }

    /// Takes over what the API says now, and keeps the status that was reported last.
    fn take(&mut self) {
        let wanted = self.wanted.borrow_and_update().clone();
        self.gone |= wanted.gone;
        let status = self.published.clone().map(|mut own| {
            // Conditions of others are theirs to change.
            let theirs = wanted.pod.status.clone().unwrap_or_default().conditions;
            crate::pod::phase::take_others(&mut own, theirs);
            own
        });
        if wanted.pod.metadata.generation != self.pod.metadata.generation {
            self.retry_at.clear();
        }
        self.pod = (*wanted.pod).clone();
        if status.is_some() {
            self.pod.status = status;
        }
        self.containers = roles::containers(&self.pod).into();
    }

    /// Finds what is there from before: the sandbox and its containers.
    async fn find(&mut self) -> Result<(), RuntimeError> {
        let uid = self.pod.metadata.uid.clone().unwrap_or_default();
        let sandboxes = self.shared.runtime.sandboxes().await?;
        self.sandbox = sandboxes
            .into_iter()
            .find(|sandbox| sandbox.config.uid == uid);
        let containers = self.shared.runtime.containers().await?;
        let own = containers
            .into_iter()
            .filter(|record| record.config.labels.get(POD_UID_LABEL) == Some(&uid));
        self.known = own.map(|record| record.id).collect();
        if let Some(sandbox) = &self.sandbox {
            self.shared.listen(&sandbox.id, self.wake.clone());
        }
        Ok(())
    }

    async fn look(&mut self) -> Next {
        if let Err(error) = self.refresh().await {
            tracing::warn!(pod = self.full_name(), %error, "the runtime does not answer");
            return Next::After(Duration::from_secs(1));
        }
        self.probe();
        if self.gone || self.pod.metadata.deletion_timestamp.is_some() {
            return self.end().await;
        }
        if !is_active(&self.pod) {
            return self.rest().await;
        }
        let plan = self.plan();
        if plan.finished {
            return self.finish().await;
        }
        let prepared = self.prepare().await;
        if let Ok(()) = prepared {
            self.carry_out(&plan).await;
        }
        let reported = self.report().await;
        self.next(prepared.is_ok() && reported)
    }

    /// Reads the records of this Pod's containers, and the last words of those that ended.
    async fn refresh(&mut self) -> Result<(), RuntimeError> {
        let mut records = Vec::new();
        for id in self.known.clone() {
            match self.shared.runtime.container(&id).await {
                Ok(record) => records.push(record),
                Err(RuntimeError::NotFound(_)) => {
                    self.known.remove(&id);
                }
                Err(error) => return Err(error),
            }
        }
        self.records = Records::new(records);
        let outdated: Vec<String> = self
            .records
            .outdated()
            .map(|record| record.id.clone())
            .collect();
        for id in outdated {
            self.shared.runtime.remove_container(&id).await?;
        }
        self.read_messages();
        Ok(())
    }

    fn plan(&self) -> Plan {
        let ran = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            state
                .as_ref()
                .is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        };
        let statuses = self
            .pod
            .status
            .iter()
            .flat_map(|s| s.ephemeral_container_statuses.iter().flatten());
        let seen = statuses
            .filter(|status| ran(&status.state))
            .map(|status| status.name.clone())
            .collect();
        plan::plan(&Facts {
            pod: &self.pod,
            containers: &self.containers,
            records: &self.records,
            seen: &seen,
            starting: self.hooks.starting(),
        })
    }

    fn pod_warning(&self, reason: &'static str, message: String) {
        self.shared
            .events
            .pod(&self.pod, "", Severity::Warning, reason, message);
    }

    async fn carry_out(&mut self, plan: &Plan) {
        let containers = self.containers.clone();
        for container in plan.start.iter().filter_map(|&index| containers.get(index)) {
            self.start(container).await;
        }
        if !plan.start.is_empty() {
            // A refresh that fails now shows in the next look.
            let _ = self.adopt().await;
            self.probe();
        }
    }

    /// Learns of the containers that were made.
    async fn adopt(&mut self) -> Result<(), RuntimeError> {
        let uid = self.pod.metadata.uid.clone().unwrap_or_default();
        let containers = self.shared.runtime.containers().await?;
        let own = containers
            .into_iter()
            .filter(|record| record.config.labels.get(POD_UID_LABEL) == Some(&uid));
        let own: Vec<_> = own.collect();
        self.known = own.iter().map(|record| record.id.clone()).collect();
        self.records = Records::new(own);
        self.read_messages();
        Ok(())
    }

    fn read_messages(&mut self) {
        let mut read = Vec::new();
        for record in self
            .records
            .all()
            .filter(|record| !self.messages.contains_key(&record.id))
        {
            let Some(exit) = exit(record) else { continue };
            let path = files::termination_path(
                &self.directory,
                &record.config.name,
                record.config.attempt,
            );
            let mut message = files::termination_message(&path);
            let container = self
                .containers
                .iter()
                .find(|container| container.name() == record.config.name);
            let policy = container
                .and_then(|container| container.container.termination_message_policy.as_deref());
            if message.is_empty() && exit.code != 0 && policy == Some("FallbackToLogsOnError") {
                let log = self
                    .shared
                    .log_directory(&self.pod)
                    .join(&record.config.log_path);
                message = crate::logs::last_words(&log).unwrap_or_default();
            }
            read.push((record.id.clone(), message));
        }
        self.messages.extend(read);
    }

    /// When to look again if nothing happens.
    fn next(&self, is_settled: bool) -> Next {
        if !is_settled {
            return Next::After(Duration::from_millis(500));
        }
        let now = self.shared.now();
        let due = self
            .retry_at
            .values()
            .min()
            .map(|at| at.duration_since(now));
        let due =
            due.map(|wait| Duration::try_from(wait).unwrap_or_default() + Duration::from_millis(1));
        Next::After(due.unwrap_or(RESYNC).min(RESYNC))
    }

    fn has_role(&self, name: &str, roles: &[Role]) -> bool {
        self.containers
            .iter()
            .any(|container| container.name() == name && roles.contains(&container.role))
    }
}
