//! A Pod's status from its spec and the runtime's records: container statuses
//! (`kubelet_pods.go: convertToAPIContainerStatuses`). Phase and conditions are in [`super::phase`].

use std::collections::{BTreeMap, BTreeSet};

use cluster_sandbox::runtime::{
    ContainerState as Run, ContainerStatus as Record, Exit, SandboxStatus,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
    ContainerStatus, ContainerUser, LinuxContainerUser, Pod, PodStatus, ResourceRequirements,
    VolumeMountStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::plan::should_start;
use super::records::{Records, exit, is_running};
use super::roles::{Role, Spec};
use super::security::shown_user;

/// Why a container is not started yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// `ErrImagePull`, `CreateContainerConfigError`, …
    pub reason: String,
    /// What a person reads.
    pub message: String,
}

/// Everything a status is made from.
pub struct Inputs<'a> {
    /// The Pod, with the status that the API has.
    pub pod: &'a Pod,
    /// Its containers.
    pub containers: &'a [Spec],
    /// What the runtime remembers.
    pub records: &'a Records,
    /// Its sandbox, if it has one.
    pub sandbox: Option<&'a SandboxStatus>,
    /// Why containers could not be started, by name.
    pub waiting: &'a BTreeMap<String, Waiting>,
    /// Termination messages by container id.
    pub messages: &'a BTreeMap<String, String>,
    /// Containers whose startup probe has not succeeded yet.
    pub starting: &'a BTreeSet<String>,
    /// Containers whose readiness probe fails.
    pub unready: &'a BTreeSet<String>,
    /// The Pod is being deleted, and nothing will be started any more.
    pub terminating: bool,
    /// Scheme of container ids: `containerd` in `containerd://…`.
    pub scheme: &'a str,
    /// Address of the node.
    pub host_ip: &'a str,
    /// The present time.
    pub now: Timestamp,
}

/// The whole status. Fields and conditions that others own are taken over from the Pod.
pub fn status(inputs: &Inputs<'_>) -> PodStatus {
    let old = inputs.pod.status.clone().unwrap_or_default();
    let of = |roles: &[Role], old: Option<&Vec<ContainerStatus>>| {
        let chosen = inputs
            .containers
            .iter()
            .filter(|container| roles.contains(&container.role));
        let statuses = chosen
            .map(|c| container_status(inputs, c, previous(old, c.name())))
            .collect::<Vec<_>>();
        (!statuses.is_empty()).then_some(statuses)
    };
    let init = of(
        &[Role::Init, Role::Sidecar],
        old.init_container_statuses.as_ref(),
    );
    let mut regular = of(&[Role::Regular], old.container_statuses.as_ref());
    let mut ephemeral = of(
        &[Role::Ephemeral],
        old.ephemeral_container_statuses.as_ref(),
    );
    for list in [&mut regular, &mut ephemeral].into_iter().flatten() {
        list.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let host_network = super::roles::spec(inputs.pod).host_network == Some(true);
    let ip = inputs
        .sandbox
        .and_then(|sandbox| sandbox.ip)
        .map(|ip| ip.to_string());
    let ip = if host_network {
        Some(inputs.host_ip.to_owned())
    } else {
        ip.or_else(|| old.pod_ip.clone())
    };
    let mut status = PodStatus {
        init_container_statuses: init,
        container_statuses: regular,
        ephemeral_container_statuses: ephemeral,
        host_ip: Some(inputs.host_ip.to_owned()),
        host_ips: Some(vec![k8s_openapi::api::core::v1::HostIP {
            ip: inputs.host_ip.to_owned(),
        }]),
        pod_ips: ip
            .clone()
            .map(|ip| vec![k8s_openapi::api::core::v1::PodIP { ip }]),
        pod_ip: ip,
        start_time: old.start_time.clone().or(Some(Time(inputs.now))),
        observed_generation: inputs.pod.metadata.generation,
        resources: Some(ResourceRequirements::default()),
        ..old
    };
    super::phase::complete(inputs, &mut status);
    status
}

fn previous<'a>(old: Option<&'a Vec<ContainerStatus>>, name: &str) -> Option<&'a ContainerStatus> {
    old?.iter().find(|status| status.name == name)
}

