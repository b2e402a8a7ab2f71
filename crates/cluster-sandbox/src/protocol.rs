//! What the agent and a container's helper say to each other.
//!
//! The agent leaves a [`Plan`] in the container's folder and starts the helper with a socket as its
//! standard input. Later clients connect to the socket `ctl` in that folder. Both ways go JSON
//! values, one a line; open files travel beside the line that names them (`SCM_RIGHTS`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::runtime::Exit;

/// Names of the files in a container's folder.
pub(crate) mod file {
    pub(crate) const RECORD: &str = "record.json";
    pub(crate) const PLAN: &str = "plan.json";
    pub(crate) const BUNDLE: &str = "config.json";
    pub(crate) const STARTING: &str = "starting";
    pub(crate) const STARTED: &str = "started.json";
    pub(crate) const EXIT: &str = "exit.json";
    pub(crate) const CONTROL: &str = "ctl";
    pub(crate) const LOCK: &str = "lock";
    pub(crate) const STATE: &str = "state";
    pub(crate) const ROOTFS: &str = "rootfs";
    pub(crate) const HELPER_LOG: &str = "helper.log";
}

/// Who the container's processes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: Vec<u32>,
    /// Bits of the capabilities that remain.
    pub(crate) capabilities: u64,
    pub(crate) no_new_privileges: bool,
    /// Filter programs, each as hexadecimal instructions, in the order in which they are installed.
    pub(crate) seccomp: Vec<String>,
    /// Written while still root; already raised to what this node may set.
    pub(crate) oom_score_adj: i32,
}

/// A process that must still be the same one: ids are used again, start times are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessMark {
    pub(crate) pid: u32,
    /// Clock ticks after boot (field 22 of `/proc/<pid>/stat`).
    pub(crate) start_time: u64,
}

/// The cgroups of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CgroupPlan {
    /// Hide `/sys/fs/cgroup` from the container runtime, which has no switch for "no cgroups".
    pub(crate) hidden: bool,
    /// One folder for each hierarchy.
    pub(crate) folders: Vec<std::path::PathBuf>,
}

/// What the first process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Workload {
    /// The command of the bundle.
    Command,
    /// Nothing but the first process of a PID namespace: it reaps and waits.
    Pause,
}

/// Everything a helper needs beside the OCI bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "fields of the container's configuration, handed on as they are"
)]
pub(crate) struct Plan {
    pub(crate) id: String,
    pub(crate) workload: Workload,
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) cwd: String,
    pub(crate) identity: Identity,
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) stdin_once: bool,
    pub(crate) log: Option<std::path::PathBuf>,
    pub(crate) cgroups: CgroupPlan,
    /// The kernel ends all of its processes with the first one.
    pub(crate) own_pid_namespace: bool,
    /// The process whose PID namespace is joined.
    pub(crate) target: Option<ProcessMark>,
}

/// A container that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Started {
    pub(crate) process: ProcessMark,
    /// The mount namespace of the first process, by which leftovers are known.
    pub(crate) mount_namespace: u64,
    pub(crate) at: Timestamp,
}

/// Asked of a helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Tell the state now, and the exit when it comes.
    Watch,
    /// Join the first process's streams; the files are those of `streams`, in this order.
    Attach { streams: StreamSet },
    /// Run a command; without a terminal the files are the ends for the process, in this order.
    Exec {
        command: Vec<String>,
        tty: bool,
        streams: StreamSet,
    },
    /// New size of the first process's terminal.
    Resize { width: u16, height: u16 },
    /// Signal the first process.
    Signal { number: i32 },
}

/// Which open files come with a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamSet {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

/// Told by a helper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The first process was exec'd.
    Started(Started),
    /// The container ended, or could not start (reason `StartError`).
    Exited(Exit),
    /// The streams are joined.
    Attached,
    /// The command was exec'd; with a terminal its master comes along.
    Running,
    /// The command ended.
    Ended { code: i32 },
    /// The request could not be met.
    Failed { message: String },
}
