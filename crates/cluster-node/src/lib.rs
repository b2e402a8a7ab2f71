//! A node agent: the behaviour of a kubelet for one machine, spoken to the API server over HTTPS only.
//!
//! **In scope:** which containers of a Pod are to run, with which configuration, volumes and environment;
//! their status, Events and logs; serving `containerLogs`, `exec` and `attach` to the API server.
//! **Out of scope:** how a container is made (that is `cluster-sandbox`, behind a port) and where objects are
//! kept (`cluster-server`).
//!
//! A Pod walks through the modules in this order: [`dispatch`] sees it, its [`worker`] asks [`pod`] what is
//! to be done, sets up [`volumes`], starts containers and reports; [`serve`] lets others look inside.

pub mod node;
pub use node::{Keep, Node, NodeConfig, StartError};

pub mod backoff;
pub mod client;
pub mod dispatch;
pub mod events;
pub mod files;
pub mod logs;
pub mod objects;
pub mod pod;
pub mod probes;
pub mod register;
pub mod serve;
pub mod shared;
pub mod volumes;
pub mod worker;

/// Where the time comes from.
pub type Clock = std::sync::Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;
