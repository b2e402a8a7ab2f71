//! Exec and attach: pipes and terminals between a client's side and a container.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, WriteHalf};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::client::{self, Answer, Replies};
use super::terminal::Terminal;
use super::{Inner, blocking, failed, guard};
use crate::protocol::{Reply, Request, StreamSet};
use crate::runtime::{ContainerState, RuntimeError, StreamOptions, Streams, TerminalSize};

/// The two sides of the streams that were asked for.
struct Pipes {
    /// For the process, in the order standard input, output, error.
    theirs: Vec<OwnedFd>,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl Pipes {
    fn make(wanted: StreamSet) -> io::Result<Self> {
        let mut pipes = Self {
            theirs: Vec::new(),
            stdin: None,
            stdout: None,
            stderr: None,
        };
        if wanted.stdin {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            pipes.theirs.push(read);
            pipes.stdin = Some(write);
        }
        for (wanted, ours) in [
            (wanted.stdout, &mut pipes.stdout),
            (wanted.stderr, &mut pipes.stderr),
        ] {
            if wanted {
                let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
                pipes.theirs.push(write);
                *ours = Some(read);
            }
        }
        Ok(pipes)
    }
}

type Writer = Option<Box<dyn AsyncWrite + Send + Unpin>>;
type Reader = Option<Box<dyn AsyncRead + Send + Unpin>>;

fn writer(end: Option<OwnedFd>) -> Result<Writer, RuntimeError> {
    let sender = end
        .map(pipe::Sender::from_owned_fd)
        .transpose()
        .map_err(failed("use a pipe"))?;
    Ok(sender.map(|sender| Box::new(sender) as Box<dyn AsyncWrite + Send + Unpin>))
}

fn reader(end: Option<OwnedFd>) -> Result<Reader, RuntimeError> {
    let receiver = end
        .map(pipe::Receiver::from_owned_fd)
        .transpose()
        .map_err(failed("use a pipe"))?;
    Ok(receiver.map(|receiver| Box::new(receiver) as Box<dyn AsyncRead + Send + Unpin>))
}

fn running(inner: &Inner, id: &str) -> Result<watch::Receiver<ContainerState>, RuntimeError> {
    let state = inner.state(id)?;
    let runs = matches!(*state.borrow(), ContainerState::Running { .. });
    if runs {
        Ok(state)
    } else {
        Err(RuntimeError::Refused(format!(
            "container {id} is not running"
        )))
    }
}

/// Asks the helper, with the process's side of the pipes.
async fn ask(
    inner: &Inner,
    id: &str,
    request: Request,
    pipes: Pipes,
) -> Result<(Answer, Pipes), RuntimeError> {
    let folder = inner.container_folder(id);
    blocking(move || {
        let mut pipes = pipes;
        let theirs = std::mem::take(&mut pipes.theirs);
        let files: Vec<BorrowedFd<'_>> = theirs.iter().map(|end| end.as_fd()).collect();
        let answer = client::ask(&folder, &request, &files)
            .map_err(failed("reach the container's helper"))?;
        Ok((answer, pipes))
    })
    .await
}

pub(super) async fn exec(
    inner: &Arc<Inner>,
    id: &str,
    command: Vec<String>,
    options: StreamOptions,
) -> Result<Streams, RuntimeError> {
    running(inner, id)?;
    let tty = options.tty;
    let streams = StreamSet {
        stdin: options.stdin && !tty,
        stdout: options.stdout && !tty,
        stderr: options.stderr && !tty,
    };
    let pipes = Pipes::make(streams).map_err(failed("make pipes"))?;
    let (answer, pipes) = ask(
        inner,
        id,
        Request::Exec {
            command,
            tty,
            streams,
        },
        pipes,
    )
    .await?;
    match answer.reply {
        Reply::Running => {}
        Reply::Failed { message } => return Err(failed(EXEC)(message)),
        other => return Err(failed(EXEC)(format!("the helper said {other:?}"))),
    }
    let (over, ended) = watch::channel(false);
    let exit = exit_of_command(answer.socket, answer.rest, over)?;
    match answer.file {
        Some(master) => terminal_streams(master, ended, options, exit),
        None => Ok(Streams {
            stdin: writer(pipes.stdin)?,
            stdout: reader(pipes.stdout)?,
            stderr: reader(pipes.stderr)?,
            resize: None,
            exit,
        }),
    }
}

const EXEC: &str = "exec in the container";
const ATTACH: &str = "attach to the container";

type ExitCode = BoxFuture<'static, Result<i32, RuntimeError>>;

/// The result of a task that waits for an end.
fn joined(step: &'static str, task: JoinHandle<Result<i32, RuntimeError>>) -> ExitCode {
    task.map(move |joined| joined.unwrap_or_else(|error| Err(failed(step)(error))))
        .boxed()
}

/// The helper tells the end once; it is awaited in a task so that a terminal's reader knows of it, too.
fn exit_of_command(
    socket: UnixStream,
    rest: Vec<u8>,
    over: watch::Sender<bool>,
) -> Result<ExitCode, RuntimeError> {
    let (mut replies, open) =
        client::converse(socket, rest).map_err(failed("talk to the helper"))?;
    let task = tokio::spawn(async move {
        let code = loop {
            match replies.next().await {
                Ok(Some(Reply::Ended { code })) => break Ok(code),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break Err(failed(EXEC)("its helper went away")),
            }
        };
        drop(open);
        over.send_replace(true);
        code
    });
    Ok(joined(EXEC, task))
}

fn terminal_streams(
    master: OwnedFd,
    ended: watch::Receiver<bool>,
    options: StreamOptions,
    exit: ExitCode,
) -> Result<Streams, RuntimeError> {
    let terminal = Terminal::new(master, ended).map_err(failed("use the terminal"))?;
    let stdin = options
        .stdin
        .then(|| Box::new(terminal.clone()) as Box<dyn AsyncWrite + Send + Unpin>);
    let stdout = options
        .stdout
        .then(|| Box::new(terminal.clone()) as Box<dyn AsyncRead + Send + Unpin>);
    let (resize, mut sizes) = mpsc::channel::<TerminalSize>(4);
    tokio::spawn(async move {
        while let Some(size) = sizes.recv().await {
            terminal.resize(size);
        }
    });
    Ok(Streams {
        stdin,
        stdout,
        stderr: None,
        resize: Some(resize),
        exit,
    })
}

pub(super) async fn attach(
    inner: &Arc<Inner>,
    id: &str,
    options: StreamOptions,
) -> Result<Streams, RuntimeError> {
    let state = running(inner, id)?;
    let (tty, has_stdin) = guard(&inner.containers)
        .get(id)
        .map(|container| (container.record.config.tty, container.record.config.stdin))
        .ok_or_else(|| RuntimeError::NotFound(format!("container {id}")))?;
    let streams = StreamSet {
        stdin: options.stdin && has_stdin,
        stdout: options.stdout,
        stderr: options.stderr && !tty,
    };
    let pipes = Pipes::make(streams).map_err(failed("make pipes"))?;
    let (answer, pipes) = ask(inner, id, Request::Attach { streams }, pipes).await?;
    if answer.reply != Reply::Attached {
        return Err(failed(ATTACH)(format!(
            "the helper said {:?}",
            answer.reply
        )));
    }
    let (replies, requests) =
        client::converse(answer.socket, answer.rest).map_err(failed("talk to the helper"))?;
    let (resize, sizes) = mpsc::channel::<TerminalSize>(4);
    let task = tokio::spawn(exit_of_container(replies, requests, sizes, state));
    let exit = joined(ATTACH, task);
    let resize = tty.then_some(resize);
    Ok(Streams {
        stdin: writer(pipes.stdin)?,
        stdout: reader(pipes.stdout)?,
        stderr: reader(pipes.stderr)?,
        resize,
        exit,
    })
}

/// Hands new sizes on until the helper tells the exit, after the last byte of output.
async fn exit_of_container(
    mut replies: Replies,
    mut requests: WriteHalf<tokio::net::UnixStream>,
    mut sizes: mpsc::Receiver<TerminalSize>,
    mut state: watch::Receiver<ContainerState>,
) -> Result<i32, RuntimeError> {
    let mut sizes_open = true;
    loop {
        tokio::select! {
            reply = replies.next() => match reply {
                Ok(Some(Reply::Exited(exit))) => return Ok(exit.code),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            },
            size = sizes.recv(), if sizes_open => match size {
                Some(size) => {
                    let request = Request::Resize { width: size.width, height: size.height };
                    let mut line = serde_json::to_vec(&request).unwrap_or_default();
                    line.push(b'\n');
                    let _ = requests.write_all(&line).await;
                }
                None => sizes_open = false,
            },
        }
    }
    let over = state
        .wait_for(|state| !matches!(state, ContainerState::Running { .. }))
        .await;
    match over.as_deref() {
        Ok(ContainerState::Exited(exit)) => Ok(exit.code),
        _ => Err(failed(ATTACH)("its helper went away")),
    }
}
