//! Talking to a container's helper.

use std::io::{self, Cursor};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader, Chain, ReadHalf, WriteHalf};

use crate::process;
use crate::protocol::{ProcessMark, Reply, Request};
use crate::wire::{self, Received, Receiver};

/// How long a helper may take for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Replies that are still to come on a connection.
pub(super) struct Replies {
    lines: BufReader<Chain<Cursor<Vec<u8>>, ReadHalf<tokio::net::UnixStream>>>,
}

impl Replies {
    /// The next reply; `None` when the helper has gone.
    pub(super) async fn next(&mut self) -> io::Result<Option<Reply>> {
        let mut line = String::new();
        if self.lines.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&line)?))
    }
}

/// Makes a blocking socket, of which `rest` was read already, an asynchronous one.
pub(super) fn converse(
    socket: UnixStream,
    rest: Vec<u8>,
) -> io::Result<(Replies, WriteHalf<tokio::net::UnixStream>)> {
    socket.set_nonblocking(true)?;
    let (read, write) = tokio::io::split(tokio::net::UnixStream::from_std(socket)?);
    Ok((
        Replies {
            lines: BufReader::new(Cursor::new(rest).chain(read)),
        },
        write,
    ))
}

/// Connects to the helper of the container in `folder`.
pub(super) fn connect(folder: &Path) -> io::Result<UnixStream> {
    let mut hold = None;
    let path = super::control_path(folder, &mut hold)?;
    let socket = UnixStream::connect(path)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// An answer with what came along.
pub(super) struct Answer {
    pub(super) socket: UnixStream,
    pub(super) reply: Reply,
    pub(super) file: Option<OwnedFd>,
    pub(super) rest: Vec<u8>,
}

/// The helper's process: whoever listens on the socket.
pub(super) fn helper(socket: &UnixStream) -> Option<ProcessMark> {
    let peer = rustix::net::sockopt::socket_peercred(socket).ok()?;
    process::mark(peer.pid.as_raw_nonzero().get().unsigned_abs())
}

/// Asks once and waits for the answer. Blocks.
pub(super) fn ask(
    folder: &Path,
    request: &Request,
    files: &[BorrowedFd<'_>],
) -> io::Result<Answer> {
    ask_on(connect(folder)?, request, files)
}

/// As [`ask`], on a connection that is there.
pub(super) fn ask_on(
    socket: UnixStream,
    request: &Request,
    files: &[BorrowedFd<'_>],
) -> io::Result<Answer> {
    wire::send(&socket, request, files)?;
    let mut receiver = Receiver::default();
    let reply = loop {
        if let Some(reply) = receiver.next::<Reply>() {
            break reply?;
        }
        if receiver.receive(&socket).map_err(patience_over)? == Received::End {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let file = receiver.file();
    Ok(Answer {
        socket,
        reply,
        file,
        rest: receiver.rest(),
    })
}

fn patience_over(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        io::Error::new(io::ErrorKind::TimedOut, "it does not answer")
    } else {
        error
    }
}

/// Tells without waiting for an answer. Blocks only to connect.
pub(super) fn tell(folder: &Path, request: &Request) -> io::Result<()> {
    wire::send(connect(folder)?, request, &[])
}
