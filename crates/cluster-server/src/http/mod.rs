//! The API over HTTP/1.1: who asks, whether they may, which verb that is, and the answer's bytes.
//!
//! Routing and negotiation are here; what a verb does is in [`crate::api`].

mod audit;
mod collection;
mod handler;
mod limits;
mod list_query;
mod listen;
mod metrics;
mod negotiate;
mod query;
mod read;
mod respond;
mod route;
mod scale;
mod single;
mod stream;
mod subresource;
mod table;
mod yaml;

pub use handler::Handler;
pub use listen::{Listener, Peer, TlsError};
pub use negotiate::wants_discovery;
pub use respond::{Answer, BoxBody, Document, empty, full};
