//! The record of one session: the account of a governed use, whole.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::Known;

/// Version of the record's JSON.
pub const VERSION: u32 = 1;

/// Everything that is known of one session, and why the rest is not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`VERSION`].
    pub version: u32,
    /// The session's object.
    pub session: Session,
    /// The phase it is in.
    pub phase: String,
    /// Whether anybody entered: only if the container was seen in the Pod.
    pub entered: Known<bool>,
    /// Who asked.
    pub requester: Known<Person>,
    /// For an agent: the human it acts for.
    pub acts_for: Known<String>,
    /// Namespace.
    pub namespace: Known<String>,
    /// The Pod.
    pub pod: Known<Pod>,
    /// Live Pod, copy or node.
    pub mode: Known<String>,
    /// The container whose processes it was to see.
    pub target_container: Known<String>,
    /// The debug container's name.
    pub debug_container: Known<String>,
    /// Its image.
    pub image: Image,
    /// What ran.
    pub command: Known<Vec<String>>,
    /// With which arguments.
    pub arguments: Known<Vec<String>>,
    /// Its terminal, and who was on it.
    pub terminal: Terminal,
    /// The effective security context, Pod-level inheritance resolved.
    pub security_context: Known<Value>,
    /// Its capabilities.
    pub capabilities: Capabilities,
    /// What the visit exposed.
    pub exposure: Known<Value>,
    /// Where it ran.
    pub node: Known<Node>,
    /// Every step with its time.
    pub steps: Vec<Step>,
    /// The way to the approval.
    pub approval: Approval,
    /// The incident's ticket.
    pub ticket: Known<String>,
    /// Why the visit was needed.
    pub reason: Known<String>,
    /// Why logs, metrics, traces, Events and the audit log were not enough.
    pub checked: BTreeMap<String, Known<String>>,
    /// Admission's decision.
    pub admission: Known<Admission>,
    /// When the visit was to be over.
    pub deadline: Known<Timestamp>,
    /// Whether it outlived that.
    pub overstayed: Known<bool>,
    /// How the container ended.
    pub exit: Known<Exit>,
    /// The Pod when the books were closed.
    pub pod_afterwards: Known<PodAfterwards>,
    /// Version of the cluster.
    pub cluster_version: Known<String>,
    /// What RBAC allowed the requester at the time of the ask.
    pub requester_rights: Known<Vec<Right>>,
    /// The API server's audit events of the session.
    pub audit_events: Known<Vec<Value>>,
    /// What was captured before and after.
    pub evidence: Known<Vec<Value>>,
}

/// A session's object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// A person as the API server named them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// User name.
    pub username: String,
    /// The authenticator's identifier; empty where it has none.
    pub uid: String,
    /// Groups.
    pub groups: BTreeSet<String>,
    /// Further facts of the authenticator.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// A Pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pod {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// An image, as asked for and as run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The reference that was asked for.
    pub reference: Known<String>,
    /// The digest in it.
    pub requested_digest: Known<String>,
    /// The digest that ran.
    pub digest_that_ran: Known<String>,
    /// What that is a digest of: runtimes tell that of the manifest, or that of the image's configuration.
    pub digest_kind: Known<String>,
}

/// A terminal and who was on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Terminal {
    /// With standard input.
    pub stdin: Known<bool>,
    /// With a terminal.
    pub tty: Known<bool>,
    /// Everybody who was let on.
    pub attachments: Known<Vec<Attachment>>,
    /// What was recorded.
    pub recording: Known<String>,
}

/// Somebody who was let onto the streams.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Who.
    pub person: Person,
    /// `attach` or `exec`.
    pub door: String,
    /// With standard input.
    pub stdin: bool,
    /// With a terminal.
    pub tty: bool,
    /// For an exec: what.
    pub command: Vec<String>,
    /// When admission let them in.
    pub from: Timestamp,
    /// When they left.
    pub to: Known<Timestamp>,
    /// How many bytes flowed.
    pub bytes: Known<u64>,
    /// Where they are recorded.
    pub recording: Known<String>,
    /// The entry that let them in.
    pub entry: u64,
}

/// Capabilities as asked for and as granted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capabilities {
    /// `add` and `drop` of the ask.
    pub requested: Known<CapabilityLists>,
    /// `add` and `drop` of the container that was granted.
    pub granted: Known<CapabilityLists>,
}

/// Capabilities added and dropped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct CapabilityLists {
    /// Added.
    pub add: Vec<String>,
    /// Dropped.
    pub drop: Vec<String>,
}

/// A node. Empty fields could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Kubelet version.
    pub kubelet: String,
    /// Container runtime.
    pub runtime: String,
    /// Kernel.
    pub kernel: String,
}

/// One step of the session's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When it was recorded.
    pub at: Timestamp,
    /// Index of its entry.
    pub entry: u64,
    /// What happened.
    pub kind: String,
    /// The same in a few words.
    pub summary: String,
}

/// The way to the approval.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// What everybody said yes to.
    pub spec_hash: Known<String>,
    /// Who had to agree.
    pub quorum: Known<Vec<Quorum>>,
    /// Under which policies.
    pub policies: Known<Vec<Policy>>,
    /// What was said, by whom, when.
    pub verdicts: Known<Vec<Verdict>>,
    /// When it was granted, on whose word, and until when it could be used.
    pub grant: Known<Grant>,
    /// Whether somebody besides our own webhook saw who approved: an impersonated approver looks real to it,
    /// and only the API server's audit event names who impersonated.
    pub independently_confirmed: Known<bool>,
}

/// So many people of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quorum {
    /// Group.
    pub group: String,
    /// How many.
    pub count: u32,
}

/// A policy as it stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Generation.
    pub generation: i64,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Who.
    pub approver: Person,
    /// `Approve` or `Deny`.
    pub verdict: String,
    /// When.
    pub at: Timestamp,
    /// In their own words.
    pub comment: String,
    /// UID of the `DebugApproval`.
    pub uid: String,
    /// The entry that recorded it.
    pub entry: u64,
}

/// A grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// When.
    pub at: Timestamp,
    /// User names of those whose word made it.
    pub on_the_word_of: Vec<String>,
    /// Until when it could be used.
    pub use_until: Timestamp,
}

/// Admission's decision on the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Admission {
    /// What became of its promise: `Reserved`, `Committed` or `Void`.
    pub reservation: String,
    /// When it promised.
    pub at: Timestamp,
    /// Who sent the request.
    pub by: Person,
    /// Container name.
    pub container: String,
    /// Pod UID.
    pub pod_uid: String,
    /// Why it is void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub void_because: Option<String>,
}

/// How the container ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Exit {
    /// Exit code.
    pub code: Known<i32>,
    /// Kubernetes' reason.
    pub reason: String,
    /// Message, if any.
    pub message: String,
    /// When.
    pub at: Known<Timestamp>,
}

/// The Pod when the books were closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodAfterwards {
    /// Its phase; `Gone` if it no longer was.
    pub phase: String,
    /// Its `resourceVersion`.
    pub resource_version: String,
}

/// One answer of a `SubjectAccessReview`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Right {
    /// Verb.
    pub verb: String,
    /// Resource.
    pub resource: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// The authorizer's reason.
    pub reason: String,
}
