//! The entries of one session by their kind.

use jiff::Timestamp;
use ledger::entry::{self, Body, Entry};
use session::{Phase, Session};

use crate::known::{Known, Source, Teller};

/// One part of an entry, and where it stands.
pub(crate) struct At<'e, T> {
    pub(crate) index: u64,
    pub(crate) time: Timestamp,
    pub(crate) kind: &'static str,
    pub(crate) said: &'e T,
}

impl<T> Clone for At<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for At<'_, T> {}

impl<T> At<'_, T> {
    /// A value that stands in this entry.
    pub(crate) fn known<V>(&self, value: V, told_by: Teller) -> Known<V> {
        Known::Value {
            value,
            source: Source {
                entry: self.index,
                kind: self.kind.to_owned(),
                told_by,
            },
        }
    }

    /// A text that stands in this entry, or why it is empty.
    pub(crate) fn text(&self, text: &str, told_by: Teller, why_empty: &str) -> Known<String> {
        if text.is_empty() {
            return Known::absent(why_empty);
        }
        self.known(text.to_owned(), told_by)
    }
}

/// What a session's entries say, and what they add up to.
pub(crate) struct Reading<'e> {
    pub(crate) session: Session,
    pub(crate) requested: At<'e, entry::Request>,
    pub(crate) proposed: Option<At<'e, entry::Terms>>,
    pub(crate) judged: Vec<At<'e, entry::Approval>>,
    pub(crate) granted: Option<At<'e, entry::Grant>>,
    /// The last one: a promise that was void can be given again.
    pub(crate) reserved: Option<At<'e, entry::Reservation>>,
    /// Why the last promise is void, unless one was given after it.
    pub(crate) voided: Option<At<'e, String>>,
    pub(crate) committed: Option<At<'e, entry::Commit>>,
    pub(crate) started: Option<At<'e, entry::Started>>,
    pub(crate) attached: Vec<At<'e, entry::Attachment>>,
    pub(crate) overstayed: Option<At<'e, Body>>,
    pub(crate) ended: Option<At<'e, entry::Exit>>,
    pub(crate) closed: Option<At<'e, entry::Closing>>,
    /// The last entry.
    pub(crate) last: At<'e, Body>,
}

impl<'e> Reading<'e> {
    /// With nothing but the ask.
    pub(crate) fn of(
        session: Session,
        requested: At<'e, entry::Request>,
        last: At<'e, Body>,
    ) -> Self {
        Self {
            session,
            requested,
            proposed: None,
            judged: Vec::new(),
            granted: None,
            reserved: None,
            voided: None,
            committed: None,
            started: None,
            attached: Vec::new(),
            overstayed: None,
            ended: None,
            closed: None,
            last,
        }
    }

    /// Takes in one more entry.
    pub(crate) fn take(&mut self, index: u64, entry: &'e Entry) {
        let kind = kind(&entry.body);
        let time = entry.at;
        /// Where a part of this entry stands.
        macro_rules! at {
            ($said:expr) => {
                At {
                    index,
                    time,
                    kind,
                    said: $said,
                }
            };
        }
        self.last = at!(&entry.body);
        match &entry.body {
            Body::Requested(said) => self.requested = at!(said),
            Body::Proposed(said) => self.proposed = Some(at!(said)),
            Body::Judged(said) => self.judged.push(at!(said)),
            Body::Granted(said) => self.granted = Some(at!(said)),
            Body::Reserved(said) => {
                self.reserved = Some(at!(said));
                self.voided = None;
            }
            Body::Voided { why } => self.voided = Some(at!(why)),
            Body::Committed(said) => self.committed = Some(at!(said)),
            Body::Started(said) => self.started = Some(at!(said)),
            Body::Attached(said) => self.attached.push(at!(said)),
            Body::Overstayed {} => self.overstayed = Some(at!(&entry.body)),
            Body::Ended(said) => self.ended = Some(at!(said)),
            Body::Closed(said) => self.closed = Some(at!(said)),
            Body::Opened { .. }
            | Body::Refused(_)
            | Body::Denied(_)
            | Body::Withdrawn { .. }
            | Body::Expired { .. }
            | Body::Failed { .. }
            | Body::Lost { .. } => {}
        }
    }

    /// Admission had allowed the container, and the Pod went away before anybody looked.
    pub(crate) fn lost_with_a_promise(&self) -> bool {
        matches!(self.session.phase, Phase::Lost { promised: true, .. })
    }

    /// Why something that only a visit has is not there.
    pub(crate) fn no_visit(&self) -> String {
        let phase = self.session.phase.name();
        if self.committed.is_some() {
            return format!("the node has not told it; the session is {phase}");
        }
        if self.lost_with_a_promise() {
            return "nobody can say: admission had allowed the container, and the Pod was gone before anybody looked"
                .to_owned();
        }
        if phase.is_final() {
            return format!("nobody entered: the session ended as {phase}");
        }
        format!("nobody has entered yet: the session is {phase}")
    }

    /// Why something that only terms have is not there.
    pub(crate) fn no_terms(&self) -> String {
        let phase = self.session.phase.name();
        if phase.is_final() {
            return format!("no terms were proposed: the session ended as {phase}");
        }
        format!("no terms have been proposed yet: the session is {phase}")
    }
}

/// The kind of an entry as it is written.
pub(crate) fn kind(body: &Body) -> &'static str {
    match body {
        Body::Opened { .. } => "Opened",
        Body::Refused(_) => "Refused",
        Body::Requested(_) => "Requested",
        Body::Proposed(_) => "Proposed",
        Body::Judged(_) => "Judged",
        Body::Granted(_) => "Granted",
        Body::Denied(_) => "Denied",
        Body::Reserved(_) => "Reserved",
        Body::Voided { .. } => "Voided",
        Body::Committed(_) => "Committed",
        Body::Started(_) => "Started",
        Body::Attached(_) => "Attached",
        Body::Overstayed {} => "Overstayed",
        Body::Ended(_) => "Ended",
        Body::Closed(_) => "Closed",
        Body::Withdrawn { .. } => "Withdrawn",
        Body::Expired { .. } => "Expired",
        Body::Failed { .. } => "Failed",
        Body::Lost { .. } => "Lost",
    }
}
