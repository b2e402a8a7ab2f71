//! An exposure in a few sentences for people.

use super::{Exposure, Kind, OpenedBy, Scope};

pub(super) fn of(exposure: &Exposure) -> Vec<String> {
    let mut said = vec![processes(exposure)];
    if exposure.privileged {
        said.push("It is privileged: the node and everything on it is within reach.".into());
    }
    said.push(user(exposure));
    if !exposure.added.is_empty() {
        let added: Vec<&str> = exposure.added.iter().map(String::as_str).collect();
        said.push(format!("It adds the capabilities {}.", added.join(", ")));
    }
    let network = if exposure.host_network {
        "It shares the node's network and whatever listens on the node's loopback."
    } else {
        "It shares the Pod's network: its address, its loopback and whatever listens there."
    };
    said.push(network.into());
    if exposure.host_ipc {
        said.push("It shares the node's shared memory.".into());
    }
    said.extend(
        Kind::ALL
            .into_iter()
            .filter_map(|kind| reach(exposure, kind)),
    );
    said
}

fn processes(exposure: &Exposure) -> String {
    let names: Vec<&str> = exposure
        .processes
        .containers
        .iter()
        .map(String::as_str)
        .collect();
    let names = names.join(", ");
    let opened = match exposure.processes.opened_by {
        OpenedBy::Privilege => "whose memory, environment and files it can open",
        OpenedBy::Capability => "whose memory, environment and files it can open (SYS_PTRACE)",
        OpenedBy::SameUser => {
            "whose environment and files it can open where they run as the same user"
        }
    };
    match exposure.processes.scope {
        Scope::Own => "It sees its own processes only.".into(),
        Scope::Target => format!("It sees the processes of container {names}, {opened}."),
        Scope::Pod => format!("It sees the processes of all containers ({names}), {opened}."),
        Scope::Host => format!("It sees every process of the node, {opened}."),
    }
}

fn user(exposure: &Exposure) -> String {
    match (exposure.uid, exposure.not_root) {
        (Some(0), _) => "It runs as root.".into(),
        (Some(uid), _) => format!("It runs as user {uid}."),
        (None, true) => "It runs as the image's user, and not if that is root.".into(),
        (None, false) => "It runs as the image's user, which may be root.".into(),
    }
}

fn reach(exposure: &Exposure, kind: Kind) -> Option<String> {
    let found: Vec<String> = exposure
        .within_reach
        .iter()
        .filter(|reach| reach.kind == kind)
        .map(|reach| format!("{} (through {})", reach.name, reach.through))
        .collect();
    if found.is_empty() {
        return None;
    }
    let what = match kind {
        Kind::Secret => "Secrets",
        Kind::ServiceAccountToken => {
            let found = found.join(", ");
            let account = &exposure.service_account;
            return Some(format!(
                "Within reach: tokens of service account {account} for {found}."
            ));
        }
        Kind::HostPath => "files of the node",
        Kind::PersistentVolumeClaim => "persistent volumes",
        Kind::ConfigMap => "ConfigMaps",
        Kind::Volume => "other volumes",
    };
    Some(format!("Within reach: {what} {}.", found.join(", ")))
}
