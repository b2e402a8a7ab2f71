//! What happens to a session. The log of these events is the truth; every object is a projection of it.

use jiff::Timestamp;
use serde_json::Value;

use crate::{Approval, Container, Person, PolicyVersion, Request, SpecHash};

/// One thing that happened. [`crate::step`] says which may follow which.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Somebody asked.
    Requested(Request),
    /// The ask can be met on these terms.
    Proposed(Terms),
    /// An approver gave a verdict.
    Judged(Approval),
    /// The terms are met: the visit may begin.
    Granted(Grant),
    /// Refused, by a rule or by a person.
    Denied(Denial),
    /// Admission is about to allow the container; nobody has entered yet.
    Reserved(Reservation),
    /// The reserved container never came to be in the Pod.
    Voided {
        /// What a live read of the Pod showed.
        why: String,
    },
    /// The container was seen in the Pod: the visit is real.
    Committed(Commit),
    /// The container's process runs.
    Started(Started),
    /// Somebody was let onto the container's streams, or into it.
    Attached(Attachment),
    /// The deadline has passed and the container still runs.
    Overstayed,
    /// The container ended.
    Ended(Exit),
    /// The books are closed; nothing follows.
    Closed(Closing),
    /// The person who asked took it back before it began.
    Withdrawn {
        /// Who.
        by: Person,
    },
    /// Nobody approved in time, or the grant was not used in time.
    Expired {
        /// Which of the two.
        why: String,
    },
    /// The visit could not be carried out.
    Failed {
        /// Why.
        why: String,
    },
    /// The Pod went away before the visit began.
    Lost {
        /// What was last known of it.
        why: String,
    },
}

/// On which terms an ask can be met: everything an approver says yes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The hash that an approval must carry.
    pub spec_hash: SpecHash,
    /// The container as a server-side dry run returned it.
    pub container: Container,
    /// The policies that were satisfied.
    pub policies: Vec<PolicyVersion>,
    /// How many approvers of which groups are needed; none where a policy says so in words.
    pub quorum: Vec<Quorum>,
    /// No approval counts after this.
    pub approve_until: Timestamp,
    /// What the visit would expose, as its JSON document.
    pub exposure: Value,
    /// Digest of that document.
    pub exposure_digest: String,
    /// The container's effective security context, Pod-level inheritance resolved, as JSON.
    pub effective: Value,
    /// What was found around the ask and belongs to the record.
    pub surroundings: Surroundings,
}

/// So many different people of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    /// Group name.
    pub group: String,
    /// How many.
    pub count: u32,
}

/// The cluster at the time of the ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// `gitVersion` of the API server; empty if it could not be read.
    pub cluster_version: String,
    /// What RBAC allowed the requester, by `SubjectAccessReview`.
    pub requester_rights: Vec<Right>,
}

/// One answer of a `SubjectAccessReview`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// Verb.
    pub verb: String,
    /// Resource with subresource, `pods/exec`.
    pub resource: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// The authorizer's reason.
    pub reason: String,
}

/// A visit that may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The terms it was granted on.
    pub spec_hash: SpecHash,
    /// UIDs of the `DebugApproval`s that made the quorum.
    pub approvals: Vec<String>,
    /// It must be used before this.
    pub use_until: Timestamp,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// One sentence per rule or verdict.
    pub why: Vec<String>,
    /// The person who refused, if it was one.
    pub by: Option<Person>,
}

/// Admission's promise to allow one container, made durable before the promise is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The terms.
    pub spec_hash: SpecHash,
    /// Who sends the request: the requester or the controller.
    pub by: Person,
    /// Container name.
    pub container: String,
    /// UID of the Pod.
    pub pod_uid: String,
}

/// The container is in the Pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// `resourceVersion` of the Pod in which it was seen.
    pub resource_version: String,
    /// The visit is to be over by then.
    pub deadline: Timestamp,
}

/// The container runs. Everything here is the node's claim, taken from the Pod's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// When, by the kubelet's clock.
    pub started_at: Timestamp,
    /// Container id.
    pub container_id: String,
    /// Image reference that was resolved.
    pub image: String,
    /// The digest that ran.
    pub image_id: String,
    /// Where.
    pub node: Node,
}

/// A node, from its `status.nodeInfo`; empty fields could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Kubelet version.
    pub kubelet: String,
    /// Container runtime and version.
    pub runtime: String,
    /// Kernel version.
    pub kernel: String,
}

/// In which way somebody reaches a debug container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `pods/attach`.
    Attach,
    /// `pods/exec`.
    Exec,
}

impl Door {
    /// The subresource's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Exec => "exec",
        }
    }
}

/// Admission let somebody onto the container's streams. Whether bytes flowed, it cannot know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Who.
    pub by: Person,
    /// Which way.
    pub door: Door,
    /// With standard input.
    pub stdin: bool,
    /// With a terminal.
    pub tty: bool,
    /// For an exec: what.
    pub command: Vec<String>,
}

/// How the container ended. The node's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; absent when nobody can say.
    pub code: Option<i32>,
    /// Kubernetes' reason: `Completed`, `Error`, `OOMKilled`, …
    pub reason: String,
    /// Message, if any.
    pub message: String,
    /// When, by the kubelet's clock; absent when nobody can say.
    pub finished_at: Option<Timestamp>,
    /// The digest that ran, if the status told it (again).
    pub image_id: String,
}

/// The Pod when the books were closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Its phase; `Gone` if it no longer was.
    pub pod_phase: String,
    /// `resourceVersion` it had; empty if gone.
    pub resource_version: String,
}

impl Event {
    /// The name in entries and messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested(_) => "Requested",
            Self::Proposed(_) => "Proposed",
            Self::Judged(_) => "Judged",
            Self::Granted(_) => "Granted",
            Self::Denied(_) => "Denied",
            Self::Reserved(_) => "Reserved",
            Self::Voided { .. } => "Voided",
            Self::Committed(_) => "Committed",
            Self::Started(_) => "Started",
            Self::Attached(_) => "Attached",
            Self::Overstayed => "Overstayed",
            Self::Ended(_) => "Ended",
            Self::Closed(_) => "Closed",
            Self::Withdrawn { .. } => "Withdrawn",
            Self::Expired { .. } => "Expired",
            Self::Failed { .. } => "Failed",
            Self::Lost { .. } => "Lost",
        }
    }
}
