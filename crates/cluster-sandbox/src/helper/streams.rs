//! The first process's streams: its output goes to the log and to every attached client, the clients'
//! input goes to it.
//!
//! A client that reads slowly slows the process down, as it does under a kubelet: nothing is lost.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::termios::Winsize;

use super::launch::Ends;
use super::log::{Channel, LogWriter};
use super::supervisor::{Interest, Token};
use crate::protocol::StreamSet;

/// Bytes waiting for one client at which the process's output is no longer read.
const FULL: usize = 256 * 1024;
const CHUNK: usize = 64 * 1024;

/// All streams of one container.
pub(super) struct Streams {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    terminal: bool,
    stdin_once: bool,
    input: Vec<u8>,
    closing: bool,
    log: Option<LogWriter>,
    clients: Vec<Client>,
    buffer: Vec<u8>,
}

struct Client {
    peer: u64,
    stdin: Option<OwnedFd>,
    stdout: Option<Sink>,
    stderr: Option<Sink>,
}

struct Sink {
    end: OwnedFd,
    pending: Vec<u8>,
}

impl Sink {
    fn new(end: OwnedFd) -> Option<Self> {
        rustix::io::ioctl_fionbio(&end, true).ok()?;
        Some(Self {
            end,
            pending: Vec::new(),
        })
    }

    /// Takes bytes and writes what the client takes now; `false` if the client is gone.
    fn push(&mut self, bytes: &[u8]) -> bool {
        if !self.pending.is_empty() {
            self.pending.extend_from_slice(bytes);
            return self.flush();
        }
        match rustix::io::write(&self.end, bytes) {
            Ok(count) => self.pending.extend_from_slice(&bytes[count..]),
            Err(Errno::AGAIN | Errno::INTR) => self.pending.extend_from_slice(bytes),
            Err(_) => return false,
        }
        true
    }

    fn flush(&mut self) -> bool {
        match rustix::io::write(&self.end, &self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return false,
        }
        true
    }
}

impl Streams {
    pub(super) fn new(
        ends: Ends,
        terminal: bool,
        stdin_once: bool,
        log: Option<LogWriter>,
    ) -> Self {
        for end in [&ends.stdin, &ends.stdout, &ends.stderr]
            .into_iter()
            .flatten()
        {
            let _ = rustix::io::ioctl_fionbio(end, true);
        }
        let Ends {
            stdin,
            stdout,
            stderr,
        } = ends;
        let (input, buffer) = (Vec::new(), vec![0; CHUNK]);
        Self {
            stdin,
            stdout,
            stderr,
            terminal,
            stdin_once,
            input,
            closing: false,
            log,
            clients: Vec::new(),
            buffer,
        }
    }

    /// Joins a client; its files come in the order standard input, output, error.
    pub(super) fn attach(
        &mut self,
        peer: u64,
        wanted: StreamSet,
        mut next: impl FnMut() -> Option<OwnedFd>,
    ) {
        let stdin = wanted.stdin.then(&mut next).flatten();
        let stdout = wanted.stdout.then(&mut next).flatten().and_then(Sink::new);
        let stderr = wanted.stderr.then(&mut next).flatten().and_then(Sink::new);
        if let Some(stdin) = &stdin {
            let _ = rustix::io::ioctl_fionbio(stdin, true);
        }
        self.clients.push(Client {
            peer,
            stdin,
            stdout,
            stderr,
        });
    }

    pub(super) fn detach(&mut self, peer: u64) {
        self.clients.retain(|client| client.peer != peer);
    }

    pub(super) fn resize(&self, width: u16, height: u16) {
        if let (true, Some(master)) = (self.terminal, &self.stdout) {
            let size = Winsize {
                ws_row: height,
                ws_col: width,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            let _ = rustix::termios::tcsetwinsize(master, size);
        }
    }

    /// What to wait for now.
    pub(super) fn interests<'a>(&'a self, out: &mut Vec<Interest<'a>>) {
        for (channel, source) in [
            (Channel::Stdout, &self.stdout),
            (Channel::Stderr, &self.stderr),
        ] {
            if let Some(source) = source.as_ref().filter(|_| !self.is_full(channel)) {
                out.push((Token::Output(channel), source.as_fd(), PollFlags::IN));
            }
        }
        if let Some(stdin) = self.stdin.as_ref().filter(|_| !self.input.is_empty()) {
            out.push((Token::Input, stdin.as_fd(), PollFlags::OUT));
        }
        for client in &self.clients {
            if let Some(stdin) = client.stdin.as_ref().filter(|_| self.input.is_empty()) {
                out.push((
                    Token::ClientInput(client.peer),
                    stdin.as_fd(),
                    PollFlags::IN,
                ));
            }
            for sink in [&client.stdout, &client.stderr].into_iter().flatten() {
                if !sink.pending.is_empty() {
                    out.push((
                        Token::ClientOutput(client.peer),
                        sink.end.as_fd(),
                        PollFlags::OUT,
                    ));
                }
            }
        }
    }

