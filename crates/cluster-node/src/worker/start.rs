//! Starting one container: image, target, configuration, create, start
//! (`kuberuntime_container.go: startContainer`, EC-K-09).

use std::collections::BTreeMap;

use cluster_sandbox::runtime::{ContainerConfig, ContainerId, ImageStatus};

use super::Worker;
use crate::events::Severity;
use crate::files;
use crate::objects::ObjectError;
use crate::pod::env::{self, Sources};
use crate::pod::roles::{Role, Spec, spec};
use crate::pod::status::Waiting;
use crate::pod::{config, resources, security};

impl Worker {
    /// Starts a container unless it is waiting for its next try; notes why it could not.
    pub(super) async fn start(&mut self, container: &Spec) {
        let name = container.name().to_owned();
        let now = self.shared.now();
        if self.retry_at.get(&name).is_some_and(|&at| now < at) {
            return;
        }
        self.retry_at.remove(&name);
        if let Some(waiting) = self.crash_back_off(container) {
            self.waiting.insert(name, waiting);
            return;
        }
        match self.try_start(container).await {
            Ok(()) => {
                self.waiting.remove(&name);
            }
            Err(waiting) => {
                tracing::debug!(
                    container = name,
                    reason = waiting.reason,
                    message = waiting.message,
                    "not started"
                );
                self.retry_at
                    .entry(name.clone())
                    .or_insert(now + super::RETRY);
                self.waiting.insert(name, waiting);
            }
        }
    }

    /// An ended container is started again after a growing delay (EC-K-08: never an ephemeral one).
    fn crash_back_off(&mut self, container: &Spec) -> Option<Waiting> {
        let name = container.name();
        let exit = self
            .records
            .newest(name)
            .and_then(crate::pod::records::exit)?;
        let now = self.shared.now();
        let Some(delay) = self.crash_back_off.pending(name, exit.finished_at, now) else {
            self.crash_back_off.next(name, now);
            return None;
        };
        self.retry_at.insert(name.to_owned(), delay.until);
        let pod = self.full_name();
        self.warn(
            container,
            "BackOff",
            format!("Back-off restarting failed container {name} in pod {pod}"),
        );
        let message = format!(
            "back-off {} restarting failed container={name} pod={pod}",
            delay.printed()
        );
        Some(Waiting {
            reason: "CrashLoopBackOff".to_owned(),
            message,
        })
    }

    async fn try_start(&mut self, container: &Spec) -> Result<(), Waiting> {
        let image = self.image(container).await?;
        let configured = self.configure(container, &image).await;
        let config = configured
            .map_err(|message| self.failed(container, "CreateContainerConfigError", message))?;
        let runtime = self.shared.runtime.clone();
        let sandbox = self
            .sandbox
            .as_ref()
            .map(|sandbox| sandbox.id.clone())
            .unwrap_or_default();
        let created = runtime.create_container(&sandbox, config).await;
        let id = created
            .map_err(|error| self.failed(container, "CreateContainerError", error.to_string()))?;
        self.note(
            container,
            Severity::Normal,
            "Created",
            "Container created".to_owned(),
        );
        let started = runtime.start_container(&id).await;
        started.map_err(|error| self.failed(container, "RunContainerError", error.to_string()))?;
        self.note(
            container,
            Severity::Normal,
            "Started",
            "Container started".to_owned(),
        );
        self.after_start(container, &id);
        Ok(())
    }

    fn failed(&self, container: &Spec, reason: &str, message: String) -> Waiting {
        self.warn(container, "Failed", format!("Error: {message}"));
        Waiting {
            reason: reason.to_owned(),
            message,
        }
    }

    /// The configuration, or why there is none.
    async fn configure(
        &mut self,
        container: &Spec,
        image: &ImageStatus,
    ) -> Result<ContainerConfig, String> {
        let target = self.target(container)?;
        let shared = self.shared.clone();
        let sources = self
            .sources(container)
            .await
            .map_err(|error| error.to_string())?;
        let spec = spec(&self.pod);
        let pod_ips = self.pod_ips();
        let env = env::environment(&env::Inputs {
            pod: &self.pod,
            container: &container.container,
            node: &shared.facts,
            pod_ips: &pod_ips,
            sources: &sources,
        })
        .map_err(|error| error.to_string())?;
        let security = security::effective(&security::Inputs {
            pod: &self.full_name(),
            spec: &spec,
            container: &container.container,
            image_user: &image.user,
            seccomp_root: &shared.data_dir.join("seccomp"),
        })
        .map_err(|error| error.to_string())?;
        let attempt = self.next_attempt(container);
        let termination_log = files::termination_log(&self.directory, container.name(), attempt)
            .map_err(|error| format!("failed to make the termination log: {error}"))?;
        config::config(config::Inputs {
            pod: &self.pod,
            container,
            attempt,
            image: image.id.clone(),
            env,
            security: security::with_image_user(security, &image.user),
            resources: resources::of_container(
                &self.pod,
                container.role,
                &container.container,
                shared.memory,
            ),
            target,
            volumes: &self.volumes,
            files: &self.files,
            termination_log,
        })
        .map_err(|error| error.to_string())
    }

    /// The container whose PID namespace is to be joined: any record of that name in this Pod (EC-K-31).
    fn target(&self, container: &Spec) -> Result<Option<ContainerId>, String> {
        let Some(name) = &container.target else {
            return Ok(None);
        };
        let found = self.records.newest(name).map(|record| record.id.clone());
        found
            .map(Some)
            .ok_or_else(|| format!("unable to find target container {name}"))
    }

    async fn sources(&self, container: &Spec) -> Result<Sources, ObjectError> {
        let (config_maps, secrets) = env::references(&container.container);
        let namespace = self.pod.metadata.namespace.clone().unwrap_or_default();
        let mut sources = Sources::default();
        for name in config_maps {
            let found = self.shared.objects.config_map(&namespace, &name).await?;
            sources
                .config_maps
                .insert(name, found.map(|object| object.data.unwrap_or_default()));
        }
        for name in secrets {
            let found = self.shared.objects.secret(&namespace, &name).await?;
            let bytes = |object: k8s_openapi::api::core::v1::Secret| -> BTreeMap<String, Vec<u8>> {
                object
                    .data
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(key, value)| (key, value.0))
                    .collect()
            };
            sources.secrets.insert(name, found.map(bytes));
        }
        Ok(sources)
    }

    /// One more than the attempts that are known, by the runtime or, if its record is gone, by the API.
    fn next_attempt(&self, container: &Spec) -> u32 {
        if let Some(record) = self.records.newest(container.name()) {
            return record.config.attempt + 1;
        }
        let status = self.pod.status.clone().unwrap_or_default();
        let lists = [status.init_container_statuses, status.container_statuses];
        let known = lists
            .into_iter()
            .flatten()
            .flatten()
            .find(|known| known.name == container.name());
        let ran = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            state
                .as_ref()
                .is_some_and(|state| state.running.is_some() || state.terminated.is_some())
        };
        match known.filter(|_| container.role != Role::Ephemeral) {
            Some(known) if ran(&known.state) || ran(&known.last_state) => {
                u32::try_from(known.restart_count).unwrap_or(0) + 1
            }
            _ => 0,
        }
    }
}
