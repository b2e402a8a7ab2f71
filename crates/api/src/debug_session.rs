//! `DebugSession`: one visit, from ask to close.

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::session_status::DebugSessionStatus;
use crate::user::Stamp;

/// One visit. Immutable once asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "ephemera.dev",
    version = "v1alpha1",
    kind = "DebugSession",
    namespaced,
    status = "DebugSessionStatus",
    shortname = "dsess",
    category = "ephemera",
    derive = "PartialEq",
    doc = "One debug visit to one Pod, from the ask to the close."
)]
#[serde(rename_all = "camelCase")]
pub struct DebugSessionSpec {
    /// The Pod to be visited.
    pub pod: PodTarget,
    /// In which way. Left out: `Ephemeral`.
    #[serde(default)]
    pub mode: Mode,
    /// A `v1.EphemeralContainer`; its name is replaced by the visit's handle.
    #[schemars(schema_with = "any_object")]
    pub container: Value,
    /// Who is to add the container once it is approved. Left out: `Controller`.
    #[serde(default)]
    pub injection: Injection,
    /// Why, in the person's own words.
    pub reason: String,
    /// The incident's ticket.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ticket: String,
    /// What was looked at first and fell short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<Checked>,
    /// How long the visit may last, in seconds. Left out: 900.
    #[serde(default = "default_duration")]
    pub duration_seconds: i64,
    /// Who asks. The webhook stamps it from the request's `userInfo`; leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Stamp>,
}

/// A Pod of the session's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodTarget {
    /// Its name.
    pub name: String,
    /// Its UID. The webhook stamps it; if it is given it must be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// In which way a visit reaches its Pod.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
pub enum Mode {
    /// An ephemeral container in the running Pod.
    #[default]
    Ephemeral,
    /// A copy of the Pod. Not served yet.
    Copy,
    /// A Pod on a node. Not served yet.
    Node,
    /// Facts printed by an inspector. Not served yet.
    Inspect,
}

/// Who adds the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Injection {
    /// The controller.
    #[default]
    Controller,
    /// The person who asks, with plain `kubectl debug`.
    Requester,
}

/// A place to look before somebody enters a Pod.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    /// Container logs.
    Logs,
    /// Metrics.
    Metrics,
    /// Traces.
    Traces,
    /// Kubernetes Events.
    Events,
    /// The API server's audit log.
    Audit,
}

/// A place that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Where.
    pub surface: Surface,
    /// What was missing there.
    pub fell_short: String,
}

fn default_duration() -> i64 {
    crate::DEFAULT_DURATION_SECONDS
}

/// An object whose fields are all kept: what is not known here must still be seen by approvers.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
