//! Lifecycle hooks, after a container's start and before its stop; and what its probes say meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cluster_sandbox::runtime::{ContainerStatus as Record, StreamOptions};
use futures::future::{BoxFuture, FutureExt as _};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::LifecycleHandler;

use super::Worker;
use crate::events::Severity;
use crate::pod::roles::{Role, Spec};
use crate::probes::{Place, Probes, Verdict};

/// What hooks and probes have found.
#[derive(Default)]
pub(super) struct Running {
    starting: BTreeSet<String>,
    unready: BTreeSet<String>,
    /// By container id; `None` for a container without probes.
    probes: BTreeMap<String, Option<Probes>>,
}

impl Running {
    /// Containers whose startup probe has not succeeded yet.
    pub(super) fn starting(&self) -> &BTreeSet<String> {
        &self.starting
    }

    /// Containers whose readiness probe fails.
    pub(super) fn unready(&self) -> &BTreeSet<String> {
        &self.unready
    }
}

impl Worker {
    /// Starts probes of containers that began to run, ends those of others, and takes their verdicts over.
    pub(super) fn probe(&mut self) {
        let running: Vec<Record> = self.records.running().cloned().collect();
        self.hooks
            .probes
            .retain(|id, _| running.iter().any(|record| record.id == *id));
        self.hooks.starting.clear();
        self.hooks.unready.clear();
        let containers = self.containers.clone();
        for record in running {
            let named = containers
                .iter()
                .find(|container| container.name() == record.config.name);
            let Some(container) = named.filter(|container| container.role != Role::Ephemeral)
            else {
                continue;
            };
            if !self.hooks.probes.contains_key(&record.id) {
                let ip = self.sandbox.as_ref().and_then(|sandbox| sandbox.ip);
                let place = Place {
                    id: record.id.clone(),
                    pid: record.pid.unwrap_or_default(),
                    ip,
                };
                let probes = Probes::start(
                    self.shared.clone(),
                    &self.pod,
                    container,
                    place,
                    self.wake.clone(),
                );
                self.hooks.probes.insert(record.id.clone(), probes);
            }
            let verdict = self
                .hooks
                .probes
                .get(&record.id)
                .and_then(Option::as_ref)
                .map(Probes::verdict);
            if let Some(verdict) = verdict {
                self.heed(container, &record, &verdict);
            }
        }
    }

    fn heed(&mut self, container: &Spec, record: &Record, verdict: &Verdict) {
        let name = container.name().to_owned();
        if !verdict.started {
            self.hooks.starting.insert(name.clone());
        }
        if !verdict.ready {
            self.hooks.unready.insert(name.clone());
        }
        if let Some(probe) = verdict.kill {
            let spec = crate::pod::roles::spec(&self.pod);
            let grace = spec.termination_grace_period_seconds.unwrap_or(30).max(2);
            let now = self.shared.now();
            let text = format!("Container {name} failed {probe} probe, will be restarted");
            self.kill(record, now + SignedDuration::from_secs(grace), now, text);
        }
    }

    /// Runs `postStart` beside the container; if it fails the container is killed.
    pub(super) fn after_start(&mut self, container: &Spec, id: &str) {
        let handler = container
            .container
            .lifecycle
            .as_ref()
            .and_then(|lifecycle| lifecycle.post_start.clone());
        let Some(handler) = handler else { return };
        let (shared, id, pod, container) = (
            self.shared.clone(),
            id.to_owned(),
            self.pod.clone(),
            container.clone(),
        );
        tokio::spawn(async move {
            if let Err(why) = run(&shared, &id, &handler).await {
                let path = &container.field_path;
                let text = format!("PostStartHook failed: {why}");
                shared
                    .events
                    .pod(&pod, path, Severity::Warning, "FailedPostStartHook", text);
                let text = format!("FailedPostStartHook: {why}");
                shared
                    .events
                    .pod(&pod, path, Severity::Normal, "Killing", text);
                if let Err(error) = shared
                    .runtime
                    .stop_container(&id, Duration::from_secs(2))
                    .await
                {
                    tracing::warn!(container = id, %error, "a container was not stopped");
                }
            }
        });
    }

    /// `preStop` of a container, to be run before it is told to end.
    pub(super) fn pre_stop(
        &self,
        container: &Spec,
        record: &Record,
    ) -> Option<BoxFuture<'static, ()>> {
        let handler = container.container.lifecycle.as_ref()?.pre_stop.clone()?;
        let (shared, id, pod) = (self.shared.clone(), record.id.clone(), self.pod.clone());
        let path = container.field_path.clone();
        let hook = async move {
            if let Err(why) = run(&shared, &id, &handler).await {
                let text = format!("PreStopHook failed: {why}");
                shared
                    .events
                    .pod(&pod, &path, Severity::Warning, "FailedPreStopHook", text);
            }
        };
        Some(hook.boxed())
    }
}

async fn run(
    shared: &crate::shared::Shared,
    id: &str,
    handler: &LifecycleHandler,
) -> Result<(), String> {
    if let Some(sleep) = &handler.sleep {
        tokio::time::sleep(Duration::from_secs(sleep.seconds.unsigned_abs())).await;
        return Ok(());
    }
    let Some(exec) = &handler.exec else {
        return Err("hooks other than exec and sleep are not available on this node".to_owned());
    };
    let command = exec.command.clone().unwrap_or_default();
    let options = StreamOptions::default();
    let streams = shared
        .runtime
        .exec(id, command, options)
        .await
        .map_err(|error| error.to_string())?;
    match streams.exit.await {
        Ok(0) => Ok(()),
        Ok(code) => Err(format!("command exited with {code}")),
        Err(error) => Err(error.to_string()),
    }
}
