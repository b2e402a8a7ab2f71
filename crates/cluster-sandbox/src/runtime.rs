//! The port that a node agent runs containers through, in the shape of Kubernetes' Container Runtime
//! Interface (CRI, KEP-2040), so that a CRI back end can stand behind it.
//!
//! All paths are absolute. All times are UTC. Identifiers are 64 lower-case hexadecimal digits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc};

pub use crate::reference::normalize_reference;

/// Identifier of a Pod sandbox.
pub type SandboxId = String;
/// Identifier of a container.
pub type ContainerId = String;

/// Whose PID namespace a container's processes live in (CRI `NamespaceMode`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PidMode {
    /// One of its own.
    Container,
    /// The Pod's (`shareProcessNamespace`).
    Pod,
    /// The node's (`hostPID`).
    Node,
    /// That of another container of the same Pod, which must be running.
    Target(ContainerId),
}

/// What a Pod's containers share.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SandboxConfig {
    /// Pod name.
    pub name: String,
    /// Pod namespace.
    pub namespace: String,
    /// Pod UID.
    pub uid: String,
    /// Host name inside the UTS namespace.
    pub hostname: String,
    /// Use the node's network, as `hostNetwork` asks.
    pub host_network: bool,
    /// Use the node's IPC namespace.
    pub host_ipc: bool,
    /// One PID namespace for all containers of the Pod, held by a process of the sandbox.
    pub share_process_namespace: bool,
    /// Sysctls of the Pod's namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Where the Pod's logs go: `/var/log/pods/<ns>_<name>_<uid>` on a kubelet.
    pub log_directory: PathBuf,
    /// The Pod's cgroup, relative to each controller's root; `None` where cgroups are not used.
    pub cgroup_parent: Option<String>,
}

/// State of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxStatus {
    /// Its identifier.
    pub id: SandboxId,
    /// What it was made from.
    pub config: SandboxConfig,
    /// Whether its namespaces are held open.
    pub ready: bool,
    /// The Pod's address; `None` with the node's network.
    pub ip: Option<std::net::IpAddr>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A mount into a container.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    /// Path on the node.
    pub host_path: PathBuf,
    /// Path in the container.
    pub container_path: PathBuf,
    /// No writes through this mount.
    pub read_only: bool,
    /// Mount events of the node arrive in the container (`HostToContainer`).
    pub host_to_container: bool,
}

/// A seccomp profile.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Seccomp {
    /// No filter.
    Unconfined,
    /// The runtime's default filter.
    RuntimeDefault,
    /// A profile file of the node (OCI JSON).
    Localhost(PathBuf),
}

/// The security context of a container with the Pod's inheritance already resolved.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of its own in the CRI"
)]
pub struct Security {
    /// User id; `None` takes the image's user.
    pub run_as_user: Option<u32>,
    /// Group id; `None` takes the image's, or 0.
    pub run_as_group: Option<u32>,
    /// Supplementary groups, `fsGroup` among them.
    pub supplemental_groups: Vec<u32>,
    /// All capabilities, all devices, no masked paths, no filter.
    pub privileged: bool,
    /// `no_new_privs`: set unless escalation is allowed.
    pub no_new_privileges: bool,
    /// Capabilities added, without `CAP_`; `ALL` is all.
    pub add_capabilities: Vec<String>,
    /// Capabilities dropped, without `CAP_`; `ALL` is all.
    pub drop_capabilities: Vec<String>,
    /// The root file system cannot be written.
    pub read_only_root: bool,
    /// Seccomp filter.
    pub seccomp: Seccomp,
    /// Nothing of `/proc` is masked (`procMount: Unmasked`).
    pub unmasked_proc: bool,
}

/// Limits of a container; zero or `None` is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Resources {
    /// cgroup v1 `cpu.shares`.
    pub cpu_shares: u64,
    /// Microseconds of CPU in each period of 100 ms.
    pub cpu_quota: Option<i64>,
    /// Bytes.
    pub memory_limit: Option<i64>,
    /// OOM score adjustment; raised to what the node may set.
    pub oom_score_adj: i32,
}

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ContainerConfig {
    /// Container name in the Pod.
    pub name: String,
    /// How often a container of this name was made before.
    pub attempt: u32,
    /// Image id as [`Images::status`] told it.
    pub image: String,
    /// Replaces the image's entrypoint, if not empty.
    pub command: Vec<String>,
    /// Replaces the image's command, if not empty.
    pub args: Vec<String>,
    /// Replaces the image's working directory, if not empty.
    pub working_dir: String,
    /// Environment, before the image's own; later entries of one name win.
    pub env: Vec<(String, String)>,
    /// Mounts, in order.
    pub mounts: Vec<Mount>,
    /// Security context.
    pub security: Security,
    /// Limits.
    pub resources: Resources,
    /// PID namespace.
    pub pid: PidMode,
    /// Keep standard input open for attaching.
    pub stdin: bool,
    /// Close standard input when the first attached client goes.
    pub stdin_once: bool,
    /// Give it a terminal.
    pub tty: bool,
    /// CRI-format log file, relative to the sandbox's `log_directory`: `<name>/<attempt>.log`.
    pub log_path: PathBuf,
    /// Free labels, kept with the record.
    pub labels: BTreeMap<String, String>,
}

/// Where a container is in its life.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ContainerState {
    /// Made, not started.
    Created,
    /// Its first process runs.
    Running {
        /// When the process was exec'd.
        started_at: Timestamp,
    },
    /// It ended.
    Exited(Exit),
    /// The record says it ran, and nothing is there that could say how it ended.
    Unknown,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Exit {
    /// When it had started, if it ever did.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// `Completed`, `Error`, `OOMKilled`, `StartError`, …
    pub reason: String,
    /// For a start that failed: why.
    pub message: String,
}

