//! What a Pod needs before its containers: namespaces, an address, volumes, files.

use cluster_sandbox::runtime::SandboxConfig;
use jiff::SignedDuration;

use super::{RESYNC, RETRY, Worker};
use crate::files;
use crate::pod::{resources, roles};
use crate::volumes::Setup;

impl Worker {
    /// Sandbox and volumes; `Err` if they are not there yet.
    pub(super) async fn prepare(&mut self) -> Result<(), ()> {
        if !self.sandbox.as_ref().is_some_and(|sandbox| sandbox.ready) {
            self.make_sandbox().await?;
        }
        let now = self.shared.now();
        let age = SignedDuration::try_from(RESYNC).unwrap_or(RETRY);
        if self
            .volumes_checked
            .is_some_and(|at| now.duration_since(at) < age)
        {
            return Ok(());
        }
        let pod_ips = self.pod_ips();
        let shared = self.shared.clone();
        let mut setup = Setup {
            objects: &shared.objects,
            pod: &self.pod,
            pod_ips: &pod_ips,
            node: &shared.facts,
            directory: &self.directory,
            tokens: &mut self.tokens,
            now,
        };
        match setup.run().await {
            Ok(paths) => self.volumes = paths,
            Err(error) => {
                self.pod_warning("FailedMount", error.to_string());
                // A Pod that runs goes on with what it has.
                return if self.volumes_checked.is_some() {
                    Ok(())
                } else {
                    Err(())
                };
            }
        }
        let ip = pod_ips.first().cloned().unwrap_or_default();
        match files::write_all(&self.pod, &self.directory, &ip, &files::hostname(&self.pod)) {
            Ok(files) => self.files = files,
            Err(error) => {
                self.pod_warning(
                    "FailedMount",
                    format!("failed to write the Pod's files: {error}"),
                );
                return Err(());
            }
        }
        self.volumes_checked = Some(now);
        Ok(())
    }

    async fn make_sandbox(&mut self) -> Result<(), ()> {
        let spec = roles::spec(&self.pod).into_owned();
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let meta = self.pod.metadata.clone();
        let context = spec.security_context.clone().unwrap_or_default();
        let host_network = spec.host_network == Some(true);
        let config = SandboxConfig {
            name: text(&meta.name),
            namespace: text(&meta.namespace),
            uid: text(&meta.uid),
            hostname: if host_network {
                self.shared.facts.name.clone()
            } else {
                files::hostname(&self.pod)
            },
            host_network,
            host_ipc: spec.host_ipc == Some(true),
            share_process_namespace: spec.share_process_namespace == Some(true),
            sysctls: context
                .sysctls
                .into_iter()
                .flatten()
                .map(|sysctl| (sysctl.name, sysctl.value))
                .collect(),
            log_directory: self.shared.log_directory(&self.pod),
            cgroup_parent: Some(resources::cgroup_parent(&self.pod)),
        };
        let made = self.shared.runtime.run_sandbox(config).await;
        match made {
            Ok(sandbox) => {
                self.shared.listen(&sandbox.id, self.wake.clone());
                self.sandbox = Some(sandbox);
                Ok(())
            }
            Err(error) => {
                self.pod_warning(
                    "FailedCreatePodSandBox",
                    format!("Failed to create pod sandbox: {error}"),
                );
                Err(())
            }
        }
    }

    /// The Pod's addresses, once it has them.
    pub(super) fn pod_ips(&self) -> Vec<String> {
        if roles::spec(&self.pod).host_network == Some(true) {
            return vec![self.shared.facts.host_ip.clone()];
        }
        self.sandbox
            .iter()
            .filter_map(|sandbox| sandbox.ip)
            .map(|ip| ip.to_string())
            .collect()
    }
}
