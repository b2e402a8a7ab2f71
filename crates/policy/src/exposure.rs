//! What a visit would bring within reach of the visitor.
//!
//! Read from the Pod's spec alone, never its status, and without the debug containers that may be in it:
//! so the same ask exposes the same before and after it was let in. Secrets and ConfigMaps are told by
//! name, never by value.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use session::Container;
use session::spec_hash::canonical;
use sha2::{Digest, Sha256};

use crate::security::{User, capabilities, effective, is_true};

mod reach;
pub use reach::{Kind, Reach};
pub(crate) use reach::{containers, items, name};

mod sentences;

/// What a visit would expose.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts of a Pod's spec, independent of each other"
)]
pub struct Exposure {
    /// Whose processes the visitor sees.
    pub processes: Processes,
    /// Capabilities added.
    pub added: BTreeSet<String>,
    /// Capabilities dropped.
    pub dropped: BTreeSet<String>,
    /// Whether it is privileged: then the node itself is within reach.
    pub privileged: bool,
    /// The uid, if Pod or container say.
    pub uid: Option<i64>,
    /// Whether it is certain not to be root.
    pub not_root: bool,
    /// Whether the network is the node's; otherwise the Pod's, with all that listens on its loopback.
    pub host_network: bool,
    /// Whether System V and POSIX shared memory are the node's; otherwise the Pod's.
    pub host_ipc: bool,
    /// The Pod's service account.
    pub service_account: String,
    /// Credentials, configuration and files within reach, and through what.
    pub within_reach: BTreeSet<Reach>,
}

/// Whose processes are seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processes {
    /// How far.
    pub scope: Scope,
    /// The Pod's containers whose processes are among them.
    pub containers: BTreeSet<String>,
    /// What opens their environment and files (`/proc/PID/environ`, `/proc/PID/root`).
    pub opened_by: OpenedBy,
}

/// How far a PID namespace reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Its own processes only.
    Own,
    /// Those of the target container as well.
    Target,
    /// Those of the whole Pod (`shareProcessNamespace`).
    Pod,
    /// Those of the whole node (`hostPID`).
    Host,
}

impl Scope {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "Own",
            Self::Target => "Target",
            Self::Pod => "Pod",
            Self::Host => "Host",
        }
    }
}

/// What lets a process look into another of the same PID namespace (`ptrace(2)`, access mode checks).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedBy {
    /// It is privileged.
    Privilege,
    /// It has `SYS_PTRACE` or more.
    Capability,
    /// Only that both run as the same user.
    SameUser,
}

impl OpenedBy {
    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Privilege => "Privilege",
            Self::Capability => "Capability",
            Self::SameUser => "SameUser",
        }
    }
}

/// What `container` would expose in `pod`.
pub fn exposure(pod: &Value, container: &Container) -> Exposure {
    let spec = &pod["spec"];
    let context = effective(pod, container);
    let user = User::of(&context);
    let privileged = context["privileged"] == json!(true);
    let added = capabilities(container, "add");
    let processes = processes(spec, container, &added, privileged);
    let account = spec["serviceAccountName"].as_str();
    Exposure {
        within_reach: reach::within(spec, container, &processes),
        processes,
        dropped: capabilities(container, "drop"),
        added,
        privileged,
        uid: user.uid,
        not_root: user.is_certainly_not_root(),
        host_network: is_true(spec, "hostNetwork"),
        host_ipc: is_true(spec, "hostIPC"),
        service_account: account.unwrap_or("default").to_owned(),
    }
}

fn processes(
    spec: &Value,
    container: &Container,
    added: &BTreeSet<String>,
    privileged: bool,
) -> Processes {
    let scope = if is_true(spec, "hostPID") {
        Scope::Host
    } else if is_true(spec, "shareProcessNamespace") {
        Scope::Pod
    } else if container.target().is_some() {
        Scope::Target
    } else {
        Scope::Own
    };
    let containers = match scope {
        Scope::Own => BTreeSet::new(),
        Scope::Target => container.target().map(str::to_owned).into_iter().collect(),
        Scope::Pod | Scope::Host => reach::containers(spec).map(reach::name).collect(),
    };
    let opens = ["ALL", "SYS_PTRACE", "SYS_ADMIN"];
    let opened_by = if privileged {
        OpenedBy::Privilege
    } else if opens.iter().any(|c| added.contains(*c)) {
        OpenedBy::Capability
    } else {
        OpenedBy::SameUser
    };
    Processes {
        scope,
        containers,
        opened_by,
    }
}

impl Exposure {
    /// The document that approvers read and hashes bind.
    pub fn to_json(&self) -> Value {
        let reach: Vec<Value> = self.within_reach.iter().map(Reach::to_json).collect();
        json!({
            "processes": {
                "scope": self.processes.scope.as_str(),
                "containers": self.processes.containers,
                "openedBy": self.processes.opened_by.as_str(),
            },
            "capabilities": {"add": self.added, "drop": self.dropped},
            "privileged": self.privileged,
            "user": {"uid": self.uid, "certainlyNotRoot": self.not_root},
            "network": if self.host_network { "Host" } else { "Pod" },
            "ipc": if self.host_ipc { "Host" } else { "Pod" },
            "serviceAccount": self.service_account,
            "withinReach": reach,
            "inWords": self.sentences(),
        })
    }

    /// `sha256:` and the digest of the document's canonical JSON.
    pub fn digest(&self) -> String {
        let bytes = canonical(&self.to_json());
        format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
    }

    /// The same in a few sentences for people.
    pub fn sentences(&self) -> Vec<String> {
        sentences::of(self)
    }
}
