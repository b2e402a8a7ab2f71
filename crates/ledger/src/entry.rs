//! What one entry of the log says.
//!
//! An entry is canonical JSON (RFC 8785) of at most [`MAX_BYTES`] bytes. These are the log's own wire
//! types: a change of `session`'s types does not change what old entries mean. A field that this
//! version does not know is refused, since a reader that skips it would tell half of the story.

mod convert;
mod wire;

pub use wire::{
    Approval, Attachment, Checked, Closing, Commit, Denial, Exit, Grant, Node, Person, Pod,
    PolicyVersion, Quorum, Refused, Request, Reservation, Right, SessionId, Started, Surroundings,
    Terms,
};

use serde::{Deserialize, Serialize};

/// The longest entry: the length prefix of an entry bundle is 16 bits (C2SP tlog-tiles).
pub const MAX_BYTES: usize = 65_535;

/// The version of these wire types.
pub const VERSION: u32 = 1;

/// One entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`VERSION`].
    pub v: u32,
    /// When it was recorded, RFC 3339 in UTC; never before the entry in front of it.
    pub at: jiff::Timestamp,
    /// UID of the session it belongs to; absent for what belongs to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What happened.
    pub body: Body,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", deny_unknown_fields)]
#[expect(missing_docs, reason = "named after and described by `session::Event`")]
pub enum Body {
    /// The first entry of a log.
    Opened {
        /// Who wrote it: program and version.
        writer: String,
    },
    /// An attempt that was refused at the API server's door.
    Refused(Refused),
    Requested(Request),
    Proposed(Terms),
    Judged(Approval),
    Granted(Grant),
    Denied(Denial),
    Reserved(Reservation),
    Voided {
        why: String,
    },
    Committed(Commit),
    Started(Started),
    Attached(Attachment),
    Overstayed {},
    Ended(Exit),
    Closed(Closing),
    Withdrawn {
        by: Person,
    },
    Expired {
        why: String,
    },
    Failed {
        why: String,
    },
    Lost {
        why: String,
    },
}

/// An entry that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// It is too long for the log.
    #[error(
        "the entry has {bytes} bytes, and the log takes at most {MAX_BYTES}: ask for less in one session"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It has no JSON form.
    #[error("the entry has no canonical JSON form")]
    Json(#[source] serde_json::Error),
}

/// Bytes that are no entry of this version.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// They are not the JSON of an entry.
    #[error("these bytes are no entry of version {VERSION}")]
    Json(#[source] serde_json::Error),
    /// Its version is another.
    #[error(
        "the entry is of version {0}, and this program reads version {VERSION}: use a newer one"
    )]
    Version(u32),
    /// The same content in another spelling: hashes would differ.
    #[error("the entry is not in canonical JSON (RFC 8785)")]
    NotCanonical,
    /// A field has a value that it cannot have.
    #[error("the entry's {field} is {value:?}, which it cannot be")]
    Field {
        /// Which.
        field: &'static str,
        /// What stands there.
        value: String,
    },
}

impl Entry {
    /// An entry of this version about what happened to a session.
    pub fn of_session(session_uid: &str, at: jiff::Timestamp, event: &session::Event) -> Self {
        Self {
            v: VERSION,
            at,
            session: Some(session_uid.to_owned()),
            body: Body::from(event),
        }
    }

    /// An entry of this version that belongs to no session.
    pub fn of_log(at: jiff::Timestamp, body: Body) -> Self {
        Self {
            v: VERSION,
            at,
            session: None,
            body,
        }
    }

    /// The bytes that are hashed and stored.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let bytes = serde_json_canonicalizer::to_vec(self).map_err(EncodeError::Json)?;
        if bytes.len() > MAX_BYTES {
            return Err(EncodeError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads stored bytes. What is read and written again gives the same bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let version: Version = serde_json::from_slice(bytes).map_err(DecodeError::Json)?;
        if version.v != VERSION {
            return Err(DecodeError::Version(version.v));
        }
        let entry: Self = serde_json::from_slice(bytes).map_err(DecodeError::Json)?;
        match entry.encode() {
            Ok(again) if again == bytes => Ok(entry),
            _ => Err(DecodeError::NotCanonical),
        }
    }

    /// What happened to the session, for entries that belong to one.
    pub fn event(&self) -> Result<Option<session::Event>, DecodeError> {
        self.body.event()
    }
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}
