//! What somebody asks `kubectl debug` for.

use std::str::FromStr;
use std::sync::LazyLock;

use regex::Regex;

use crate::Profile;

/// The flags that make an ephemeral container.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// `-c`: the container's name.
    pub name: String,
    /// `--image`.
    pub image: String,
    /// `--target`: the container whose processes it is to see.
    pub target: Option<String>,
    /// `--profile`.
    pub profile: Profile,
    /// What follows `--`.
    pub command: Command,
    /// `--env`, in their order.
    pub env: Vec<Variable>,
    /// `--image-pull-policy`.
    pub pull_policy: Option<PullPolicy>,
    /// `-i`.
    pub stdin: bool,
    /// `-t`.
    pub tty: bool,
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Command {
    /// What the image says.
    #[default]
    OfTheImage,
    /// This instead of the image's entry point.
    Instead(Vec<String>),
    /// These as arguments of the image's entry point (`--arguments-only`).
    Arguments(Vec<String>),
}

/// One `--env`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// Text that is no variable; the message is kubectl's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid argument {0:?} for \"--env\" flag: {0} must be formatted as key=value")]
pub struct NotAVariable(pub String);

impl FromStr for Variable {
    type Err = NotAVariable;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| NotAVariable(text.to_owned()))?;
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullPolicy {
    /// Each time.
    Always,
    /// If the node has none.
    IfNotPresent,
    /// Never.
    Never,
}

/// A name that is no pull policy; the message is kubectl's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid image pull policy: {0}")]
pub struct InvalidPullPolicy(pub String);

impl PullPolicy {
    /// The name after `--image-pull-policy=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

impl FromStr for PullPolicy {
    type Err = InvalidPullPolicy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Always, Self::IfNotPresent, Self::Never]
            .into_iter()
            .find(|policy| policy.as_str() == name)
            .ok_or_else(|| InvalidPullPolicy(name.to_owned()))
    }
}

/// Flags that do not go together. Messages and order are kubectl's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No image.
    #[error("you must specify --image when not using --copy-to.")]
    NoImage,
    /// No image reference.
    #[error("invalid image name {0:?}: invalid reference format")]
    InvalidImage(String),
    /// A terminal needs input.
    #[error("-i/--stdin is required for containers with -t/--tty=true")]
    TtyWithoutStdin,
}

impl Ask {
    /// Whether kubectl would take these flags.
    pub fn validate(&self) -> Result<(), AskError> {
        if self.image.is_empty() {
            return Err(AskError::NoImage);
        }
        if !is_reference(&self.image) {
            return Err(AskError::InvalidImage(self.image.clone()));
        }
        if self.tty && !self.stdin {
            return Err(AskError::TtyWithoutStdin);
        }
        Ok(())
    }
}

/// Whether it is an image reference by the grammar of `github.com/distribution/reference`.
fn is_reference(image: &str) -> bool {
    static REFERENCE: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
        let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
        let host = format!(r"(?:{label}(?:\.{label})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?");
        let part = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*";
        let tag = "[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}";
        let algorithm = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*";
        let digest = format!("{algorithm}:[0-9a-fA-F]{{32,}}");
        Regex::new(&format!(
            "^(?:{host}/)?{part}(?:/{part})*(?::{tag})?(?:@{digest})?$"
        ))
    });
    REFERENCE.as_ref().is_ok_and(|regex| regex.is_match(image))
}
