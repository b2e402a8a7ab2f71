//! Containers of one machine: namespaces, images, overlay file systems, ptys, logs.
//!
//! **In scope:** making and ending Pod sandboxes and containers, running processes in them, images
//! without a registry. **Out of scope:** what a Pod is (that is `cluster-node`) and where objects are
//! kept (`cluster-server`).

pub mod runtime;
