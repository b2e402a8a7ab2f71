//! The program that holds one container: single-threaded, without a runtime of its own, alive as long
//! as the container is, whatever happens to the agent that started it.
//!
//! It makes the container with libcontainer, keeps its terminal or pipes, writes its log, serves
//! attach, exec and signals on the socket `ctl`, and leaves a durable exit record.

use std::ffi::OsString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::durable;
use crate::protocol::{Plan, file};

mod executor;
mod launch;
pub(crate) mod leftovers;
mod log;
mod streams;
mod supervisor;
mod trace;

/// Name under which the program is executed to be a container's helper.
pub const HELPER_ARG0: &str = "container-helper";

/// What kept a helper from taking up its work at all; later failures are the container's exit.
#[derive(Debug, thiserror::Error)]
enum HelperError {
    #[error("usage: {HELPER_ARG0} FOLDER (started by the agent, with a socket as standard input)")]
    Usage,
    #[error("failed to {step}: {source}")]
    Step {
        step: &'static str,
        source: std::io::Error,
    },
    #[error("this container already has a helper")]
    Taken,
}

fn step<E: Into<std::io::Error>>(step: &'static str) -> impl FnOnce(E) -> HelperError {
    move |source| HelperError::Step {
        step,
        source: source.into(),
    }
}

/// Runs as a container's helper; `args` are those after the program's name. To be called before
/// anything else happens in the process: no thread may have been started.
pub fn helper_main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    // A panic in a forked child must not unwind into the frames that it shares with its parent.
    std::panic::set_hook(Box::new(|info| {
        report(&info.to_string());
        std::process::abort();
    }));
    let outcome = match (args.next(), args.next()) {
        (Some(folder), None) => run(Path::new(&folder)),
        _ => Err(HelperError::Usage),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Standard error of a helper is the file `helper.log` in the container's folder.
fn report(text: &str) {
    let _ = rustix::io::write(
        rustix::stdio::stderr(),
        format!("{HELPER_ARG0}: {text}\n").as_bytes(),
    );
}

fn run(folder: &Path) -> Result<(), HelperError> {
    std::env::set_current_dir(folder).map_err(step("enter the container's folder"))?;
    let agent = take_agent_socket().map_err(step("take the agent's socket"))?;
    let _ = rustix::process::setsid();
    let _lock = lock()?;
    rustix::thread::set_thread_groups(&[]).map_err(step("leave the supplementary groups"))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(step("become a subreaper"))?;
    let signals = block_signals().map_err(step("block signals"))?;
    let plan: Plan = durable::read_json(Path::new(file::PLAN))
        .and_then(|plan| plan.ok_or_else(|| std::io::ErrorKind::NotFound.into()))
        .map_err(step("read the plan"))?;
    if plan.cgroups.hidden {
        hide_cgroups().map_err(step("hide the cgroups"))?;
    }
    durable::remove_file(Path::new(file::CONTROL)).map_err(step("clear the control socket"))?;
    let listener =
        UnixListener::bind(file::CONTROL).map_err(step("listen on the control socket"))?;
    listener
        .set_nonblocking(true)
        .map_err(step("listen on the control socket"))?;
    let causes = trace::Causes::keep().map_err(step("keep error causes"))?;
    supervisor::supervise(&plan, agent, listener, signals, &causes)
}

/// The agent's socket came as standard input; `/dev/null` takes its place.
fn take_agent_socket() -> std::io::Result<UnixStream> {
    let socket: OwnedFd = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(null.as_fd())?;
    Ok(UnixStream::from(socket))
}

/// One helper for a container, ever at a time: whoever holds this lock is it.
fn lock() -> Result<std::fs::File, HelperError> {
    let lock = std::fs::File::create(file::LOCK).map_err(step("lock the container's folder"))?;
    lock.try_lock().map_err(|_| HelperError::Taken)?;
    if Path::new(file::EXIT).exists() || Path::new(file::STARTED).exists() {
        return Err(HelperError::Taken);
    }
    Ok(lock)
}

/// Children arrive on a file; signals meant for a terminal's foreground group do not end a helper.
fn block_signals() -> nix::Result<SignalFd> {
    let mut blocked = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ] {
        blocked.add(signal);
    }
    blocked.thread_block()?;
    SignalFd::with_flags(&blocked, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
}

/// The container runtime has no switch for "no cgroups": it is shown an empty folder, which it takes
/// for a legacy hierarchy without controllers.
fn hide_cgroups() -> rustix::io::Result<()> {
    use rustix::mount::{
        MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
    };
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)
        .map_err(|errno| rustix::io::Errno::from_raw_os_error(errno as i32))?;
    mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?;
    while unmount("/sys/fs/cgroup", UnmountFlags::DETACH).is_ok() {}
    mount(
        "none",
        "/sys/fs/cgroup",
        "tmpfs",
        MountFlags::empty(),
        c"size=4k",
    )
}

/// Lets go of the agent's mounts that came with a mount namespace of the helper's own: they would hold
/// other Pods' namespaces and file systems open for as long as this helper lives.
fn release_copied_mounts(run: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let targets = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .filter(|target| Path::new(target).starts_with(run));
    for target in targets {
        let _ = rustix::mount::unmount(
            target,
            rustix::mount::UnmountFlags::DETACH | rustix::mount::UnmountFlags::NOFOLLOW,
        );
    }
}
