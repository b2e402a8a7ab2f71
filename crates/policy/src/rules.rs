//! A policy: who may ask what of which Pods, and on which terms.
//!
//! Every `Default` here is the strict reading of a field that was left out: no selector selects nothing;
//! no image, target, capability, Secret or mount; a digest required; not root, no escalation, no
//! terminal; an approver of a named group; fifteen minutes.

use std::collections::BTreeSet;
use std::time::Duration;

use session::event::Quorum;
use session::{Mode, Person, PolicyVersion, Surface};

use crate::{Glob, Selector};

/// How long a visit may last, and an approval be waited for, where a policy does not say.
pub const FIFTEEN_MINUTES: Duration = Duration::from_mins(15);

/// A `DebugPolicy`.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Which one, as it stood when it was read.
    pub version: PolicyVersion,
    /// What it does where it matches.
    pub effect: Effect,
    /// Where it matches.
    pub scope: Scope,
    /// What the container may be.
    pub container: ContainerRules,
    /// What the ask must say.
    pub request: RequestRules,
    /// Who must agree.
    pub approval: ApprovalRules,
    /// What is kept of the terminal.
    pub recording: Recording,
}

/// What a policy does where it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effect {
    /// One such policy must name the person and be satisfied whole.
    #[default]
    Allow,
    /// Every such policy that matches the Pod must be satisfied whole; it opens nothing by itself.
    Guard,
}

impl Effect {
    /// The name in objects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "Allow",
            Self::Guard => "Guard",
        }
    }
}

/// Where a policy matches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Namespaces by their labels; `None` matches none.
    pub namespaces: Option<Selector>,
    /// Pods by their labels; `None` matches none.
    pub pods: Option<Selector>,
    /// User names. For a `Guard` with neither users nor groups: everybody.
    pub users: BTreeSet<String>,
    /// Group names.
    pub groups: BTreeSet<String>,
    /// Ways of visiting. Left out: only `Ephemeral` for an `Allow`, all of them for a `Guard`.
    pub modes: BTreeSet<Mode>,
}

impl Scope {
    /// Whether it names this person.
    pub fn names(&self, person: &Person) -> bool {
        self.users.contains(&person.username) || !self.groups.is_disjoint(&person.groups)
    }
}

/// What the container may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one permission each, independent of the others, all of them refused by default"
)]
pub struct ContainerRules {
    /// Image references that may run. A pattern without `@` is held against the reference without its digest.
    pub images: Vec<Glob>,
    /// An image without a digest is accepted.
    pub allow_without_digest: bool,
    /// Containers of the Pod whose processes it may see.
    pub targets: Vec<Glob>,
    /// It may have no target: it then sees its own processes only (unless the Pod shares them all).
    pub allow_no_target: bool,
    /// Capabilities that may be added, without `CAP_`; `ALL` stands for each.
    pub capabilities: BTreeSet<String>,
    /// It may be privileged.
    pub privileged: bool,
    /// As whom it may run.
    pub user: UserRule,
    /// It may gain more rights than it started with (no `no_new_privs`).
    pub allow_privilege_escalation: bool,
    /// Capabilities that it must drop, without `CAP_`; `ALL` dropped is each of them dropped.
    pub required_drops: BTreeSet<String>,
    /// How it is confined.
    pub confinement: ConfinementRules,
    /// Commands that it may run; `None`: any, since the approver sees it and the hash binds it.
    pub commands: Option<Vec<CommandRule>>,
    /// Variables that it may set, wherever their values are from. `None`: any of them, or, where commands are
    /// named, none: a variable can make one program into another.
    pub env: Option<Vec<Glob>>,
    /// Secrets whose values may be in its environment.
    pub env_from_secrets: Vec<Glob>,
    /// ConfigMaps whose values may be in its environment.
    pub env_from_config_maps: Vec<Glob>,
    /// Volumes of the Pod that it may mount.
    pub volume_mounts: Vec<Glob>,
    /// It may have a terminal.
    pub tty: bool,
    /// It may not read from whoever attaches.
    pub no_stdin: bool,
}

/// How a container is confined: what is looked at is its effective security context, the Pod's included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfinementRules {
    /// Seccomp profiles besides `RuntimeDefault` and none said: `Unconfined`, `Localhost/PATH`.
    pub seccomp_profiles: Vec<Glob>,
    /// AppArmor profiles besides `RuntimeDefault` and none said: `Unconfined`, `Localhost/NAME`.
    pub app_armor_profiles: Vec<Glob>,
    /// SELinux types besides those that Pod Security's `baseline` lets anybody have.
    pub selinux_types: Vec<Glob>,
    /// `/proc` may be unmasked (KEP-4265).
    pub unmasked_proc: bool,
    /// Its root filesystem must be read-only.
    pub read_only_root_filesystem: bool,
}

/// One command line, word by word; no word at all is the image's own command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandRule {
    /// A pattern for each word; `**` as the last one is any further words, or none.
    pub argv: Vec<Glob>,
}

/// As whom a container may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserRule {
    /// Certainly not as root: by uid, or because the kubelet will refuse root (`runAsNonRoot`).
    #[default]
    NonRoot,
    /// As anybody, root included.
    Any,
}

/// What the ask must say.
#[derive(Debug, Clone)]
pub struct RequestRules {
    /// The reason has at least so many characters; never less than one.
    pub reason_min_length: usize,
    /// What the ticket must look like.
    pub ticket: TicketRule,
    /// Places that must have been looked at first.
    pub checked: Vec<Surface>,
    /// The longest visit.
    pub max_duration: Duration,
}

impl Default for RequestRules {
    fn default() -> Self {
        Self {
            reason_min_length: 1,
            ticket: TicketRule::Optional,
            checked: Vec::new(),
            max_duration: FIFTEEN_MINUTES,
        }
    }
}

/// What the ticket must look like.
#[derive(Debug, Clone)]
pub enum TicketRule {
    /// There may be none.
    Optional,
    /// The whole of it matches.
    Pattern {
        /// The pattern as it was written.
        written: String,
        /// The same, anchored at both ends.
        whole: regex::Regex,
    },
}

impl TicketRule {
    /// The rule that the whole ticket matches `pattern`.
    pub fn pattern(pattern: &str) -> Result<Self, regex::Error> {
        // On its own first: text that closes the group and opens another is no pattern.
        regex::Regex::new(pattern)?;
        Ok(Self::Pattern {
            written: pattern.to_owned(),
            whole: regex::Regex::new(&format!("^(?:{pattern})$"))?,
        })
    }
}

/// Who must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRules {
    /// How many of whom.
    pub rule: ApprovalRule,
    /// How long an ask waits, and how long an approval counts.
    pub expiry: Duration,
}

impl Default for ApprovalRules {
    fn default() -> Self {
        Self {
            rule: ApprovalRule::Unsaid,
            expiry: FIFTEEN_MINUTES,
        }
    }
}

/// How many of whom must agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalRule {
    /// The policy does not say, and so nobody can: it is never satisfied.
    Unsaid,
    /// So many different people of each group, none of them the one who asks.
    Quorum(Vec<Quorum>),
    /// Nobody; the policy says so in words.
    AutoApprove,
}

/// What is kept of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Recording {
    /// Nothing.
    Off,
    /// The terminal's output, as the kubelet keeps it.
    #[default]
    Output,
}

impl Recording {
    /// The name in objects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Output => "Output",
        }
    }
}
