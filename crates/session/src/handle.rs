//! The name of a visit's container.

use std::fmt;

/// What every visit's container name begins with. Reserved: nobody else may use it.
pub const PREFIX: &str = "visit-";

/// `visit-` and the first eight characters of the session's uid.
///
/// The name is known before anything is admitted, and Kubernetes never lets a name be used twice in
/// one Pod: so a grant is single-use by the cluster's own rule, and a retry is the same visit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

impl Handle {
    /// The handle of the session with this uid.
    pub fn of(session_uid: &str) -> Self {
        let short: String = session_uid
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(8)
            .collect();
        Self(format!("{PREFIX}{}", short.to_ascii_lowercase()))
    }

    /// The container name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a container name is in the reserved space.
    pub fn is_reserved(container_name: &str) -> bool {
        container_name.starts_with(PREFIX)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Handle;

    #[test]
    fn a_handle_is_the_prefix_and_eight_characters_of_the_uid() {
        let handle = Handle::of("0F9d2c41-77aa-4c1e-9b1e-1f1f1f1f1f1f");
        assert_eq!(handle.as_str(), "visit-0f9d2c41");
        assert!(Handle::is_reserved(handle.as_str()));
        assert!(!Handle::is_reserved("debugger-x"));
    }
}
