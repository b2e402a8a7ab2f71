//! What a session's entries add up to: the record.
//!
//! **In scope:** folding the entries of one session into its [`Record`], every field of it with a value and
//! its source or with the reason why it is absent; the record's JSON, and its text for a terminal. **Out of
//! scope:** whether the entries are the log's (`ledger::verify`), the terminal's recording and the evidence,
//! which come later and whose fields say so.
//!
//! It needs the entries' bytes only: no cluster, no database, no clock. Entries that could not have
//! followed on each other are refused, so a record cannot be folded from a log that somebody put together.

pub mod known;
pub use known::{Known, Source};

pub mod record;
pub use record::Record;

pub mod fold;
pub use fold::{FoldError, fold};

mod approval;
mod ask;
mod reading;
mod steps;
mod visit;

pub mod text;
pub use text::escaped;
