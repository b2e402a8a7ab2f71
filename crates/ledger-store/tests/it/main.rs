//! The store on a folder and on a disk that fails.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod faults;
mod faulty;
mod folder;
mod keys;
