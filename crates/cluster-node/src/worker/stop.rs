//! Ending a Pod's containers: because it is deleted, or because it is over
//! (`killContainer`, `SyncTerminatingPod`, `SyncTerminatedPod`).

use std::collections::BTreeMap;
use std::time::Duration;

use cluster_sandbox::runtime::ContainerStatus as Record;
use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};

use super::{Next, Worker};
use crate::client::brief;
use crate::events::Severity;
use crate::pod::roles::{Role, spec};

/// Containers get at least this long to end by themselves (`minimumGracePeriodInSeconds`).
const LEAST_GRACE: i64 = 2;

/// What is being ended.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Until when each container may end by itself.
    deadlines: BTreeMap<String, Timestamp>,
    /// The sandbox was let go.
    sandbox_stopped: bool,
    /// When the first container was told.
    since: Option<Timestamp>,
}

impl Worker {
    /// The Pod is being deleted, or is gone already.
    pub(super) async fn end(&mut self) -> Next {
        let grace = self
            .pod
            .metadata
            .deletion_grace_period_seconds
            .or(spec(&self.pod).termination_grace_period_seconds);
        let grace = if self.gone {
            LEAST_GRACE
        } else {
            grace.unwrap_or(30).max(LEAST_GRACE)
        };
        if self.kill_all(grace) {
            if !self.gone {
                self.report().await;
            }
            return Next::After(Duration::from_secs(1));
        }
        if !self.let_go().await {
            return Next::After(Duration::from_secs(1));
        }
        if !self.gone {
            if !self.report().await || !self.delete().await {
                return Next::After(Duration::from_millis(500));
            }
            // Finalizers may keep the object; its watch tells when it is gone.
            return if self.gone {
                self.end_traces().await
            } else {
                Next::After(super::RESYNC)
            };
        }
        self.end_traces().await
    }

    /// All regular containers ended for good: the rest is killed, and the Pod's phase becomes final.
    pub(super) async fn finish(&mut self) -> Next {
        let grace = spec(&self.pod)
            .termination_grace_period_seconds
            .unwrap_or(30)
            .max(LEAST_GRACE);
        let killing = self.kill_all(grace);
        let done = !killing && self.let_go().await;
        let reported = self.report().await;
        Next::After(if done && reported {
            super::RESYNC
        } else {
            Duration::from_secs(1)
        })
    }

    /// The Pod's phase is final: nothing is to run, and nothing is started (EC-K-13).
    pub(super) async fn rest(&mut self) -> Next {
        let done = !self.kill_all(LEAST_GRACE) && self.let_go().await;
        let reported = self.report().await;
        Next::After(if done && reported {
            super::RESYNC
        } else {
            Duration::from_secs(1)
        })
    }

    /// Tells what runs to end; whether something still runs. Sidecars go after the regular containers.
    fn kill_all(&mut self, grace: i64) -> bool {
        let running: Vec<Record> = self.records.running().cloned().collect();
        if running.is_empty() {
            return false;
        }
        let sidecar = |record: &Record| self.has_role(&record.config.name, &[Role::Sidecar]);
        let ephemeral = |record: &Record| self.has_role(&record.config.name, &[Role::Ephemeral]);
        let main_runs = running
            .iter()
            .any(|record| !sidecar(record) && !ephemeral(record));
        let chosen: Vec<Record> = running
            .iter()
            .filter(|record| !main_runs || !sidecar(record))
            .cloned()
            .collect();
        let now = self.shared.now();
        let since = *self.ending.since.get_or_insert(now);
        let deadline = (since + SignedDuration::from_secs(grace))
            .max(now + SignedDuration::from_secs(LEAST_GRACE));
        for record in chosen {
            let why = format!("Stopping container {}", record.config.name);
            self.kill(&record, deadline, now, why);
        }
        true
    }

