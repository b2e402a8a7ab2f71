//! Where a visit goes.

use std::fmt;
use std::str::FromStr;

/// One Pod, not just any Pod of that name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodRef {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID: a Pod made anew under the same name is another Pod.
    pub uid: String,
}

/// In which way a visit reaches its Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// An ephemeral container in the running Pod.
    Ephemeral,
    /// A copy of the Pod with a debug container (`kubectl debug --copy-to`).
    Copy,
    /// A Pod on a node (`kubectl debug node/…`).
    Node,
    /// Facts printed by an inspector, no shell.
    Inspect,
}

impl Mode {
    /// The name in objects and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ephemeral => "Ephemeral",
            Self::Copy => "Copy",
            Self::Node => "Node",
            Self::Inspect => "Inspect",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A mode that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no mode: use Ephemeral, Copy, Node or Inspect")]
pub struct UnknownMode(pub String);

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Ephemeral, Self::Copy, Self::Node, Self::Inspect]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| UnknownMode(text.to_owned()))
    }
}