    fn is_full(&self, channel: Channel) -> bool {
        self.sinks(channel).any(|sink| sink.pending.len() >= FULL)
    }

    fn sinks(&self, channel: Channel) -> impl Iterator<Item = &Sink> {
        self.clients.iter().filter_map(move |client| match channel {
            Channel::Stdout => client.stdout.as_ref(),
            Channel::Stderr => client.stderr.as_ref(),
        })
    }

    /// Reads one chunk of output and hands it on; `false` if there is none now.
    pub(super) fn output(&mut self, channel: Channel) -> bool {
        let source = match channel {
            Channel::Stdout => &mut self.stdout,
            Channel::Stderr => &mut self.stderr,
        };
        let Some(end) = source else { return false };
        let count = match rustix::io::read(&*end, &mut self.buffer) {
            Ok(count @ 1..) => count,
            Err(Errno::AGAIN | Errno::INTR) => return false,
            // A terminal whose last process has closed it says EIO.
            Ok(_) | Err(_) => {
                *source = None;
                self.ended(channel);
                return false;
            }
        };
        let bytes = &self.buffer[..count];
        if let Some(log) = &mut self.log
            && let Err(error) = log.write(channel, bytes, crate::clock::now())
        {
            super::report(&format!("the log cannot be written: {error}"));
        }
        for client in &mut self.clients {
            let sink = match channel {
                Channel::Stdout => &mut client.stdout,
                Channel::Stderr => &mut client.stderr,
            };
            if sink.as_mut().is_some_and(|sink| !sink.push(bytes)) {
                *sink = None;
            }
        }
        true
    }

    fn ended(&mut self, channel: Channel) {
        if let Some(log) = &mut self.log {
            let _ = log.end(channel, crate::clock::now());
        }
    }

    /// Takes input of a client; its end closes the process's input if that was to happen once.
    pub(super) fn client_input(&mut self, peer: u64) {
        let Some(client) = self.clients.iter_mut().find(|client| client.peer == peer) else {
            return;
        };
        let Some(end) = &client.stdin else { return };
        match rustix::io::read(end, &mut self.buffer) {
            Ok(count @ 1..) => {
                if self.stdin.is_some() {
                    self.input.extend_from_slice(&self.buffer[..count]);
                    self.feed();
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(_) | Err(_) => {
                client.stdin = None;
                if self.stdin_once && !self.terminal {
                    self.closing = true;
                    self.feed();
                }
            }
        }
    }

    /// Writes waiting input to the process.
    pub(super) fn feed(&mut self) {
        let Some(end) = &self.stdin else {
            self.input.clear();
            return;
        };
        if !self.input.is_empty() {
            match rustix::io::write(end, &self.input) {
                Ok(count) => drop(self.input.drain(..count)),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => {
                    self.input.clear();
                    self.stdin = None;
                }
            }
        }
        if self.closing && self.input.is_empty() {
            self.stdin = None;
        }
    }

    pub(super) fn client_output(&mut self, peer: u64) {
        let Some(client) = self.clients.iter_mut().find(|client| client.peer == peer) else {
            return;
        };
        for sink in [&mut client.stdout, &mut client.stderr] {
            if sink
                .as_mut()
                .is_some_and(|waiting| !waiting.pending.is_empty() && !waiting.flush())
            {
                *sink = None;
            }
        }
    }

    /// Reads what is left when no process can write any more.
    pub(super) fn drain(&mut self) {
        for channel in [Channel::Stdout, Channel::Stderr] {
            while self.output(channel) {}
            let still_open = match channel {
                Channel::Stdout => self.stdout.take(),
                Channel::Stderr => self.stderr.take(),
            };
            if still_open.is_some() {
                self.ended(channel);
            }
        }
        self.stdin = None;
        for client in &mut self.clients {
            client.stdin = None;
        }
    }

    /// Whether any client still has bytes to take.
    pub(super) fn is_drained(&self) -> bool {
        [Channel::Stdout, Channel::Stderr]
            .into_iter()
            .all(|channel| self.sinks(channel).all(|sink| sink.pending.is_empty()))
    }
}