fn container_status(
    inputs: &Inputs<'_>,
    container: &Spec,
    old: Option<&ContainerStatus>,
) -> ContainerStatus {
    let mut status = match inputs.records.newest(container.name()) {
        Some(record) => recorded(inputs, container, record, old),
        None => unrecorded(inputs, container, old),
    };
    if let Some(waiting) = inputs
        .waiting
        .get(container.name())
        .filter(|_| is_waiting(inputs, container))
    {
        let state = status
            .state
            .take()
            .filter(|state| state.terminated.is_some());
        if state.is_some() {
            status.last_state = state;
        }
        status.state = Some(waiting_state(
            &waiting.reason,
            Some(waiting.message.clone()),
        ));
    }
    readiness(inputs, container, &mut status);
    status
}

/// A container that is to be (re)started shows why it is not, instead of how it ended.
fn is_waiting(inputs: &Inputs<'_>, container: &Spec) -> bool {
    !inputs.terminating && should_start(inputs.pod, container, inputs.records)
}

fn recorded(
    inputs: &Inputs<'_>,
    container: &Spec,
    record: &Record,
    old: Option<&ContainerStatus>,
) -> ContainerStatus {
    let last = inputs
        .records
        .before(container.name())
        .and_then(|before| ended_before(inputs, before));
    let last = last.or_else(|| {
        old.and_then(|old| old.last_state.clone())
            .and_then(|state| state.terminated)
    });
    let ephemeral = container.role == Role::Ephemeral;
    ContainerStatus {
        name: container.name().to_owned(),
        image: record.image_ref.clone(),
        image_id: record.image_id.clone(),
        container_id: Some(full_id(inputs, record)),
        state: Some(state(inputs, container, record, old)),
        last_state: Some(ContainerState {
            terminated: last.filter(|_| !ephemeral),
            ..ContainerState::default()
        }),
        restart_count: i32::try_from(record.config.attempt).unwrap_or(i32::MAX),
        resources: Some(container.container.resources.clone().unwrap_or_default()),
        allocated_resources: container
            .container
            .resources
            .as_ref()
            .and_then(|r| r.requests.clone()),
        user: shown_user(&record.config.security).map(|(uid, gid, groups)| ContainerUser {
            linux: Some(LinuxContainerUser {
                uid,
                gid,
                supplemental_groups: Some(groups),
            }),
        }),
        volume_mounts: mounts(container),
        ..ContainerStatus::default()
    }
}

fn state(
    inputs: &Inputs<'_>,
    container: &Spec,
    record: &Record,
    old: Option<&ContainerStatus>,
) -> ContainerState {
    match &record.state {
        Run::Running { started_at } => ContainerState {
            running: Some(ContainerStateRunning {
                started_at: Some(Time(*started_at)),
            }),
            ..ContainerState::default()
        },
        Run::Exited(_) => ContainerState {
            terminated: terminated(inputs, record),
            ..ContainerState::default()
        },
        Run::Unknown => ContainerState {
            terminated: Some(lost(
                "The container could not be located when the pod was terminated",
                old,
            )),
            ..ContainerState::default()
        },
        Run::Created => default_waiting(inputs, container),
    }
}

fn terminated(inputs: &Inputs<'_>, record: &Record) -> Option<ContainerStateTerminated> {
    let exit = exit(record)?;
    let said = if exit.message.is_empty() {
        inputs.messages.get(&record.id).cloned()
    } else {
        Some(exit.message.clone())
    };
    Some(ContainerStateTerminated {
        container_id: Some(full_id(inputs, record)),
        exit_code: exit.code,
        reason: Some(reason(exit)),
        message: said.filter(|text| !text.is_empty()),
        // A container that never ran shows the epoch, as a kubelet does.
        started_at: Some(Time(exit.started_at.unwrap_or(Timestamp::UNIX_EPOCH))),
        finished_at: Some(Time(exit.finished_at)),
        signal: None,
    })
}

/// How an earlier attempt ended; one of which nobody can say it is told as lost.
fn ended_before(inputs: &Inputs<'_>, before: &Record) -> Option<ContainerStateTerminated> {
    if before.state != Run::Unknown {
        return terminated(inputs, before);
    }
    let message = "The container could not be located when the pod was terminated";
    Some(ContainerStateTerminated {
        container_id: Some(full_id(inputs, before)),
        ..lost(message, None)
    })
}

