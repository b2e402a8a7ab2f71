//! JSON values over a stream socket, one a line, with open files beside them.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most open files in one message.
const FILES: usize = 4;
/// Longest line that is waited for.
const LINE: usize = 1 << 20;

/// Sends one value; the files go with its first byte.
pub(crate) fn send<T: Serialize>(
    socket: impl AsFd,
    value: &T,
    files: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !control.push(SendAncillaryMessage::ScmRights(files)) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let mut sent = sendmsg(
        &socket,
        &[IoSlice::new(&line)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    while sent < line.len() {
        let mut nothing = SendAncillaryBuffer::default();
        sent += sendmsg(
            &socket,
            &[IoSlice::new(&line[sent..])],
            &mut nothing,
            SendFlags::NOSIGNAL,
        )?;
    }
    Ok(())
}

/// What came of one read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Some bytes; ask [`Receiver::next`].
    Bytes,
    /// The other side closed.
    End,
}

/// Puts lines together again.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    bytes: Vec<u8>,
    files: VecDeque<OwnedFd>,
}

impl Receiver {
    /// Reads once.
    pub(crate) fn receive(&mut self, socket: impl AsFd) -> io::Result<Received> {
        if self.bytes.len() > LINE {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut buffer = [0; 4096];
        let message = recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut buffer)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = part {
                self.files.extend(files);
            }
        }
        if message.bytes == 0 {
            return Ok(Received::End);
        }
        self.bytes.extend_from_slice(&buffer[..message.bytes]);
        Ok(Received::Bytes)
    }

    /// The next whole value that has arrived.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Option<io::Result<T>> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.bytes.drain(..=end).collect();
        Some(serde_json::from_slice(&line).map_err(io::Error::from))
    }

    /// The next file that came along.
    pub(crate) fn file(&mut self) -> Option<OwnedFd> {
        self.files.pop_front()
    }

    /// Bytes of values not asked for yet.
    pub(crate) fn rest(self) -> Vec<u8> {
        self.bytes
    }
}
