//! One message: a channel and its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};

use crate::Protocol;

/// What a frame's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Towards the process.
    Stdin,
    /// From the process.
    Stdout,
    /// From the process, where it has no terminal.
    Stderr,
    /// From the server, once: how it ended, as a `metav1.Status`.
    Error,
    /// From the client: the terminal's size.
    Resize,
}

impl Channel {
    /// Its number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Self::Stdin => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::Error => 3,
            Self::Resize => 4,
        }
    }

    fn parse(number: u8) -> Result<Self, FrameError> {
        match number {
            0 => Ok(Self::Stdin),
            1 => Ok(Self::Stdout),
            2 => Ok(Self::Stderr),
            3 => Ok(Self::Error),
            4 => Ok(Self::Resize),
            other => Err(FrameError::UnknownChannel(other)),
        }
    }
}

/// The number that starts a close signal of `v5`.
const CLOSE: u8 = 255;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Bytes of a channel; may be empty.
    Data(Channel, Bytes),
    /// No more bytes will come on this channel (`v5` only).
    Close(Channel),
}

/// The payload of a WebSocket message, as the protocol wants it sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A binary message.
    Binary(Bytes),
    /// A text message.
    Text(String),
}

/// A message that is no frame. The connection is to be closed with a protocol error (1002).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It has no channel byte.
    #[error("a message without a channel number")]
    Empty,
    /// No such channel.
    #[error("channel {0} is not one of stdin (0), stdout (1), stderr (2), error (3), resize (4)")]
    UnknownChannel(u8),
    /// A text message is not base64.
    #[error("a text message is not base64")]
    NotBase64,
    /// A close signal that does not name one channel.
    #[error("a close signal names exactly one channel")]
    BadClose,
}

impl Frame {
    /// Reads the payload of one WebSocket message, binary or text as `protocol` has it.
    pub fn decode(protocol: Protocol, payload: &Bytes) -> Result<Self, FrameError> {
        let Some(&first) = payload.first() else {
            return Err(FrameError::Empty);
        };
        if protocol.is_base64() {
            let channel = Channel::parse(first.wrapping_sub(b'0'))?;
            let bytes = STANDARD
                .decode(&payload[1..])
                .map_err(|_| FrameError::NotBase64)?;
            return Ok(Self::Data(channel, bytes.into()));
        }
        if first == CLOSE && protocol.can_half_close() {
            return match payload[1..] {
                [channel] => Ok(Self::Close(Channel::parse(channel)?)),
                _ => Err(FrameError::BadClose),
            };
        }
        Ok(Self::Data(Channel::parse(first)?, payload.slice(1..)))
    }

    /// Writes the payload of one WebSocket message. `None` for a close signal that `protocol` does not have.
    pub fn encode(&self, protocol: Protocol) -> Option<Message> {
        match self {
            Self::Data(channel, bytes) if protocol.is_base64() => {
                let mut text = String::with_capacity(2 + bytes.len() * 4 / 3);
                text.push(char::from(b'0' + channel.number()));
                STANDARD.encode_string(bytes, &mut text);
                Some(Message::Text(text))
            }
            Self::Data(channel, bytes) => {
                let mut out = BytesMut::with_capacity(1 + bytes.len());
                out.put_u8(channel.number());
                out.put_slice(bytes);
                Some(Message::Binary(out.freeze()))
            }
            Self::Close(channel) if protocol.can_half_close() => {
                Some(Message::Binary(Bytes::copy_from_slice(&[
                    CLOSE,
                    channel.number(),
                ])))
            }
            Self::Close(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Channel, Frame, FrameError, Message};
    use crate::Protocol;

    #[test]
    fn frames_are_read_as_kubernetes_writes_them() {
        let check = |protocol, payload: &'static [u8], expected: Result<Frame, FrameError>| {
            assert_eq!(
                Frame::decode(protocol, &Bytes::from_static(payload)),
                expected,
                "{payload:?}"
            );
        };
        let data =
            |channel, bytes: &'static [u8]| Ok(Frame::Data(channel, Bytes::from_static(bytes)));
        check(Protocol::V5, b"\x00ls\n", data(Channel::Stdin, b"ls\n"));
        check(Protocol::V5, b"\x01", data(Channel::Stdout, b""));
        check(Protocol::V5, b"\xff\x00", Ok(Frame::Close(Channel::Stdin)));
        check(
            Protocol::V4,
            b"\xff\x00",
            Err(FrameError::UnknownChannel(255)),
        );
        check(Protocol::V5, b"\xff", Err(FrameError::BadClose));
        check(Protocol::V5, b"\x09x", Err(FrameError::UnknownChannel(9)));
        check(Protocol::V5, b"", Err(FrameError::Empty));
        check(Protocol::V4Base64, b"0bHMK", data(Channel::Stdin, b"ls\n"));
        check(Protocol::V4Base64, b"0!!", Err(FrameError::NotBase64));
        check(
            Protocol::V4Base64,
            b"\x00",
            Err(FrameError::UnknownChannel(208)),
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        for protocol in Protocol::ALL {
            for frame in [
                Frame::Data(Channel::Stdin, Bytes::from_static(b"\xff\x00")),
                Frame::Data(Channel::Error, Bytes::new()),
                Frame::Close(Channel::Stdin),
            ] {
                let payload = match frame.encode(protocol) {
                    Some(Message::Binary(bytes)) => bytes,
                    Some(Message::Text(text)) => text.into(),
                    None => continue,
                };
                assert_eq!(Frame::decode(protocol, &payload), Ok(frame));
            }
        }
    }

    #[test]
    fn only_v5_can_close_one_channel() {
        let close = Frame::Close(Channel::Stdin);
        assert_eq!(
            close.encode(Protocol::V5),
            Some(Message::Binary(Bytes::from_static(b"\xff\x00")))
        );
        assert_eq!(close.encode(Protocol::V4), None);
        assert_eq!(close.encode(Protocol::V4Base64), None);
    }
}
