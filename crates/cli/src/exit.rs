//! How the command ends.

use std::process::ExitCode;

/// The exit statuses of `ephemera`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done: 0.
    Done,
    /// An error or wrong usage: 1.
    Error,
    /// Refused by a policy, a person or admission: 3.
    Denied,
    /// Waited too long: 4.
    TimedOut,
    /// What was to be verified does not hold: 5.
    Unverified,
    /// The debug container's own status, which `debug` passes on.
    Container(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Error => Self::from(1),
            Exit::Denied => Self::from(3),
            Exit::TimedOut => Self::from(4),
            Exit::Unverified => Self::from(5),
            Exit::Container(code) => Self::from(code),
        }
    }
}

/// A command that did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// What is said, with its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// A refusal.
    pub fn denied(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Denied,
            error: anyhow::Error::msg(message.into()),
        }
    }

    /// A wait that took too long.
    pub fn timed_out(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::TimedOut,
            error: anyhow::Error::msg(message.into()),
        }
    }

    /// Something that does not verify.
    pub fn unverified(error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit: Exit::Unverified,
            error: error.into(),
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        // An API server's 403 is a refusal, wherever it was met.
        let denied = error.chain().any(|cause| {
            matches!(cause.downcast_ref::<kube::Error>(), Some(kube::Error::Api(status)) if status.code == 403)
        });
        Self {
            exit: if denied { Exit::Denied } else { Exit::Error },
            error,
        }
    }
}

/// What a command comes to.
pub type Outcome = Result<Exit, Failure>;
