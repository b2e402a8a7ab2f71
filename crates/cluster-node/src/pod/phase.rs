//! Phase and conditions of a Pod from its container statuses (`kubelet_pods.go: getPhase`,
//! `pkg/kubelet/status/generate.go`). Ephemeral containers do not count (EC-K-63).

use k8s_openapi::api::core::v1::{ContainerStatus, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::records::Records;
use super::roles::{Role, Spec};
use super::status::Inputs;

/// Fills in phase and conditions.
pub fn complete(inputs: &Inputs<'_>, status: &mut PodStatus) {
    let old = inputs
        .pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Pending");
    let phase = match phase(inputs, status) {
        // What has ended does not come back.
        _ if matches!(old, "Succeeded" | "Failed") => old,
        // A Pod is not over while any of its containers runs.
        "Succeeded" | "Failed" if has_running(inputs.records) => old,
        phase => phase,
    };
    status.phase = Some(phase.to_owned());
    let conditions = [
        ready_to_start(inputs),
        initialized(inputs, status, phase),
        ready("Ready", inputs, status, phase),
        ready("ContainersReady", inputs, status, phase),
    ];
    let mut out: Vec<PodCondition> = conditions
        .into_iter()
        .map(|new| stamped(inputs, new))
        .collect();
    let others = inputs
        .pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    for other in others.filter(|other| !OWNED.contains(&other.type_.as_str())) {
        out.push(PodCondition {
            observed_generation: inputs.pod.metadata.generation,
            ..other.clone()
        });
    }
    if !out
        .iter()
        .any(|condition| condition.type_ == "PodScheduled")
    {
        out.push(stamped(inputs, condition("PodScheduled", Ok(()))));
    }
    status.conditions = Some(out);
}

const OWNED: [&str; 4] = [
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
];

fn has_running(records: &Records) -> bool {
    records.running().next().is_some()
}

fn phase(inputs: &Inputs<'_>, status: &PodStatus) -> &'static str {
    let spec = super::roles::spec(inputs.pod);
    let policy = spec.restart_policy.as_deref().unwrap_or("Always");
    let init = init_count(inputs, status);
    if init.failed > 0 && (policy == "Never" || inputs.terminating) {
        return "Failed";
    }
    let count = regular_count(status);
    if init.pending > 0 || count.waiting > 0 {
        return if inputs.terminating && count.stopped > 0 && init.pending == 0 {
            "Failed"
        } else {
            "Pending"
        };
    }
    match (count.running, count.stopped) {
        (1.., _) => "Running",
        (_, 1..) if inputs.terminating || policy != "Always" => {
            let all_well = count.stopped == count.succeeded;
            match policy {
                _ if all_well => "Succeeded",
                "OnFailure" if !inputs.terminating => "Running",
                _ => "Failed",
            }
        }
        (_, 1..) => "Running",
        _ => "Pending",
    }
}

#[derive(Default)]
struct Count {
    running: usize,
    waiting: usize,
    stopped: usize,
    succeeded: usize,
}

fn regular_count(status: &PodStatus) -> Count {
    let mut count = Count::default();
    for container in status.container_statuses.iter().flatten() {
        let state = container.state.clone().unwrap_or_default();
        let ended_before = container
            .last_state
            .as_ref()
            .is_some_and(|last| last.terminated.is_some());
        if state.running.is_some() {
            count.running += 1;
        } else if let Some(end) = state.terminated {
            count.stopped += 1;
            count.succeeded += usize::from(end.exit_code == 0);
        } else if ended_before {
            count.stopped += 1;
        } else {
            count.waiting += 1;
        }
    }
    count
}

#[derive(Default)]
struct InitCount {
    pending: usize,
    failed: usize,
}

fn init_count(inputs: &Inputs<'_>, status: &PodStatus) -> InitCount {
    let mut count = InitCount::default();
    if any_regular(inputs) {
        return count;
    }
    for container in status.init_container_statuses.iter().flatten() {
        let sidecar = role(inputs.containers, &container.name) == Some(Role::Sidecar);
        let state = container.state.clone().unwrap_or_default();
        let last = container.last_state.clone().unwrap_or_default();
        match (state.terminated, last.terminated) {
            (Some(end), _) if !sidecar && end.exit_code != 0 => count.failed += 1,
            (Some(_), _) if !sidecar => {}
            (None, Some(end)) if !sidecar && state.waiting.is_some() && end.exit_code != 0 => {
                count.failed += 1;
                count.pending += 1;
            }
            _ if sidecar && container.started == Some(true) => {}
            _ => count.pending += 1,
        }
    }
    // With another policy than Never a failed init container is tried again.
    let spec = super::roles::spec(inputs.pod);
    if spec.restart_policy.as_deref() != Some("Never") {
        count.pending += count.failed;
        if !inputs.terminating {
            count.failed = 0;
        }
    }
    count
}

fn any_regular(inputs: &Inputs<'_>) -> bool {
    let mut regular = inputs
        .containers
        .iter()
        .filter(|container| container.role == Role::Regular);
    regular.any(|container| inputs.records.newest(container.name()).is_some())
}

fn role(containers: &[Spec], name: &str) -> Option<Role> {
    containers
        .iter()
        .find(|container| container.name() == name)
        .map(|container| container.role)
}

/// Why a condition does not hold: reason and message.
type Not = (&'static str, String);

fn condition(type_: &str, holds: Result<(), Not>) -> PodCondition {
    let mut out = PodCondition {
        type_: type_.to_owned(),
        status: "True".to_owned(),
        ..PodCondition::default()
    };
    if let Err((reason, message)) = holds {
        "False".clone_into(&mut out.status);
        out.reason = Some(reason.to_owned()).filter(|reason| !reason.is_empty());
        out.message = Some(message).filter(|message| !message.is_empty());
    }
    out
}

fn ready_to_start(inputs: &Inputs<'_>) -> PodCondition {
    let ready = inputs.sandbox.is_some_and(|sandbox| sandbox.ready);
    condition(
        "PodReadyToStartContainers",
        if ready {
            Ok(())
        } else {
            Err(("", String::new()))
        },
    )
}

fn initialized(inputs: &Inputs<'_>, status: &PodStatus, phase: &str) -> PodCondition {
    if phase == "Succeeded" {
        return PodCondition {
            reason: Some("PodCompleted".to_owned()),
            ..condition("Initialized", Ok(()))
        };
    }
    if any_regular(inputs) {
        return condition("Initialized", Ok(()));
    }
    let done = |c: &&ContainerStatus| match role(inputs.containers, &c.name) {
        Some(Role::Sidecar) => c.started == Some(true),
        _ => c.ready,
    };
    let incomplete = names(
        status
            .init_container_statuses
            .iter()
            .flatten()
            .filter(|c| !done(c)),
    );
    condition(
        "Initialized",
        match incomplete {
            None => Ok(()),
            Some(names) => Err((
                "ContainersNotInitialized",
                format!("containers with incomplete status: {names}"),
            )),
        },
    )
}

fn ready(type_: &str, inputs: &Inputs<'_>, status: &PodStatus, phase: &str) -> PodCondition {
    let sidecars = status.init_container_statuses.iter().flatten();
    let sidecars = sidecars.filter(|c| role(inputs.containers, &c.name) == Some(Role::Sidecar));
    let counted = sidecars.chain(status.container_statuses.iter().flatten());
    let unready = names(counted.filter(|container| !container.ready));
    let gates = || {
        let spec = super::roles::spec(inputs.pod);
        let open = |gate: &str| {
            let conditions = inputs
                .pod
                .status
                .iter()
                .flat_map(|status| status.conditions.iter().flatten());
            conditions
                .into_iter()
                .any(|c| c.type_ == gate && c.status == "True")
        };
        spec.readiness_gates
            .iter()
            .flatten()
            .find(|g| !open(&g.condition_type))
            .map(|g| g.condition_type.clone())
    };
    condition(
        type_,
        match (phase, unready) {
            ("Succeeded", _) => Err(("PodCompleted", String::new())),
            ("Failed", _) => Err(("PodFailed", String::new())),
            (_, Some(names)) => Err((
                "ContainersNotReady",
                format!("containers with unready status: {names}"),
            )),
            (_, None) => match gates().filter(|_| type_ == "Ready") {
                Some(gate) => {
                    let text = format!(
                        "corresponding condition of pod readiness gate {gate:?} does not exist."
                    );
                    Err(("ReadinessGatesNotReady", text))
                }
                None => Ok(()),
            },
        },
    )
}

/// `[a b]`, as Go prints a list; `None` for an empty one.
fn names<'a>(containers: impl Iterator<Item = &'a ContainerStatus>) -> Option<String> {
    let names: Vec<&str> = containers
        .map(|container| container.name.as_str())
        .collect();
    (!names.is_empty()).then(|| format!("[{}]", names.join(" ")))
}

/// Keeps the time of the last change of the condition's status.
fn stamped(inputs: &Inputs<'_>, new: PodCondition) -> PodCondition {
    let mut conditions = inputs
        .pod
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let old = conditions.find(|old| old.type_ == new.type_ && old.status == new.status);
    let since = old
        .and_then(|old| old.last_transition_time.clone())
        .unwrap_or(Time(inputs.now));
    let observed_generation = inputs.pod.metadata.generation;
    PodCondition {
        last_transition_time: Some(since),
        observed_generation,
        ..new
    }
}

/// Puts the conditions that others own, as they are now, beside this node's own.
pub fn take_others(own: &mut PodStatus, theirs: Option<Vec<PodCondition>>) {
    let is_owned = |condition: &PodCondition| OWNED.contains(&condition.type_.as_str());
    let conditions = own
        .conditions
        .take()
        .unwrap_or_default()
        .into_iter()
        .filter(is_owned);
    let others = theirs
        .unwrap_or_default()
        .into_iter()
        .filter(|condition| !is_owned(condition));
    own.conditions = Some(conditions.chain(others).collect());
}
