//! The helper's loop: children, clients, streams.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, WaitOptions, WaitStatus, wait};

use super::log::{Channel, LogWriter};
use super::streams::Streams;
use super::trace::Causes;
use super::{HelperError, launch, leftovers, step};
use crate::clock;
use crate::durable::{self, Sync};
use crate::process;
use crate::protocol::{Plan, Reply, Request, Started, StreamSet, Workload, file};
use crate::runtime::Exit;
use crate::wire::{self, Received, Receiver};

/// What a file that is waited for belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    Children,
    Connection,
    Peer(u64),
    Output(Channel),
    Input,
    ClientInput(u64),
    ClientOutput(u64),
}

/// A file, and what is waited for on it.
pub(super) type Interest<'a> = (Token, BorrowedFd<'a>, PollFlags);

/// How long clients may take to fetch the last output once the container has ended, in seconds.
const LAST_WORDS: i64 = 30;

struct Peer {
    id: u64,
    socket: UnixStream,
    receiver: Receiver,
    watches: bool,
    attached: bool,
}

struct Supervisor<'a> {
    plan: &'a Plan,
    causes: &'a Causes,
    listener: UnixListener,
    signals: SignalFd,
    peers: Vec<Peer>,
    next_peer: u64,
    started: Started,
    streams: Streams,
    /// Commands by process id, with the peer that waits for each.
    commands: BTreeMap<u32, u64>,
    exit: Option<Exit>,
}

/// Starts the container and stays until it has ended and everything is told.
pub(super) fn supervise(
    plan: &Plan,
    agent: UnixStream,
    listener: UnixListener,
    signals: SignalFd,
    causes: &Causes,
) -> Result<(), HelperError> {
    let (started, streams) = match start(plan, causes) {
        Ok(running) => running,
        Err(message) => return refuse(message, &agent),
    };
    durable::write_json(Path::new(file::STARTED), &started, Sync::Process)
        .map_err(step("record the start"))?;
    let _ = wire::send(&agent, &Reply::Started(started), &[]);
    let mut supervisor = Supervisor {
        plan,
        causes,
        listener,
        signals,
        peers: Vec::new(),
        next_peer: 0,
        started,
        streams,
        commands: BTreeMap::new(),
        exit: None,
    };
    supervisor.admit(agent, true);
    supervisor.run()
}

fn start(plan: &Plan, causes: &Causes) -> Result<(Started, Streams), String> {
    let log = plan
        .log
        .as_deref()
        .map(LogWriter::open)
        .transpose()
        .map_err(|error| format!("failed to open the log: {error}"))?;
    let outcome = launch::first(plan, causes)
        .and_then(|(pid, mounts, ends)| Ok((marked(plan, pid, mounts)?, ends)));
    if plan.cgroups.hidden
        && let Some(run) = std::env::current_dir()
            .ok()
            .as_deref()
            .and_then(|own| own.ancestors().nth(2))
    {
        super::release_copied_mounts(run);
    }
    match outcome {
        Ok((started, ends)) => Ok((started, Streams::new(ends, plan.tty, plan.stdin_once, log))),
        Err(message) => {
            kill_children();
            Err(message)
        }
    }
}

/// Ends what a failed start left behind; there is nothing else that is a child here.
fn kill_children() {
    let own = std::process::id();
    let children =
        std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    for pid in children
        .split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
    {
        process::kill(pid, Signal::KILL);
    }
    while let Ok(Some(_)) = wait(WaitOptions::empty()) {}
}

fn marked(plan: &Plan, pid: u32, mount_namespace: u64) -> Result<Started, String> {
    if plan.target.is_some_and(|target| !process::runs(target)) {
        process::kill(pid, Signal::KILL);
        return Err("the target container ended while this container was being started".to_owned());
    }
    // A process that has ended already is a zombie until it is waited for: its ids still hold.
    let mark = process::mark(pid).unwrap_or(crate::protocol::ProcessMark { pid, start_time: 0 });
    Ok(Started {
        process: mark,
        mount_namespace,
        at: clock::now(),
    })
}

