//! The nouns of a debug session and its life.
//!
//! A session is one visit to a running Pod through an ephemeral container (KEP-277), from the ask to
//! the close. **In scope:** who asks for what, the hash that an approval binds, the phases and the one
//! function that steps them. **Out of scope:** who may (that is `policy`), Kubernetes objects (`api`),
//! how entries are stored (`ledger`). Nothing here reads a clock, a disk or a network.

pub mod person;
pub use person::Person;

pub mod pod;
pub use pod::{Mode, PodRef};

pub mod container;
pub use container::Container;

pub mod handle;
pub use handle::Handle;

pub mod request;
pub use request::{Checked, Injection, Request, SessionId, Surface};

pub mod spec_hash;
pub use spec_hash::{PolicyVersion, SpecHash};

pub mod approval;
pub use approval::{Approval, Verdict};

pub mod event;
pub use event::Event;

pub mod phase;
pub use phase::{Phase, PhaseName};

pub mod step;
pub use step::{Refusal, Session, step};