fn reason(exit: &Exit) -> String {
    match (exit.reason.as_str(), exit.code) {
        ("", 0) => "Completed".to_owned(),
        ("", _) => "Error".to_owned(),
        (reason, _) => reason.to_owned(),
    }
}

/// A container that ran and of which nobody can say how it ended.
fn lost(message: &str, old: Option<&ContainerStatus>) -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: 137,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some(message.to_owned()),
        container_id: old.and_then(|old| old.container_id.clone()),
        ..ContainerStateTerminated::default()
    }
}

/// No record: not started yet, or the record went missing, which is said.
fn unrecorded(
    inputs: &Inputs<'_>,
    container: &Spec,
    old: Option<&ContainerStatus>,
) -> ContainerStatus {
    let old_state = old.and_then(|old| old.state.clone()).unwrap_or_default();
    if let (Some(old), true) = (old, old_state.terminated.is_some()) {
        return old.clone();
    }
    let mut status = ContainerStatus {
        name: container.name().to_owned(),
        image: container.container.image.clone().unwrap_or_default(),
        state: Some(default_waiting(inputs, container)),
        last_state: Some(
            old.and_then(|old| old.last_state.clone())
                .unwrap_or_default(),
        ),
        restart_count: old.map_or(0, |old| old.restart_count),
        volume_mounts: mounts(container),
        ..ContainerStatus::default()
    };
    if old_state.running.is_some() {
        let message = "The container could not be located when the pod was deleted.  The container used to be Running";
        let gone = ContainerState {
            terminated: Some(lost(message, old)),
            ..ContainerState::default()
        };
        if container.role == Role::Ephemeral || inputs.terminating {
            status.state = Some(gone);
        } else {
            status.last_state = Some(gone);
            status.restart_count += 1;
        }
    }
    status
}

fn default_waiting(inputs: &Inputs<'_>, _container: &Spec) -> ContainerState {
    let has_init = inputs
        .containers
        .iter()
        .any(|c| matches!(c.role, Role::Init | Role::Sidecar));
    waiting_state(
        if has_init {
            "PodInitializing"
        } else {
            "ContainerCreating"
        },
        None,
    )
}

fn waiting_state(reason: &str, message: Option<String>) -> ContainerState {
    let message = message.filter(|text| !text.is_empty());
    ContainerState {
        waiting: Some(ContainerStateWaiting {
            reason: Some(reason.to_owned()),
            message,
        }),
        ..ContainerState::default()
    }
}

/// `ready` and `started`; an ephemeral container has neither (EC-K-61).
fn readiness(inputs: &Inputs<'_>, container: &Spec, status: &mut ContainerStatus) {
    let running = inputs
        .records
        .newest(container.name())
        .is_some_and(is_running);
    let started = running && !inputs.starting.contains(container.name());
    match container.role {
        Role::Ephemeral => return,
        Role::Init => {
            let done = status
                .state
                .as_ref()
                .and_then(|state| state.terminated.as_ref());
            status.ready = done.is_some_and(|end| end.exit_code == 0);
        }
        Role::Regular | Role::Sidecar => {
            status.ready = started && !inputs.unready.contains(container.name());
        }
    }
    status.started = Some(started);
}

fn full_id(inputs: &Inputs<'_>, record: &Record) -> String {
    format!("{}://{}", inputs.scheme, record.id)
}

fn mounts(container: &Spec) -> Option<Vec<VolumeMountStatus>> {
    let mounts = container
        .container
        .volume_mounts
        .as_ref()
        .filter(|mounts| !mounts.is_empty())?;
    let shown = mounts.iter().map(|mount| {
        let read_only = mount.read_only.filter(|&read_only| read_only);
        VolumeMountStatus {
            name: mount.name.clone(),
            mount_path: mount.mount_path.clone(),
            read_only,
            recursive_read_only: read_only.map(|_| "Disabled".to_owned()),
            ..VolumeMountStatus::default()
        }
    });
    Some(shown.collect())
}
