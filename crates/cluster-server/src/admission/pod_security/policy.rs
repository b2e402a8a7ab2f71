//! What the labels of a namespace ask for (`k8s.io/pod-security-admission/api`).

use std::fmt;

use serde_json::Value;

use crate::field::{FieldError, Path};

/// What all labels and annotations of Pod Security begin with.
pub(super) const PREFIX: &str = "pod-security.kubernetes.io/";

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// Which release's checks are meant. The latest is newer than all that have a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    /// `v1.` and this.
    Minor(u32),
    Latest,
}

/// A level and the version of its checks, printed as `baseline:latest`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LevelVersion {
    pub(super) level: Level,
    pub(super) version: Version,
}

/// What is asked of a namespace's Pods: what is refused, what is told to the auditors, what the client is warned of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) enforce: LevelVersion,
    pub(super) audit: LevelVersion,
    pub(super) warn: LevelVersion,
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Latest => write!(f, "{level}:latest"),
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

impl Policy {
    /// Reads a namespace's labels (`PolicyToEvaluate`). A label that cannot be read is an error; until it is mended it
    /// means `restricted` where it enforces, and nothing where it only tells.
    pub(super) fn of(labels: &Value) -> (Self, Vec<FieldError>) {
        let mut errors = Vec::new();
        let [enforce, audit, mut warn] =
            ["enforce", "audit", "warn"].map(|mode| Mode::read(labels, mode, &mut errors));
        // Who enforces a level without a word about warnings wants them for what is not enforced, as for templates.
        if !warn.asked && enforce.asked && !enforce.unread {
            let version = if warn.versioned {
                warn.held.version
            } else {
                enforce.held.version
            };
            if enforce.held.level > warn.held.level {
                warn.held.level = enforce.held.level;
                warn.held.version = version;
            }
        }
        let policy = Self {
            enforce: enforce.held,
            audit: audit.held,
            warn: warn.held,
        };
        (policy, errors)
    }

    /// Whether nothing is asked in any mode.
    pub(super) fn is_privileged(&self) -> bool {
        [self.enforce, self.audit, self.warn]
            .iter()
            .all(|mode| mode.level == Level::Privileged)
    }
}

/// The labels of one mode.
struct Mode {
    held: LevelVersion,
    /// Whether there is a label for the level.
    asked: bool,
    /// Whether that label cannot be read.
    unread: bool,
    /// Whether there is a label for the version.
    versioned: bool,
}

impl Mode {
    fn read(labels: &Value, mode: &str, errors: &mut Vec<FieldError>) -> Self {
        let mut complain = |key: &str, value: &str, why: &str| {
            let field = Path::new("metadata.labels").key(key);
            errors.push(FieldError::invalid(&field, value, why));
        };
        let key = format!("{PREFIX}{mode}");
        let asked = labels[&key].as_str();
        let level = match asked {
            None | Some("privileged") => Some(Level::Privileged),
            Some("baseline") => Some(Level::Baseline),
            Some("restricted") => Some(Level::Restricted),
            Some(other) => {
                complain(
                    &key,
                    other,
                    "must be one of privileged, baseline, restricted",
                );
                None
            }
        };
        let key = format!("{PREFIX}{mode}-version");
        let versioned = labels[&key].as_str();
        let version = versioned.map_or(Some(Version::Latest), read_version);
        if let (None, Some(text)) = (version, versioned) {
            complain(&key, text, "must be \"latest\" or \"v1.x\"");
        }
        let in_doubt = if mode == "enforce" {
            Level::Restricted
        } else {
            Level::Privileged
        };
        Self {
            held: LevelVersion {
                level: level.unwrap_or(in_doubt),
                version: version.unwrap_or(Version::Latest),
            },
            asked: asked.is_some(),
            unread: level.is_none(),
            versioned: versioned.is_some(),
        }
    }
}

fn read_version(text: &str) -> Option<Version> {
    if text == "latest" {
        return Some(Version::Latest);
    }
    let minor = text.strip_prefix("v1.")?;
    let digits = minor.bytes().all(|digit| digit.is_ascii_digit());
    let canonical = minor == "0" || !minor.starts_with('0');
    let number = minor.parse().ok().filter(|_| digits && canonical);
    number.map(Version::Minor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(labels: &[(&str, &str)], expected: [&str; 3], errors: usize) {
        let map: serde_json::Map<String, Value> = labels
            .iter()
            .map(|(key, value)| (format!("{PREFIX}{key}"), json!(value)))
            .collect();
        let (policy, found) = Policy::of(&map.into());
        let told = [policy.enforce, policy.audit, policy.warn].map(|mode| mode.to_string());
        assert_eq!(told, expected, "{labels:?}");
        assert_eq!(found.len(), errors, "{found:?}");
    }

    #[test]
    fn labels_are_read_with_kubernetes_defaults() {
        let (none, baseline) = ("privileged:latest", "baseline:latest");
        check(&[], [none; 3], 0);
        check(&[("enforce", "baseline")], [baseline, none, baseline], 0);
        check(
            &[("enforce", "baseline"), ("warn", "privileged")],
            [baseline, none, none],
            0,
        );
        check(
            &[("enforce", "baseline"), ("enforce-version", "v1.24")],
            ["baseline:v1.24", none, "baseline:v1.24"],
            0,
        );
        check(
            &[("enforce", "baseline"), ("warn-version", "v1.30")],
            [baseline, none, "baseline:v1.30"],
            0,
        );
        check(
            &[("enforce", "strict")],
            ["restricted:latest", none, none],
            1,
        );
        check(
            &[("audit", "strict"), ("warn-version", "1.2")],
            [none; 3],
            2,
        );
        check(&[("enforce-version", "v1.01")], [none; 3], 1);
    }
}
