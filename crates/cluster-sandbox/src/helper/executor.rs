//! The last steps of a container's process, from root with everything to the user and command of the
//! plan. The container runtime is given a wide root process and this executor; so the first process
//! and every later `exec` go through the very same steps, seccomp filter included.

use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use libcontainer::workload::{
    Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError,
};
use oci_spec::runtime::Spec;
use rustix::process::{Gid, Signal, Uid, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::protocol::{Identity, Workload};
use crate::seccomp;
use crate::sys;

/// Becomes the container's user and executes its command.
#[derive(Clone)]
pub(super) struct Drop {
    pub(super) workload: Workload,
    pub(super) command: Vec<String>,
    pub(super) env: Vec<String>,
    pub(super) identity: Identity,
    /// Closed by a successful `execve`; gets the reason if there was none.
    pub(super) failure: Rc<OwnedFd>,
}

/// Why the process did not become the command. The text is what a user reads.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("{step}: {source}")]
    Step {
        step: &'static str,
        source: std::io::Error,
    },
    #[error("exec: \"{0}\": executable file not found in $PATH")]
    NotInPath(String),
    #[error("exec: \"{command}\": {source}")]
    Exec {
        command: String,
        source: std::io::Error,
    },
    #[error("exec: a command is needed, and neither the container nor its image has one")]
    NoCommand,
    #[error("exec: an argument holds a NUL byte")]
    Nul(#[from] std::ffi::NulError),
}

impl Executor for Drop {
    fn exec(&self, _: &Spec) -> Result<(), ExecutorError> {
        let error = match self.run() {
            Ok(never) => match never {},
            Err(error) => error,
        };
        let text = error.to_string();
        let _ = rustix::io::write(&*self.failure, text.as_bytes());
        Err(ExecutorError::Other(text))
    }

    fn validate(&self, _: &Spec) -> Result<(), ExecutorValidationError> {
        Ok(())
    }

    fn setup_envs(&self, _: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        // The environment goes to `execve` as it stands in the plan.
        Ok(())
    }
}

impl Drop {
    fn run(&self) -> Result<std::convert::Infallible, StartError> {
        become_user(&self.identity)?;
        match self.workload {
            Workload::Command => self.execute(),
            Workload::Pause => pause(),
        }
    }

    fn execute(&self) -> Result<std::convert::Infallible, StartError> {
        let name = self.command.first().ok_or(StartError::NoCommand)?;
        let arguments = c_strings(&self.command)?;
        let env = c_strings(&self.env)?;
        let path = self.resolve(name)?;
        let program = CString::new(path.into_os_string().into_encoded_bytes())?;
        nix::unistd::execve(&program, &arguments, &env).map_err(|errno| StartError::Exec {
            command: name.clone(),
            source: errno.into(),
        })
    }

    /// The program's path: as given, or the first file with an execute bit in the container's own `PATH`.
    fn resolve(&self, name: &str) -> Result<PathBuf, StartError> {
        if name.contains('/') {
            return Ok(PathBuf::from(name));
        }
        let path = self
            .env
            .iter()
            .rev()
            .find_map(|entry| entry.strip_prefix("PATH="))
            .unwrap_or_default();
        path.split(':')
            .filter(|folder| !folder.is_empty())
            .map(|folder| Path::new(folder).join(name))
            .find(|candidate| {
                candidate
                    .metadata()
                    .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
            })
            .ok_or_else(|| StartError::NotInPath(name.to_owned()))
    }
}

fn c_strings(texts: &[String]) -> Result<Vec<CString>, StartError> {
    Ok(texts
        .iter()
        .map(|text| CString::new(text.as_bytes()))
        .collect::<Result<_, _>>()?)
}

/// Flow: OOM score while still root; groups; the filter, if it needs privilege; capabilities out of the
/// bounding set; ids; the sets; the death signal, which a change of credentials would clear; and
/// `no_new_privs` with the filter last, if it is asked for.
fn become_user(identity: &Identity) -> Result<(), StartError> {
    let step = |step: &'static str| {
        move |source: rustix::io::Errno| StartError::Step {
            step,
            source: source.into(),
        }
    };
    oom_score(identity.oom_score_adj)?;
    sys::reset_signals().map_err(|errno| StartError::Step {
        step: "reset the signals",
        source: errno.into(),
    })?;
    let groups: Vec<Gid> = identity
        .groups
        .iter()
        .map(|group| Gid::from_raw(*group))
        .collect();
    set_thread_groups(&groups).map_err(step("set the supplementary groups"))?;
    if !identity.no_new_privileges {
        install_filters(identity)?;
    }
    narrow_bounding_set(identity.capabilities)
        .map_err(step("narrow the capability bounding set"))?;
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    set_thread_res_gid(gid, gid, gid).map_err(step("set the group"))?;
    set_thread_res_uid(uid, uid, uid).map_err(step("set the user"))?;
    clear_ambient_capability_set().map_err(step("clear the ambient capabilities"))?;
    // Another user than root loses its sets with the ids; what is left in the bounding set it may gain by a set-uid program.
    let kept = if identity.uid == 0 {
        CapabilitySet::from_bits_retain(identity.capabilities)
    } else {
        CapabilitySet::empty()
    };
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
    .map_err(step("set the capabilities"))?;
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(step("tie the process to its helper"))?;
    if identity.no_new_privileges {
        set_no_new_privs(true).map_err(step("set no_new_privs"))?;
        install_filters(identity)?;
    }
    Ok(())
}

fn oom_score(score: i32) -> Result<(), StartError> {
    let failed = |source| StartError::Step {
        step: "set the OOM score",
        source,
    };
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/oom_score_adj")
        .map_err(failed)?;
    rustix::io::write(file, score.to_string().as_bytes()).map_err(|errno| failed(errno.into()))?;
    Ok(())
}

fn narrow_bounding_set(kept: u64) -> rustix::io::Result<()> {
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if kept & (1 << bit) == 0 => remove_capability_from_bounding_set(capability)?,
            Ok(_) => {}
            // The kernel knows no capability of this number, nor of a higher one.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn install_filters(identity: &Identity) -> Result<(), StartError> {
    let failed = |source| StartError::Step {
        step: "load the seccomp filter",
        source,
    };
    for filter in &identity.seccomp {
        let program = seccomp::decode(filter)
            .ok_or_else(|| failed(std::io::ErrorKind::InvalidData.into()))?;
        sys::install_seccomp(&program).map_err(failed)?;
    }
    Ok(())
}

/// Reaps orphans until it is killed; holds no file open.
fn pause() -> Result<std::convert::Infallible, StartError> {
    let failed = |errno: nix::Error| StartError::Step {
        step: "wait as the first process",
        source: errno.into(),
    };
    let mut children = nix::sys::signal::SigSet::empty();
    children.add(nix::sys::signal::Signal::SIGCHLD);
    children.add(nix::sys::signal::Signal::SIGTERM);
    children.thread_block().map_err(failed)?;
    nix::unistd::setsid().ok();
    close_files();
    loop {
        if children.wait().map_err(failed)? == nix::sys::signal::Signal::SIGCHLD {
            while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
        }
    }
}

/// Closes everything above standard error by executing nothing: the error pipe's end tells the helper that the pause has begun.
fn close_files() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        let _ = nix::unistd::close(descriptor);
    }
}
