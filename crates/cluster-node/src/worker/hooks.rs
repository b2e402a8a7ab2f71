//! Lifecycle hooks: after a container's start and before its stop.

use std::collections::BTreeSet;
use std::time::Duration;

use cluster_sandbox::runtime::{ContainerStatus as Record, StreamOptions};
use futures::future::{BoxFuture, FutureExt as _};
use k8s_openapi::api::core::v1::LifecycleHandler;

use super::Worker;
use crate::events::Severity;
use crate::pod::roles::Spec;

/// What hooks and probes have found.
#[derive(Debug, Default)]
pub(super) struct Running {
    starting: BTreeSet<String>,
    unready: BTreeSet<String>,
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
    /// Runs `postStart` beside the container; if it fails the container is killed.
    pub(super) fn after_start(&mut self, container: &Spec, id: &str) {
        let handler = container.container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.post_start.clone());
        let Some(handler) = handler else { return };
        let (shared, id, pod, container) = (self.shared.clone(), id.to_owned(), self.pod.clone(), container.clone());
        tokio::spawn(async move {
            if let Err(why) = run(&shared, &id, &handler).await {
                let path = &container.field_path;
                let text = format!("PostStartHook failed: {why}");
                shared.events.pod(&pod, path, Severity::Warning, "FailedPostStartHook", text);
                let text = format!("FailedPostStartHook: {why}");
                shared.events.pod(&pod, path, Severity::Normal, "Killing", text);
                if let Err(error) = shared.runtime.stop_container(&id, Duration::from_secs(2)).await {
                    tracing::warn!(container = id, %error, "a container was not stopped");
                }
            }
        });
    }

    /// `preStop` of a container, to be run before it is told to end.
    pub(super) fn pre_stop(&self, container: &Spec, record: &Record) -> Option<BoxFuture<'static, ()>> {
        let handler = container.container.lifecycle.as_ref()?.pre_stop.clone()?;
        let (shared, id, pod) = (self.shared.clone(), record.id.clone(), self.pod.clone());
        let path = container.field_path.clone();
        let hook = async move {
            if let Err(why) = run(&shared, &id, &handler).await {
                let text = format!("PreStopHook failed: {why}");
                shared.events.pod(&pod, &path, Severity::Warning, "FailedPreStopHook", text);
            }
        };
        Some(hook.boxed())
    }
}

async fn run(shared: &crate::shared::Shared, id: &str, handler: &LifecycleHandler) -> Result<(), String> {
    if let Some(sleep) = &handler.sleep {
        tokio::time::sleep(Duration::from_secs(sleep.seconds.unsigned_abs())).await;
        return Ok(());
    }
    let Some(exec) = &handler.exec else {
        return Err("hooks other than exec and sleep are not available on this node".to_owned());
    };
    let command = exec.command.clone().unwrap_or_default();
    let options = StreamOptions::default();
    let streams = shared.runtime.exec(id, command, options).await.map_err(|error| error.to_string())?;
    match streams.exit.await {
        Ok(0) => Ok(()),
        Ok(code) => Err(format!("command exited with {code}")),
        Err(error) => Err(error.to_string()),
    }
}