fn refuse(message: String, agent: &UnixStream) -> Result<(), HelperError> {
    let exit = Exit {
        started_at: None,
        finished_at: clock::now(),
        code: 128,
        reason: "StartError".to_owned(),
        message,
    };
    forget_container();
    durable::write_json(Path::new(file::EXIT), &exit, Sync::Flushed)
        .map_err(step("record the failed start"))?;
    let _ = wire::send(agent, &Reply::Exited(exit), &[]);
    Ok(())
}

/// The runtime's state and the control socket have no use after the end.
fn forget_container() {
    let _ = durable::remove_tree(Path::new(file::STATE));
    let _ = durable::remove_file(Path::new(file::CONTROL));
}

impl Supervisor<'_> {
    fn run(mut self) -> Result<(), HelperError> {
        // A child may have ended before its signal was waited for.
        self.reap()?;
        let mut deadline = None;
        loop {
            if self.exit.is_some() {
                let until = *deadline.get_or_insert_with(|| clock::now().as_second() + LAST_WORDS);
                if (self.streams.is_drained() && self.commands.is_empty())
                    || clock::now().as_second() > until
                {
                    self.farewell();
                    return Ok(());
                }
            }
            for (token, events) in self.wait()? {
                self.dispatch(token, events)?;
            }
        }
    }

    fn wait(&self) -> Result<Vec<(Token, PollFlags)>, HelperError> {
        let mut interests: Vec<Interest<'_>> = vec![
            (Token::Children, self.signals.as_fd(), PollFlags::IN),
            (Token::Connection, self.listener.as_fd(), PollFlags::IN),
        ];
        interests.extend(
            self.peers
                .iter()
                .map(|peer| (Token::Peer(peer.id), peer.socket.as_fd(), PollFlags::IN)),
        );
        self.streams.interests(&mut interests);
        let mut files: Vec<PollFd<'_>> = interests
            .iter()
            .map(|(_, file, events)| PollFd::from_borrowed_fd(*file, *events))
            .collect();
        let limit = self.exit.is_some().then_some(Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        match poll(&mut files, limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(step("wait")(error)),
        }
        let ready = interests
            .iter()
            .zip(&files)
            .filter(|(_, file)| !file.revents().is_empty());
        Ok(ready
            .map(|((token, _, _), file)| (*token, file.revents()))
            .collect())
    }

    fn dispatch(&mut self, token: Token, _: PollFlags) -> Result<(), HelperError> {
        match token {
            Token::Children => {
                while let Ok(Some(_)) = self.signals.read_signal() {}
                self.reap()?;
            }
            Token::Connection => {
                while let Ok((socket, _)) = self.listener.accept() {
                    self.admit(socket, false);
                }
            }
            Token::Peer(id) => self.hear(id),
            Token::Output(channel) => {
                self.streams.output(channel);
            }
            Token::Input => self.streams.feed(),
            Token::ClientInput(peer) => self.streams.client_input(peer),
            Token::ClientOutput(peer) => self.streams.client_output(peer),
        }
        Ok(())
    }

    fn admit(&mut self, socket: UnixStream, watches: bool) {
        self.next_peer += 1;
        let peer = Peer {
            id: self.next_peer,
            socket,
            receiver: Receiver::default(),
            watches,
            attached: false,
        };
        self.peers.push(peer);
    }

    fn hear(&mut self, id: u64) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) else {
            return;
        };
        match peer.receiver.receive(&peer.socket) {
            Ok(Received::Bytes) => {}
            Ok(Received::End) | Err(_) => {
                self.peers.retain(|peer| peer.id != id);
                self.streams.detach(id);
                return;
            }
        }
        while let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) {
            match peer.receiver.next::<Request>() {
                Some(Ok(request)) => self.answer(id, request),
                Some(Err(error)) => self.reply(
                    id,
                    &Reply::Failed {
                        message: error.to_string(),
                    },
                ),
                None => return,
            }
        }
    }

    fn answer(&mut self, id: u64, request: Request) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) else {
            return;
        };
        match request {
            Request::Watch => {
                peer.watches = true;
                let started = Reply::Started(self.started);
                self.reply(id, &started);
                if let Some(exit) = self.exit.clone() {
                    self.reply(id, &Reply::Exited(exit));
                }
            }
            Request::Attach { streams } => {
                peer.attached = true;
                self.streams.attach(id, streams, || peer.receiver.file());
                self.reply(id, &Reply::Attached);
            }
            Request::Exec {
                command,
                tty,
                streams,
            } => self.exec(id, command, tty, streams),
            Request::Resize { width, height } => self.streams.resize(width, height),
            Request::Signal { number } => self.signal(number),
        }
    }

    fn signal(&self, number: i32) {
        if let (None, Some(signal)) = (&self.exit, Signal::from_named_raw(number)) {
            process::kill(self.started.process.pid, signal);
        }
    }

    fn exec(&mut self, id: u64, command: Vec<String>, tty: bool, streams: StreamSet) {
        let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == id) else {
            return;
        };
        let mut given = launch::Given::default();
        for (wanted, end) in [
            (streams.stdin, &mut given.stdin),
            (streams.stdout, &mut given.stdout),
            (streams.stderr, &mut given.stderr),
        ] {
            if wanted {
                *end = peer.receiver.file();
            }
            if let Some(end) = end {
                let _ = launch::own(end, self.plan);
            }
        }
        if self.exit.is_some() || self.plan.workload == Workload::Pause {
            return self.reply(
                id,
                &Reply::Failed {
                    message: "the container is not running".to_owned(),
                },
            );
        }
        match launch::command(self.plan, command, tty, given, self.causes) {
            Ok((pid, master)) => {
                self.commands.insert(pid, id);
                let files: Vec<BorrowedFd<'_>> =
                    master.iter().map(std::os::fd::AsFd::as_fd).collect();
                self.reply_with(id, &Reply::Running, &files);
            }
            Err(message) => self.reply(id, &Reply::Failed { message }),
        }
    }

    fn reply(&mut self, id: u64, reply: &Reply) {
        self.reply_with(id, reply, &[]);
    }

    fn reply_with(&mut self, id: u64, reply: &Reply, files: &[BorrowedFd<'_>]) {
        if let Some(peer) = self.peers.iter().find(|peer| peer.id == id) {
            let _ = wire::send(&peer.socket, reply, files);
        }
    }

    /// Collects ended children. The container's own end is durable before anybody hears of it; a crash
    /// before that leaves a container that the agent finds neither running nor ended, and says so.
    fn reap(&mut self) -> Result<(), HelperError> {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get().unsigned_abs();
            if pid == self.started.process.pid {
                self.end(code(status))?;
            } else if let Some(peer) = self.commands.remove(&pid) {
                self.reply(peer, &Reply::Ended { code: code(status) });
            }
        }
        Ok(())
    }

    fn end(&mut self, code: i32) -> Result<(), HelperError> {
        let killed_for_memory = leftovers::killed_for_memory(self.plan);
        if !self.plan.own_pid_namespace {
            leftovers::kill(self.plan, &self.started);
        }
        self.streams.drain();
        let reason = match code {
            0 => "Completed",
            137 if killed_for_memory > 0 => "OOMKilled",
            _ => "Error",
        };
        let exit = Exit {
            started_at: Some(self.started.at),
            finished_at: clock::now(),
            code,
            reason: reason.to_owned(),
            message: String::new(),
        };
        for folder in &self.plan.cgroups.folders {
            let _ = std::fs::remove_dir(folder);
        }
        durable::write_json(Path::new(file::EXIT), &exit, Sync::Flushed)
            .map_err(step("record the exit"))?;
        forget_container();
        for peer in self.peers.iter().filter(|peer| peer.watches) {
            let _ = wire::send(&peer.socket, &Reply::Exited(exit.clone()), &[]);
        }
        self.exit = Some(exit);
        Ok(())
    }

    /// Attached clients hear of the exit after the last byte.
    fn farewell(&mut self) {
        let Some(exit) = self.exit.clone() else {
            return;
        };
        for peer in self.peers.iter().filter(|peer| peer.attached) {
            let _ = wire::send(&peer.socket, &Reply::Exited(exit.clone()), &[]);
        }
    }
}

/// Exit code as a shell tells it: 128 and the signal's number for a signal.
fn code(status: WaitStatus) -> i32 {
    status
        .exit_status()
        .or_else(|| status.terminating_signal().map(|signal| 128 + signal))
        .unwrap_or(255)
}
