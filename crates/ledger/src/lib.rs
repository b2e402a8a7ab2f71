//! To be written.

pub mod entry;
