//! `DebugPolicy`: who may ask what of which Pods, and on which terms.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::debug_session::{Mode, Surface};

/// Who may ask what of which Pods, and on which terms.
///
/// One `Allow` policy that names the person must be satisfied whole, and so must every `Guard` that matches
/// the Pod; if no `Allow` does, the answer is no. A field that is left out is the strict reading.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema, CustomResource)]
#[kube(
    group = "ephemera.dev",
    version = "v1alpha1",
    kind = "DebugPolicy",
    plural = "debugpolicies",
    shortname = "dpol",
    category = "ephemera",
    derive = "PartialEq",
    doc = "Who may ask for which debug visits to which Pods, and on which terms."
)]
#[serde(rename_all = "camelCase", default)]
pub struct DebugPolicySpec {
    /// `Allow` opens; `Guard` opens nothing and must be satisfied besides.
    pub effect: Effect,
    /// Where it matches.
    #[serde(rename = "match")]
    pub matches: Match,
    /// What the debug container may be.
    pub container: ContainerRules,
    /// What the ask must say.
    pub request: RequestRules,
    /// Who must agree.
    pub approval: ApprovalRules,
    /// What is kept of the terminal.
    pub recording: RecordingRules,
}

/// What a policy does where it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Effect {
    /// One such policy must name the person and be satisfied whole.
    #[default]
    Allow,
    /// Every such policy that matches the Pod must be satisfied whole.
    Guard,
}

/// Where a policy matches.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Match {
    /// Namespaces by their labels. Left out: none; `{}`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Pods by their labels. Left out: none; `{}`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<LabelSelector>,
    /// The people it is about. Left out: nobody for an `Allow`, everybody for a `Guard`.
    pub subjects: Subjects,
    /// Ways of visiting. Left out: `Ephemeral` for an `Allow`, all for a `Guard`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modes: Vec<Mode>,
}

/// People by name or group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Subjects {
    /// User names as the API server knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Group names as the API server knows them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// What the debug container may be. In patterns `*` is any run of characters but `/`, `**` any run at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one permission each, as the object's fields have them"
)]
pub struct ContainerRules {
    /// Patterns of image references that may run. A pattern without `@` is held against the reference without
    /// its digest. Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// The image must name its digest (`…@sha256:…`). Left out: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_digest: Option<bool>,
    /// Patterns of container names whose processes it may see (`targetContainerName`). Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// It may have no target. Left out: no.
    pub allow_no_target: bool,
    /// Capabilities that may be added; `ALL` stands for each of them. Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// It may be privileged. Left out: no.
    pub privileged: bool,
    /// As whom it may run. Left out: `NonRoot`.
    pub user: UserRule,
    /// It may gain rights it did not start with. Left out: no, and the container must say
    /// `allowPrivilegeEscalation: false`, as the profile `restricted` does.
    pub allow_privilege_escalation: bool,
    /// Capabilities that it must drop. Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub required_drop_capabilities: Vec<String>,
    /// Seccomp profiles that it may have, also by inheritance from the Pod, besides `RuntimeDefault` and none
    /// said: `Unconfined`, `Localhost/PATH` (a pattern). Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seccomp_profiles: Vec<String>,
    /// AppArmor profiles that it may have, also by inheritance from the Pod, besides `RuntimeDefault` and none
    /// said: `Unconfined`, `Localhost/NAME` (a pattern). Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub app_armor_profiles: Vec<String>,
    /// Patterns of SELinux types that it may have, also by inheritance from the Pod, besides those that Pod
    /// Security's `baseline` accepts. Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub se_linux_types: Vec<String>,
    /// It may have `procMount: Unmasked`. Left out: no.
    pub unmasked_proc: bool,
    /// It must have `readOnlyRootFilesystem: true`. Left out: no, since that filesystem is its own.
    pub require_read_only_root_filesystem: bool,
    /// Command lines that it may run, `command` and `args` together. Left out: any, since the approver sees it and
    /// the approval is of exactly that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<CommandRule>>,
    /// Patterns of variables that it may set, wherever their values are from. Left out: any, or, with `commands`,
    /// none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// Patterns of Secret names whose values may be in its environment. Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from_secrets: Vec<String>,
    /// Patterns of ConfigMap names whose values may be in its environment. Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env_from_config_maps: Vec<String>,
    /// Patterns of volume names that it may mount. Left out: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<String>,
    /// It may have a terminal. Left out: no.
    pub tty: bool,
    /// It may read from whoever attaches. Left out: yes, since what reads is the command, and the approval is of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<bool>,
}

/// One command line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CommandRule {
    /// A pattern for each word; `**` as the last one is any further words, or none. `[]`: the image's own command.
    pub argv: Vec<String>,
}

/// As whom a container may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum UserRule {
    /// Certainly not as root.
    #[default]
    NonRoot,
    /// As anybody, root included.
    Any,
}

/// What the ask must say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RequestRules {
    /// The reason.
    pub reason: ReasonRule,
    /// The ticket. Left out: there may be none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<TicketRule>,
    /// Places that must have been looked at first, and found wanting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<Surface>,
    /// The longest visit, in seconds. Left out: 900.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration_seconds: Option<i64>,
}

/// What the reason must be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReasonRule {
    /// The fewest characters. Left out: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_length: Option<i64>,
}

/// What the ticket must be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketRule {
    /// A regular expression (RE2's syntax) that the whole ticket must match.
    pub pattern: String,
}

/// Who must agree. Neither `quorum` nor `none`: nobody can, and the answer is no.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalRules {
    /// So many different people of each group, none of them the one who asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quorum: Vec<Quorum>,
    /// How long an ask waits and an approval counts, in seconds. Left out: 900.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_seconds: Option<i64>,
    /// `AutoApprove`: nobody need agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<NoApproval>,
}

/// So many people of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quorum {
    /// Group name.
    pub group: String,
    /// How many. Left out: 1.
    #[serde(default = "one")]
    pub count: i64,
}

fn one() -> i64 {
    1
}

/// That nobody need agree, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NoApproval {
    /// Granted as soon as every rule is met.
    AutoApprove,
}

/// What is kept of the terminal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RecordingRules {
    /// How much. Left out: `Output`.
    pub mode: RecordingMode,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum RecordingMode {
    /// Input, output and each person on a stream of their own.
    Required,
    /// The terminal's output, as the kubelet keeps it.
    #[default]
    Output,
    /// Nothing.
    Off,
}
