//! One request's event while the request is handled (`AuditContext`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::event::{Event, ObjectReference, go_duration, micro_time, without_managed_fields};
use super::policy::{Stage, Verdict};
use super::{Annotations, Auditor, Level};
use crate::identity::{Attributes, User};

/// A request that took longer tells how long (`writeLatencyToAnnotation`).
const SLOW: SignedDuration = SignedDuration::from_millis(500);

/// What is known of a request before anybody looks at it.
#[derive(Debug, Clone)]
pub struct Received {
    /// The client's `Audit-ID`, or a new one.
    pub audit_id: String,
    /// When.
    pub at: Timestamp,
    /// Path and query as they came.
    pub uri: String,
    /// `X-Forwarded-For`, `X-Real-Ip` and the connection's other end, in this order.
    pub source_ips: Vec<String>,
    /// What the client calls itself, cut to 1024 bytes.
    pub user_agent: String,
}

/// Writes the event of one request at its stages. The default writes nothing: that request is not audited.
///
/// # Guarantees
/// The request is complete when the last clone is dropped, or [`complete`](Self::complete) is called, whichever comes
/// first: whoever goes on working for the request after its handler has returned (a watch, a stream) keeps a clone.
#[derive(Debug, Clone, Default)]
pub struct Trail(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    auditor: Arc<Auditor>,
    verdict: Verdict,
    annotations: Annotations,
    pace: Pace,
    received: Timestamp,
    finished: AtomicBool,
    event: Mutex<Event>,
}

impl Trail {
    /// Begins the event of a request, as the policy wants it.
    pub(crate) fn begin(
        auditor: &Arc<Auditor>,
        received: &Received,
        user: Option<&User>,
        attributes: &Attributes,
    ) -> Self {
        let verdict = auditor.policy.evaluate(user, attributes);
        if verdict.level == Level::None {
            return Self::default();
        }
        let event = Event {
            level: verdict.level.as_str(),
            audit_id: received.audit_id.clone(),
            request_uri: received.uri.clone(),
            verb: attributes.verb.clone(),
            user: user.map_or_else(|| json!({}), User::to_user_info),
            source_ips: received.source_ips.clone(),
            user_agent: received.user_agent.clone(),
            object_ref: ObjectReference::of(attributes),
            request_received_timestamp: micro_time(received.at),
            ..Event::default()
        };
        Self(Some(Arc::new(Inner {
            auditor: Arc::clone(auditor),
            annotations: Annotations::at(verdict.level),
            verdict,
            pace: Pace::of(user, attributes),
            received: received.at,
            finished: AtomicBool::new(false),
            event: Mutex::new(event),
        })))
    }

    /// The annotations of this event.
    pub fn annotations(&self) -> Annotations {
        self.0
            .as_ref()
            .map_or_else(Annotations::default, |inner| inner.annotations.clone())
    }

