//! Making the first process and every later one, through libcontainer.

use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use rustix::fs::{Gid, Uid};
use rustix::pty::OpenptFlags;

use super::executor::Drop;
use super::trace::Causes;
use crate::durable::{self, Sync};
use crate::protocol::{Plan, Workload, file};
use crate::wire::Receiver;

const CONSOLE: &str = "console";

/// The helper's ends of a process's streams.
pub(super) struct Ends {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// The process's ends.
#[derive(Default)]
pub(super) struct Given {
    pub(super) stdin: Option<OwnedFd>,
    pub(super) stdout: Option<OwnedFd>,
    pub(super) stderr: Option<OwnedFd>,
}

/// What a start came to, in words for the user if it failed.
pub(super) type Launch<T> = Result<T, String>;

fn words<E: std::fmt::Display>(step: &'static str) -> impl FnOnce(E) -> String {
    move |error| format!("failed to {step}: {error}")
}

/// A pipe whose process's end belongs to the container's user, so that it can open `/dev/stdout` again.
pub(super) fn pipe(plan: &Plan) -> Launch<(OwnedFd, OwnedFd)> {
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(words("make a pipe"))?;
    own(&read, plan).map_err(words("give the pipe to the user"))?;
    Ok((read, write))
}

/// Gives an open file to the container's user.
pub(super) fn own(end: impl AsFd, plan: &Plan) -> rustix::io::Result<()> {
    rustix::fs::fchown(
        end,
        Some(Uid::from_raw(plan.identity.uid)),
        Some(Gid::from_raw(plan.identity.gid)),
    )
}

fn null() -> Launch<OwnedFd> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null");
    file.map(OwnedFd::from).map_err(words("open /dev/null"))
}

/// Makes and starts the first process: its id, its mount namespace and the ends of its streams. Returns when it
/// has been exec'd.
pub(super) fn first(plan: &Plan, causes: &Causes) -> Launch<(u32, u64, Ends)> {
    std::fs::create_dir_all(file::STATE).map_err(words("make the state folder"))?;
    let (failure, drop) = executor(plan, plan.command.clone(), plan.env.clone())?;
    let (given, ends) = first_streams(plan)?;
    let console = Console::listen_if(plan.tty)?;
    let folder = std::env::current_dir().map_err(words("tell the container's folder"))?;
    let mut container = builder(plan, drop, given, console.as_ref())?
        .as_init(&folder)
        .with_systemd(false)
        .build()
        .map_err(|error| told(&error, causes))?;
    let ends = match console {
        Some(console) => terminal_ends(console.accept(plan)?)?,
        None => ends,
    };
    let pid = container
        .pid()
        .and_then(|pid| u32::try_from(pid.as_raw()).ok())
        .ok_or("the first process has no id")?;
    // Read before it can have ended: what it leaves behind is found by it.
    let mounts = crate::process::mount_namespace(pid).map_err(words("read its mount namespace"))?;
    container.start().map_err(|error| told(&error, causes))?;
    executed(failure)?;
    Ok((pid, mounts, ends))
}

/// Runs another command in the container; returns when it has been exec'd. With a terminal, its master comes back.
pub(super) fn command(
    plan: &Plan,
    command: Vec<String>,
    tty: bool,
    given: Given,
    causes: &Causes,
) -> Launch<(u32, Option<OwnedFd>)> {
    let mut env = plan.env.clone();
    if tty && !env.iter().any(|entry| entry.starts_with("TERM=")) {
        env.push("TERM=xterm".to_owned());
    }
    let process = Path::new("exec.json");
    durable::write_json(
        process,
        &crate::bundle::wide_process(&command, &env, &plan.cwd, tty),
        Sync::Process,
    )
    .map_err(words("describe the process"))?;
    let (failure, drop) = executor(plan, command, env)?;
    let console = Console::listen_if(tty)?;
    let built = builder(plan, drop, given, console.as_ref())?
        .as_tenant()
        .with_process(Some(process))
        .with_detach(true)
        .build();
    forget_notify_sockets(plan);
    // The pipe has the reason in the executor's own words, if it got that far.
    let failed = executed(failure);
    let pid = match (built, failed) {
        (_, Err(reason)) => return Err(reason),
        (Err(error), Ok(())) => return Err(told(&error, causes)),
        (Ok(pid), Ok(())) => u32::try_from(pid.as_raw()).map_err(words("tell the process's id"))?,
    };
    let master = console.map(|console| console.accept(plan)).transpose()?;
    Ok((pid, master))
}

