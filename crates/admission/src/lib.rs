//! Admission: who may come in, asked by the API server itself.
//!
//! **In scope:** `AdmissionReview` in, [`Answer`] out, for three doors: [`Gate::visits`] (validating:
//! ephemeral containers, attach, exec), [`Gate::stamp`] (mutating, on our own objects only) and
//! [`Gate::objects`] (validating, on our own objects). **Out of scope:** HTTP and TLS (`server`), rules
//! (`policy`), what may follow what (`session::step`).
//!
//! There is no rule here and no answer that begins as allowed. What is let in was read live, judged by
//! [`policy::evaluate()`] and is durable in the journal before the answer is given (KEP-277 leaves
//! ephemeral containers without an end, so the way in is the only place to say no).

pub mod review;
pub use review::{Allowed, Answer, Refused, RefusedKind, Review, ReviewError, UserInfo};

pub mod cluster;
pub use cluster::{Cluster, ReadError};

pub mod gate;
pub use gate::Gate;

mod attempts;
mod connecting;
mod difference;
mod entering;
mod facts;
mod objects;
mod pod;
mod preview;
mod stamp;
mod words;
