//! The shapes of an entry's parts. Times are RFC 3339 in UTC, durations whole seconds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! wire {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type),* }
    )*};
}

wire! {
    /// A user, as the API server named them.
    Person {
        /// User name.
        username: String,
        /// The authenticator's identifier; may be empty.
        uid: String,
        /// Groups.
        groups: BTreeSet<String>,
        /// Further facts of the authenticator.
        extra: BTreeMap<String, Vec<String>>,
    }
    /// A session's object.
    SessionId {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// UID.
        uid: String,
    }
    /// A Pod.
    Pod {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// UID.
        uid: String,
    }
    /// A place that was looked at.
    Checked {
        /// `logs`, `metrics`, `traces`, `events` or `audit`.
        surface: String,
        /// Why it was not enough.
        fell_short: String,
    }
    /// An ask.
    Request {
        /// The object.
        session: SessionId,
        /// Who asks.
        requester: Person,
        /// Where.
        pod: Pod,
        /// In which way.
        mode: String,
        /// With what: a `v1.EphemeralContainer`, as written.
        container: Value,
        /// `Controller` or `Requester`.
        injection: String,
        /// Why.
        reason: String,
        /// Ticket; may be empty.
        ticket: String,
        /// What was looked at first.
        checked: Vec<Checked>,
        /// For how long.
        duration_seconds: u64,
    }
    /// A policy as it stood.
    PolicyVersion {
        /// Name.
        name: String,
        /// UID.
        uid: String,
        /// Generation.
        generation: i64,
    }
    /// So many people of one group.
    Quorum {
        /// Group.
        group: String,
        /// How many.
        count: u32,
    }
    /// An answer of a `SubjectAccessReview`.
    Right {
        /// Verb.
        verb: String,
        /// Resource with subresource.
        resource: String,
        /// Whether it was allowed.
        allowed: bool,
        /// The authorizer's reason.
        reason: String,
    }
    /// What was found around the ask.
    Surroundings {
        /// `gitVersion` of the API server.
        cluster_version: String,
        /// The requester's rights.
        requester_rights: Vec<Right>,
    }
    /// On which terms.
    Terms {
        /// `sha256:…`
        spec_hash: String,
        /// The container as a dry run returned it.
        container: Value,
        /// Satisfied policies.
        policies: Vec<PolicyVersion>,
        /// Needed approvals.
        quorum: Vec<Quorum>,
        /// Until when they count.
        approve_until: Timestamp,
        /// What would be exposed.
        exposure: Value,
        /// Digest of that.
        exposure_digest: String,
        /// Effective security context.
        effective: Value,
        /// The cluster at that time.
        surroundings: Surroundings,
    }
    /// A verdict.
    Approval {
        /// UID of the `DebugApproval`.
        uid: String,
        /// Its name.
        name: String,
        /// Who.
        approver: Person,
        /// `Approve` or `Deny`.
        verdict: String,
        /// Of what.
        spec_hash: String,
        /// Their words.
        comment: String,
        /// When.
        at: Timestamp,
    }
    /// A grant.
    Grant {
        /// Of what.
        spec_hash: String,
        /// By which approvals (UIDs).
        approvals: Vec<String>,
        /// Until when it can be used.
        use_until: Timestamp,
    }
    /// A refusal by rule or person.
    Denial {
        /// Sentences.
        why: Vec<String>,
        /// The person, if it was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Person>,
    }
    /// Admission's promise.
    Reservation {
        /// Of what.
        spec_hash: String,
        /// Who sent the request.
        by: Person,
        /// Container name.
        container: String,
        /// Pod UID.
        pod_uid: String,
    }
    /// The container was seen.
    Commit {
        /// `resourceVersion` of the Pod.
        resource_version: String,
        /// The visit's end.
        deadline: Timestamp,
    }
    /// A node.
    Node {
        /// Name.
        name: String,
        /// Kubelet version.
        kubelet: String,
        /// Runtime and version.
        runtime: String,
        /// Kernel version.
        kernel: String,
    }
    /// It runs.
    Started {
        /// Since when.
        started_at: Timestamp,
        /// Container id.
        container_id: String,
        /// Image reference.
        image: String,
        /// The digest that ran, by the node's claim.
        image_id: String,
        /// Where.
        node: Node,
    }
    /// Somebody was let in.
    Attachment {
        /// Who.
        by: Person,
        /// `attach` or `exec`.
        door: String,
        /// With standard input.
        stdin: bool,
        /// With a terminal.
        tty: bool,
        /// For an exec: what.
        command: Vec<String>,
    }
    /// It ended.
    Exit {
        /// Exit code, if anybody can say.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<i32>,
        /// Reason.
        reason: String,
        /// Message.
        message: String,
        /// When, if anybody can say.
        #[serde(skip_serializing_if = "Option::is_none")]
        finished_at: Option<Timestamp>,
        /// The digest that ran.
        image_id: String,
    }
    /// The Pod at the end.
    Closing {
        /// Its phase, or `Gone`.
        pod_phase: String,
        /// Its `resourceVersion`.
        resource_version: String,
    }
    /// An attempt that admission refused.
    Refused {
        /// Who tried.
        by: Person,
        /// Pod namespace.
        namespace: String,
        /// Pod name.
        pod: String,
        /// `ephemeralcontainers`, `attach` or `exec`.
        subresource: String,
        /// Container name, if one was told.
        container: String,
        /// What the person was told.
        why: String,
    }
}
