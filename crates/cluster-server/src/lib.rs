//! An honest single-node Kubernetes API server for Pods and ephemeral containers.
//!
//! **In scope:** storing, watching, patching, validating and admitting the objects of one machine's
//! cluster, answering as `kube-apiserver` v1.36 does. **Out of scope:** running containers (that is
//! `cluster-node`, which talks to this server over HTTPS like any kubelet) and everything a debug
//! visit's governance knows: this crate has never heard of it.
//!
//! A request walks through the modules in this order.

mod server;
pub use server::{Config, Credential, Server, StartError};

pub mod pki;

pub mod aggregation;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod connect;
pub mod discovery;
pub mod http;
pub mod protobuf;
pub mod reviews;
pub mod service;

pub mod admission;
pub mod api;
pub mod controllers;
pub mod crd;
pub mod kinds;
pub mod managed;
pub mod patch;
pub mod store;

pub mod clock;
pub mod error;
pub mod field;
pub mod identity;
