//! What is to be done for a Pod next, from its spec and the runtime's records alone
//! (`kuberuntime_manager.go: computePodActions`). No IO, no clock.

use std::collections::BTreeSet;

use cluster_sandbox::runtime::ContainerState;
use k8s_openapi::api::core::v1::Pod;

use super::records::{Records, exit, is_running};
use super::roles::{Role, Spec, spec};

/// What is known when the next step is chosen.
pub struct Facts<'a> {
    /// The Pod as the API has it.
    pub pod: &'a Pod,
    /// Its containers.
    pub containers: &'a [Spec],
    /// What the runtime remembers.
    pub records: &'a Records,
    /// Ephemeral containers that the API reports as having run. One of these without a record was lost, and is
    /// not started a second time.
    pub seen: &'a BTreeSet<String>,
    /// Containers whose startup probe has not succeeded yet.
    pub starting: &'a BTreeSet<String>,
}

/// The next step.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// All regular containers have ended for good, or initialization failed for good: what still runs is to be
    /// killed, and nothing more is started.
    pub finished: bool,
    /// Containers to start now, in order, by their index in [`Facts::containers`]; ephemeral ones first.
    pub start: Vec<usize>,
}

/// Chooses the next step.
pub fn plan(facts: &Facts<'_>) -> Plan {
    if is_finished(facts) {
        return Plan {
            finished: true,
            start: Vec::new(),
        };
    }
    let mut start = ephemeral(facts);
    match initialization(facts) {
        Some(next) => start.extend(next),
        None => start.extend(regular(facts)),
    }
    Plan {
        finished: false,
        start,
    }
}

fn of_role<'a>(facts: &'a Facts<'_>, roles: &'a [Role]) -> impl Iterator<Item = (usize, &'a Spec)> {
    facts
        .containers
        .iter()
        .enumerate()
        .filter(move |(_, spec)| roles.contains(&spec.role))
}

/// An ephemeral container is started if no record of it exists, and never again (EC-K-01, EC-K-02).
fn ephemeral(facts: &Facts<'_>) -> Vec<usize> {
    let unknown = |spec: &Spec| {
        facts.records.newest(spec.name()).is_none() && !facts.seen.contains(spec.name())
    };
    of_role(facts, &[Role::Ephemeral])
        .filter(|(_, spec)| unknown(spec))
        .map(|(index, _)| index)
        .collect()
}

/// The restart policy of a container: its own, else the Pod's.
pub fn restart_policy<'a>(pod: &'a Pod, container: &'a Spec) -> &'a str {
    let own = container.container.restart_policy.as_deref();
    let pods = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.restart_policy.as_deref());
    own.or(pods).unwrap_or("Always")
}

/// Whether a container is to be made (again), back-off apart (`ShouldContainerBeRestarted`).
pub fn should_start(pod: &Pod, container: &Spec, records: &Records) -> bool {
    let Some(record) = records.newest(container.name()) else {
        return true;
    };
    match &record.state {
        ContainerState::Running { .. } => false,
        ContainerState::Created | ContainerState::Unknown => true,
        ContainerState::Exited(exit) => match (container.role, restart_policy(pod, container)) {
            (Role::Sidecar, _) => true,
            (_, "Never") => false,
            (Role::Init, _) | (_, "OnFailure") => exit.code != 0,
            _ => true,
        },
    }
}

fn failed_for_good(facts: &Facts<'_>, container: &Spec) -> bool {
    let exit = facts.records.newest(container.name()).and_then(exit);
    exit.is_some_and(|exit| exit.code != 0) && !should_start(facts.pod, container, facts.records)
}

fn is_finished(facts: &Facts<'_>) -> bool {
    if of_role(facts, &[Role::Init]).any(|(_, spec)| failed_for_good(facts, spec)) {
        return !of_role(facts, &[Role::Regular])
            .any(|(_, c)| facts.records.newest(c.name()).is_some_and(is_running));
    }
    let ended = |c: &Spec| {
        let record = facts.records.newest(c.name());
        record.is_some_and(|r| exit(r).is_some()) && !should_start(facts.pod, c, facts.records)
    };
    let mut regular = of_role(facts, &[Role::Regular]).peekable();
    regular.peek().is_some() && regular.all(|(_, c)| ended(c))
}

/// The init container to start next; `Some` of nothing while one runs; `None` once all are done.
fn initialization(facts: &Facts<'_>) -> Option<Vec<usize>> {
    let any_regular =
        of_role(facts, &[Role::Regular]).any(|(_, c)| facts.records.newest(c.name()).is_some());
    let mut start = Vec::new();
    for (index, container) in of_role(facts, &[Role::Init, Role::Sidecar]) {
        let record = facts.records.newest(container.name());
        let running = record.is_some_and(is_running);
        match container.role {
            Role::Sidecar if running && !facts.starting.contains(container.name()) => {}
            Role::Sidecar if running => return (!any_regular).then_some(start),
            Role::Sidecar => {
                start.push(index);
                // Later containers wait until this one has started.
                if !any_regular {
                    return Some(start);
                }
            }
            _ if any_regular || record.and_then(exit).is_some_and(|exit| exit.code == 0) => {}
            _ if running => return Some(start),
            _ => {
                start.push(index);
                return Some(start);
            }
        }
    }
    if any_regular && !start.is_empty() {
        start.extend(regular(facts));
        return Some(start);
    }
    None
}

fn regular(facts: &Facts<'_>) -> Vec<usize> {
    let due = |c: &Spec| should_start(facts.pod, c, facts.records);
    of_role(facts, &[Role::Regular])
        .filter(|(_, c)| due(c))
        .map(|(index, _)| index)
        .collect()
}

/// Whether the Pod may start containers at all: its phase is not final and it is not being deleted.
pub fn is_active(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    pod.metadata.deletion_timestamp.is_none() && !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether the PID namespaces of the Pod's containers are their own, so that a target can be joined (EC-K-32).
pub fn has_container_pid_namespaces(pod: &Pod) -> bool {
    let spec = spec(pod);
    spec.share_process_namespace != Some(true) && spec.host_pid != Some(true)
}
