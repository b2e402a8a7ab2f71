//! The channels of `exec` and `attach` over WebSocket, as Kubernetes frames them.
//!
//! Sources: KEP-4006, `k8s.io/apimachinery/pkg/util/remotecommand`, `k8s.io/apimachinery/pkg/util/httpstream/wsstream`.
//!
//! **In scope:** choosing a subprotocol, turning WebSocket messages into frames and back, the final
//! status on the error channel, terminal sizes. **Out of scope:** the WebSocket itself (its handshake,
//! masking, fragments), sockets and time. The caller owns the connection.

pub mod frame;
pub mod protocol;
pub mod resize;
pub mod status;

pub use frame::{Channel, Frame, FrameError, Message};
pub use protocol::Protocol;
pub use resize::{ResizeError, TerminalSize};
pub use status::{Outcome, StatusError};
