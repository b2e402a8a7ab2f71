//! The store on a folder and on a disk that fails.

mod faults;
mod faulty;
mod folder;
mod keys;
