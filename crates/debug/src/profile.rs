//! Debugging profiles (KEP-1441).

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};

/// A static profile of `kubectl debug --profile`.
///
/// The default is `general` from v1.36 on and was `legacy` before, so a line that is to mean one thing
/// everywhere names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Nothing is set. Deprecated.
    Legacy,
    /// `SYS_PTRACE` is added.
    #[default]
    General,
    /// Nothing is set.
    Baseline,
    /// What Pod Security `restricted` demands.
    Restricted,
    /// `NET_ADMIN` and `NET_RAW` are added.
    Netadmin,
    /// Privileged.
    Sysadmin,
}

/// A name that is no profile; the text is kubectl's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown profile: {0}")]
pub struct UnknownProfile(pub String);

impl Profile {
    /// All of them; of two that yield the same, the one to be preferred comes first.
    pub const ALL: [Self; 6] = [
        Self::General,
        Self::Baseline,
        Self::Restricted,
        Self::Netadmin,
        Self::Sysadmin,
        Self::Legacy,
    ];

    /// The name after `--profile=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::General => "general",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
            Self::Netadmin => "netadmin",
            Self::Sysadmin => "sysadmin",
        }
    }

    /// What kubectl says of a profile before it uses it.
    pub fn notice(self) -> Option<&'static str> {
        (self == Self::Legacy).then_some(
            "--profile=legacy is deprecated and planned to be removed in v1.39. It is recommended to \
             specify other profile, for example \"--profile=general\".",
        )
    }

    /// The security context that it gives an ephemeral container, if any.
    pub(crate) fn security_context(self) -> Option<Map<String, Value>> {
        let context = match self {
            Self::Legacy | Self::Baseline => return None,
            Self::General => json!({"capabilities": {"add": ["SYS_PTRACE"]}}),
            Self::Restricted => json!({
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            }),
            Self::Netadmin => json!({"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}),
            Self::Sysadmin => json!({"privileged": true}),
        };
        match context {
            Value::Object(context) => Some(context),
            _ => None,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.as_str() == name)
            .ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}