fn builder(
    plan: &Plan,
    drop: Drop,
    given: Given,
    console: Option<&Console>,
) -> Launch<ContainerBuilder> {
    let mut builder = ContainerBuilder::new(plan.id.clone(), SyscallType::Linux)
        .with_root_path(file::STATE)
        .map_err(words("use the state folder"))?
        .with_executor(drop);
    if console.is_some() {
        let path = std::env::current_dir()
            .map_err(words("tell the container's folder"))?
            .join(CONSOLE);
        return Ok(builder.with_console_socket(Some(path)));
    }
    builder = builder.with_stdin(given.stdin.map_or_else(null, Ok)?);
    builder = builder.with_stdout(given.stdout.map_or_else(null, Ok)?);
    Ok(builder.with_stderr(given.stderr.map_or_else(null, Ok)?))
}

fn executor(plan: &Plan, command: Vec<String>, env: Vec<String>) -> Launch<(OwnedFd, Drop)> {
    let (read, write) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(words("make a pipe"))?;
    let identity = plan.identity.clone();
    Ok((
        read,
        Drop {
            workload: plan.workload,
            command,
            env,
            identity,
            failure: Rc::new(write),
        },
    ))
}

fn first_streams(plan: &Plan) -> Launch<(Given, Ends)> {
    let mut given = Given::default();
    let mut ends = Ends {
        stdin: None,
        stdout: None,
        stderr: None,
    };
    if plan.tty || plan.workload == Workload::Pause {
        return Ok((given, ends));
    }
    if plan.stdin {
        let (read, write) = pipe(plan)?;
        (given.stdin, ends.stdin) = (Some(read), Some(write));
    }
    let (read, write) = pipe(plan)?;
    (ends.stdout, given.stdout) = (Some(read), Some(write));
    let (read, write) = pipe(plan)?;
    (ends.stderr, given.stderr) = (Some(read), Some(write));
    Ok((given, ends))
}

fn terminal_ends(master: OwnedFd) -> Launch<Ends> {
    let writing =
        rustix::io::fcntl_dupfd_cloexec(&master, 3).map_err(words("hold the terminal"))?;
    Ok(Ends {
        stdin: Some(writing),
        stdout: Some(master),
        stderr: None,
    })
}

/// Waits until the executor's pipe closes: by `execve`, or after the reason for its failure.
fn executed(failure: OwnedFd) -> Launch<()> {
    let mut reason = String::new();
    std::fs::File::from(failure)
        .read_to_string(&mut reason)
        .map_err(words("wait for the process"))?;
    if reason.is_empty() {
        Ok(())
    } else {
        Err(reason)
    }
}

/// The error with the cause that only the runtime's log has.
fn told(error: &dyn std::error::Error, causes: &Causes) -> String {
    let causes = causes.take();
    match causes.first() {
        Some(cause) => cause.clone(),
        None => std::iter::successors(Some(error), |error| error.source())
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": "),
    }
}

/// Each exec leaves its notify socket and its console link behind in the state folder.
fn forget_notify_sockets(plan: &Plan) {
    let Ok(entries) = std::fs::read_dir(Path::new(file::STATE).join(&plan.id)) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("tenant-") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The socket on which the runtime hands over a terminal's master; its backlog holds the file until it is fetched.
struct Console {
    listener: UnixListener,
}

impl Console {
    fn listen_if(wanted: bool) -> Launch<Option<Self>> {
        if !wanted {
            return Ok(None);
        }
        durable::remove_file(Path::new(CONSOLE)).map_err(words("clear the console socket"))?;
        let listener =
            UnixListener::bind(CONSOLE).map_err(words("listen on the console socket"))?;
        Ok(Some(Self { listener }))
    }

    fn accept(self, plan: &Plan) -> Launch<OwnedFd> {
        let _ = std::fs::remove_file(CONSOLE);
        let (socket, _) = self
            .listener
            .accept()
            .map_err(words("accept the terminal"))?;
        let mut receiver = Receiver::default();
        receiver
            .receive(&socket)
            .map_err(words("receive the terminal"))?;
        let master = receiver
            .file()
            .ok_or("the runtime handed over no terminal")?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal =
            rustix::pty::ioctl_tiocgptpeer(&master, flags).map_err(words("open the terminal"))?;
        rustix::fs::fchown(&terminal, Some(Uid::from_raw(plan.identity.uid)), None)
            .map_err(words("give the terminal to the user"))?;
        Ok(master)
    }
}
