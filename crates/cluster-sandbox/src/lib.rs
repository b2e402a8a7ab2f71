//! Containers of one machine: namespaces, images, overlay file systems, ptys, logs.
//!
//! **In scope:** making and ending Pod sandboxes and containers, running processes in them, images
//! without a registry. **Out of scope:** what a Pod is (that is `cluster-node`) and where objects are
//! kept (`cluster-server`).
//!
//! A container is made by a *helper*: this same program, executed again in a hidden mode without
//! threads (the container runtime forks), which holds the container's terminal or pipes, writes its
//! log and its exit record, and lives on when the agent does not.

pub mod runtime;

mod reference;

pub mod images;

pub mod local;
pub use local::{Cgroups, HelperCommand, LocalConfig, LocalRuntime, OpenError};

mod bundle;
mod capabilities;
mod cgroups;
mod identity;
mod namespaces;
mod network;
mod overlay;
mod process;
mod seccomp;

pub mod helper;
pub use helper::{HELPER_ARG0, helper_main};

mod clock;
mod durable;
mod protocol;
mod sys;
mod wire;