    /// Writes the stage RequestReceived; `false` if it must be written for the request to go on, and was not.
    pub(crate) fn received(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|inner| inner.write(Stage::RequestReceived))
    }

    /// Notes whom the request acts as.
    pub(crate) fn impersonated(&self, user: &User, constraint: &str) {
        self.edit(|event| event.impersonate(user, constraint));
    }

    /// Whether the request's object is written, not only what it is.
    pub(crate) fn wants_object(&self) -> bool {
        let level = self.0.as_ref().map(|inner| inner.verdict.level);
        level >= Some(Level::Request)
    }

    /// Notes the request's object, as it was decoded and defaulted (`LogRequestObject`).
    pub(crate) fn request_object(&self, object: &Value) {
        let Some(inner) = &self.0 else { return };
        inner.edit(|event| {
            event.object_ref.get_or_insert_default().complete(object);
            if inner.verdict.level >= Level::Request {
                event.request_object = Some(inner.shown(object.clone()));
            }
        });
    }

    /// Notes a patch, as it came.
    pub(crate) fn request_patch(&self, bytes: &[u8]) {
        if self.wants_object() {
            self.edit(|event| event.request_object = serde_json::from_slice(bytes).ok());
        }
    }

    /// Notes the options of a deletion.
    pub(crate) fn request_options(&self, options: &Value) {
        if self.wants_object() {
            self.edit(|event| event.request_object = Some(options.clone()));
        }
    }

    /// Notes the answer: its code, and what it says (`LogResponseObject`). Of a request that takes its time this is
    /// the stage ResponseStarted.
    pub(crate) fn answered(&self, code: u16, shown: Option<&Bytes>) {
        let Some(inner) = &self.0 else { return };
        if inner.finished.load(Ordering::Acquire) {
            return;
        }
        let status = shown.and_then(status_of);
        let object = shown
            .filter(|_| inner.verdict.level >= Level::RequestResponse)
            .and_then(|bytes| serde_json::from_slice(bytes).ok());
        inner.edit(|event| {
            event.answer(code, status.as_ref());
            event.response_object = object.map(|object| inner.shown(object));
        });
        if inner.pace != Pace::Short {
            inner.write(Stage::ResponseStarted);
        }
        if inner.pace == Pace::Refused {
            inner.finished.store(true, Ordering::Release);
        }
    }

    /// Writes the stage ResponseComplete: nothing more will be sent.
    pub(crate) fn complete(&self) {
        if let Some(inner) = &self.0 {
            inner.complete();
        }
    }

    /// Writes the stage Panic, and nothing after it.
    pub(crate) fn panicked(&self, why: &str) {
        let Some(inner) = &self.0 else { return };
        if inner.finished.swap(true, Ordering::AcqRel) {
            return;
        }
        let message = format!("APIServer panic'd: {why}");
        let status = json!({"status": "Failure", "message": message, "reason": "InternalError"});
        inner.edit(|event| event.answer(500, Some(&status)));
        inner.write(Stage::Panic);
    }

    fn edit(&self, edit: impl FnOnce(&mut Event)) {
        if let Some(inner) = &self.0 {
            inner.edit(edit);
        }
    }
}

impl Inner {
    fn edit(&self, edit: impl FnOnce(&mut Event)) {
        edit(&mut self.event.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn shown(&self, mut object: Value) -> Value {
        if self.verdict.omit_managed_fields {
            without_managed_fields(&mut object);
        }
        object
    }

    fn complete(&self) {
        if self.finished.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut silent = false;
        self.edit(|event| {
            silent = event.response_status.is_none();
            if silent {
                // The client went before there was an answer.
                let status = json!({"status": "Success", "message": "Connection closed early"});
                event.answer(200, Some(&status));
            }
        });
        let took = self.auditor.clock.now().duration_since(self.received);
        if took > SLOW {
            self.annotations
                .insert("apiserver.latency.k8s.io/total", go_duration(took));
        }
        if silent && self.pace == Pace::Long {
            self.write(Stage::ResponseStarted);
        }
        self.write(Stage::ResponseComplete);
    }

    fn write(&self, stage: Stage) -> bool {
        if self.verdict.omit_stages.contains(&stage) {
            return true;
        }
        let mut event = self.event.lock().unwrap_or_else(PoisonError::into_inner);
        let time = if stage == Stage::RequestReceived {
            event.request_received_timestamp.clone()
        } else {
            micro_time(self.auditor.clock.now())
        };
        event.at(stage, time);
        event.annotations = self.annotations.all();
        self.auditor.write(&event)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.complete();
    }
}

/// Which stages an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// It is complete at once.
    Short,
    /// It is started, and complete later.
    Long,
    /// Nobody could be authenticated: Kubernetes writes the one stage ResponseStarted.
    Refused,
}

impl Pace {
    fn of(user: Option<&User>, attributes: &Attributes) -> Self {
        match user {
            None => Self::Refused,
            Some(_) if is_long_running(attributes) => Self::Long,
            Some(_) => Self::Short,
        }
    }
}

/// Verbs and subresources whose answers take their time (`BasicLongRunningRequestCheck`).
fn is_long_running(attributes: &Attributes) -> bool {
    matches!(attributes.verb.as_str(), "watch" | "proxy")
        || (attributes.is_resource()
            && matches!(
                attributes.subresource.as_str(),
                "attach" | "exec" | "proxy" | "log" | "portforward"
            ))
}

/// The answer as a `Status`, if it is one: built-in objects tell their kind at the front.
fn status_of(bytes: &Bytes) -> Option<Value> {
    let head = &bytes[..bytes.len().min(64)];
    let kind = br#""kind":"Status""#;
    head.windows(kind.len())
        .any(|window| window == kind)
        .then(|| serde_json::from_slice(bytes).ok())
        .flatten()
}
