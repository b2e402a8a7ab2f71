//! What `kubectl debug` means.
//!
//! **In scope:** the ephemeral container that `kubectl debug` (v1.32 to v1.36) makes of its flags, byte for byte
//! what it sends; the reverse, which flags yield a given container; and the command line itself. **Out of
//! scope:** copies of Pods, Pods on nodes and `--custom` (later), talking to a cluster (`cli`). Pure.
//!
//! Source: `staging/src/k8s.io/kubectl/pkg/cmd/debug/debug.go` and `profiles.go` of Kubernetes v1.36.

pub mod profile;
pub use profile::{Profile, UnknownProfile};

pub mod ask;
pub use ask::{Ask, AskError, Command, InvalidPullPolicy, NotAVariable, PullPolicy, Variable};

pub mod build;
pub use build::{container, non_root_warning};

pub mod recognise;
pub use recognise::recognise;

pub mod line;
pub use line::{NotSayable, Place, kubectl_line, quoted};