    /// Tells one container to end by `deadline`, unless it was told so, or an earlier time, before.
    pub(super) fn kill(
        &mut self,
        record: &Record,
        deadline: Timestamp,
        now: Timestamp,
        why: String,
    ) {
        let told = self.ending.deadlines.get(&record.id).copied();
        let sooner = |told: Timestamp| deadline + SignedDuration::from_millis(500) < told;
        // A stop that did not work is tried again once its time is over.
        let overdue = |told: Timestamp| now > told + SignedDuration::from_secs(5);
        if told.is_some_and(|told| !sooner(told) && !overdue(told)) {
            return;
        }
        let container = self
            .containers
            .iter()
            .find(|container| container.name() == record.config.name)
            .cloned();
        if let (Some(container), None) = (&container, told) {
            self.note(container, Severity::Normal, "Killing", why);
        }
        self.ending.deadlines.insert(record.id.clone(), deadline);
        let grace = Duration::try_from(deadline.duration_since(now)).unwrap_or_default();
        let hook = container
            .filter(|_| told.is_none())
            .and_then(|container| self.pre_stop(&container, record));
        let (shared, wake, id) = (self.shared.clone(), self.wake.clone(), record.id.clone());
        tokio::spawn(async move {
            let begun = tokio::time::Instant::now();
            if let Some(hook) = hook {
                // The grace period counts from before the hook; a hook that takes it all is cut off.
                let _ = tokio::time::timeout(grace, hook).await;
            }
            let least = Duration::from_secs(LEAST_GRACE.unsigned_abs());
            let left = grace.saturating_sub(begun.elapsed()).max(least);
            if let Err(error) = shared.runtime.stop_container(&id, left).await {
                tracing::warn!(container = id, %error, "a container was not stopped");
            }
            wake.notify_one();
        });
    }

    /// Lets the namespaces and the address go; whether that is done.
    async fn let_go(&mut self) -> bool {
        if self.ending.sandbox_stopped {
            return true;
        }
        let Some(sandbox) = &mut self.sandbox else {
            return true;
        };
        match self.shared.runtime.stop_sandbox(&sandbox.id).await {
            Ok(()) => {
                sandbox.ready = false;
                self.ending.sandbox_stopped = true;
                true
            }
            Err(error) => {
                tracing::warn!(sandbox = sandbox.id, %error, "a sandbox was not stopped");
                false
            }
        }
    }

    /// The last word to the API: with grace 0 the object goes. Whether it was taken.
    async fn delete(&mut self) -> bool {
        let meta = &self.pod.metadata;
        let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(
            self.shared.client.clone(),
            meta.namespace.as_deref().unwrap_or_default(),
        );
        let preconditions = Preconditions {
            uid: meta.uid.clone(),
            resource_version: None,
        };
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        match api
            .delete(meta.name.as_deref().unwrap_or_default(), &parameters)
            .await
        {
            Ok(_) => true,
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                self.gone = true;
                true
            }
            Err(error) => {
                tracing::warn!(
                    pod = self.full_name(),
                    error = brief(&error),
                    "a Pod was not deleted"
                );
                false
            }
        }
    }

    /// Nothing of the Pod is to stay on the node.
    async fn end_traces(&mut self) -> Next {
        if let Some(sandbox) = &self.sandbox {
            if let Err(error) = self.shared.runtime.remove_sandbox(&sandbox.id).await {
                tracing::warn!(sandbox = sandbox.id, %error, "a sandbox was not removed");
                return Next::After(Duration::from_secs(1));
            }
            self.shared.unlisten(&sandbox.id);
        }
        let (directory, logs) = (self.directory.clone(), self.shared.log_directory(&self.pod));
        let removed = tokio::task::spawn_blocking(move || {
            crate::volumes::directory::remove(&directory)?;
            crate::volumes::directory::remove(&logs)
        });
        match removed.await {
            Ok(Err(error)) => {
                tracing::warn!(pod = self.full_name(), %error, "a Pod's files were not removed");
                Next::After(Duration::from_secs(5))
            }
            // Removed, or the runtime is shutting down.
            _ => Next::Done,
        }
    }
}