/// Record of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStatus {
    /// Its identifier.
    pub id: ContainerId,
    /// The sandbox it is in.
    pub sandbox: SandboxId,
    /// What it was made from.
    pub config: ContainerConfig,
    /// Image reference as asked for, with defaults.
    pub image_ref: String,
    /// What really ran: `<repository>@sha256:…` or `sha256:…` of the image config.
    pub image_id: String,
    /// Process id of the first process, on the node; `None` unless running.
    pub pid: Option<u32>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where it is.
    pub state: ContainerState,
}

/// Size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// Which streams a client wants of an exec or attach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of its own in the CRI"
)]
pub struct StreamOptions {
    /// Bytes to the process.
    pub stdin: bool,
    /// Bytes from its standard output.
    pub stdout: bool,
    /// Bytes from its standard error; none of its own with a terminal.
    pub stderr: bool,
    /// A terminal (exec only: attach follows the container).
    pub tty: bool,
}

/// The ends of an exec or attach that the client's side holds.
pub struct Streams {
    /// Towards the process; dropping it closes the process's standard input (for attach: only this client's).
    pub stdin: Option<Box<dyn AsyncWrite + Send + Unpin>>,
    /// From the process; ends when it ends.
    pub stdout: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// From the process; ends when it ends.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// New terminal sizes.
    pub resize: Option<mpsc::Sender<TerminalSize>>,
    /// Resolves to the exit code of an exec'd process, or when an attached container ended.
    pub exit: futures::future::BoxFuture<'static, Result<i32, RuntimeError>>,
}

/// Something happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The sandbox.
    pub sandbox: SandboxId,
    /// The container.
    pub container: ContainerId,
    /// Its new state.
    pub state: ContainerState,
}

/// What kept the runtime from doing what was asked.
///
/// `NotFound` and `Refused` are final; `Failed` may be tried again with back-off.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// No sandbox, container or image of that identifier.
    #[error("{0} not found")]
    NotFound(String),
    /// The request cannot be met on this node, and says why.
    #[error("{0}")]
    Refused(String),
    /// A step failed.
    #[error("failed to {step}: {message}")]
    Failed {
        /// The step.
        step: &'static str,
        /// Why, with causes.
        message: String,
    },
}

/// Runs Pod sandboxes and containers.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Name and version, as in `containerRuntimeVersion` of a node: `ephemeral://0.1.0`-like.
    fn version(&self) -> String;

    /// Makes a Pod's namespaces and address. Asked again for the same Pod UID it returns the one that is there.
    async fn run_sandbox(&self, config: SandboxConfig) -> Result<SandboxStatus, RuntimeError>;
    /// Kills what still runs in the sandbox and lets its namespaces and address go. Idempotent.
    async fn stop_sandbox(&self, id: &str) -> Result<(), RuntimeError>;
    /// Stops, and forgets it and its containers. Idempotent.
    async fn remove_sandbox(&self, id: &str) -> Result<(), RuntimeError>;
    /// All sandboxes that are remembered, also from before a restart.
    async fn sandboxes(&self) -> Result<Vec<SandboxStatus>, RuntimeError>;

    /// Prepares a container (root file system, record).
    async fn create_container(
        &self,
        sandbox: &str,
        config: ContainerConfig,
    ) -> Result<ContainerId, RuntimeError>;
    /// Starts it; returns once its first process has been exec'd, or says why it could not.
    async fn start_container(&self, id: &str) -> Result<(), RuntimeError>;
    /// SIGTERM, then SIGKILL after `grace`; returns when it has ended. Idempotent.
    async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), RuntimeError>;
    /// Forgets an ended container and its root file system. Idempotent.
    async fn remove_container(&self, id: &str) -> Result<(), RuntimeError>;
    /// All containers that are remembered, also from before a restart.
    async fn containers(&self) -> Result<Vec<ContainerStatus>, RuntimeError>;
    /// One container.
    async fn container(&self, id: &str) -> Result<ContainerStatus, RuntimeError>;
    /// State changes from now on. A lagging reader must list again.
    fn events(&self) -> broadcast::Receiver<ContainerEvent>;

    /// Runs a command in a running container.
    async fn exec(
        &self,
        id: &str,
        command: Vec<String>,
        options: StreamOptions,
    ) -> Result<Streams, RuntimeError>;
    /// Joins the streams of a running container's first process.
    async fn attach(&self, id: &str, options: StreamOptions) -> Result<Streams, RuntimeError>;
}

/// An image that is on this node.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageStatus {
    /// `sha256:…` of the image config: what [`ContainerConfig::image`] takes.
    pub id: String,
    /// References (`docker.io/library/busybox:1.36`).
    pub tags: Vec<String>,
    /// `<repository>@sha256:…` of the manifest, for each repository.
    pub digests: Vec<String>,
    /// Bytes unpacked.
    pub size: u64,
    /// `USER` of the image, as written there; empty is root.
    pub user: String,
}

/// Images of this node.
#[async_trait]
pub trait Images: Send + Sync + 'static {
    /// The image that a reference (with defaults applied, as [`normalize_reference`] does), digest reference or id names, if it is here.
    async fn status(&self, reference: &str) -> Result<Option<ImageStatus>, RuntimeError>;
    /// All images, by first tag.
    async fn list(&self) -> Result<Vec<ImageStatus>, RuntimeError>;
}
