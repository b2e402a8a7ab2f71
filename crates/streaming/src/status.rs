//! The one message of the error channel: how the command or the attachment ended.
//!
//! Source: `k8s.io/client-go/tools/remotecommand/v4.go`, `k8s.io/kubelet/pkg/cri/streaming/remotecommand/exec.go`.

use serde_json::{Value, json};

/// How an exec or attach ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With exit code 0, or the attached container ended.
    Success,
    /// The process ended with this exit code.
    ExitCode(i32),
    /// The server could not do what was asked.
    Failure(String),
}

/// Bytes of the error channel that are no status. Nothing is known of the outcome then; it is not a success.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Not a JSON object.
    #[error("the error channel carries no status")]
    NotAStatus,
    /// A failure by exit code that does not say which.
    #[error("the status speaks of an exit code and does not tell it")]
    NoExitCode,
}

impl Outcome {
    /// The `metav1.Status` as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Success | Self::ExitCode(0) => json!({"metadata": {}, "status": "Success"}),
            Self::ExitCode(code) => json!({
                "metadata": {},
                "status": "Failure",
                "message": format!("command terminated with non-zero exit code: exit status {code}"),
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
            }),
            Self::Failure(message) => json!({
                "metadata": {},
                "status": "Failure",
                "message": format!("Internal error occurred: {message}"),
                "reason": "InternalError",
                "details": {"causes": [{"message": message}]},
                "code": 500,
            }),
        }
    }

    /// Reads the status.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatusError> {
        let status: Value = serde_json::from_slice(bytes).map_err(|_| StatusError::NotAStatus)?;
        match (status["status"].as_str(), status["reason"].as_str()) {
            (Some("Success"), _) => Ok(Self::Success),
            (Some("Failure"), Some("NonZeroExitCode")) => exit_code(&status)
                .map(Self::ExitCode)
                .ok_or(StatusError::NoExitCode),
            (Some("Failure"), _) => Ok(Self::Failure(
                status["message"].as_str().unwrap_or_default().to_owned(),
            )),
            _ => Err(StatusError::NotAStatus),
        }
    }
}

fn exit_code(status: &Value) -> Option<i32> {
    let causes = status["details"]["causes"].as_array()?;
    causes.iter().find(|cause| cause["reason"] == "ExitCode")?["message"]
        .as_str()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn outcomes_are_read_back() {
        for outcome in [
            Outcome::Success,
            Outcome::ExitCode(7),
            Outcome::ExitCode(137),
        ] {
            let bytes = outcome.to_json().to_string();
            assert_eq!(Outcome::parse(bytes.as_bytes()).ok(), Some(outcome));
        }
    }

    #[test]
    fn what_is_not_understood_is_no_success() {
        for text in [
            "",
            "{}",
            r#"{"status":"Fine"}"#,
            r#"{"status":"Failure","reason":"NonZeroExitCode"}"#,
        ] {
            assert!(Outcome::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
