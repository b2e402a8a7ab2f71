//! The size of a terminal on the resize channel: `{"Width":80,"Height":24}`.

use serde_json::{Value, json};

/// Size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A resize message that cannot be read. It is to be ignored, as a kubelet does.
#[derive(Debug, thiserror::Error)]
#[error("a resize message is {{\"Width\":columns,\"Height\":rows}}")]
pub struct ResizeError;

impl TerminalSize {
    /// Reads one message. Field names are matched in any case, as Go's JSON decoder does.
    pub fn parse(bytes: &[u8]) -> Result<Self, ResizeError> {
        let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else {
            return Err(ResizeError);
        };
        let field = |name: &str| {
            let found = fields
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name));
            found
                .and_then(|(_, value)| value.as_u64())
                .and_then(|n| u16::try_from(n).ok())
        };
        match (field("Width"), field("Height")) {
            (Some(width), Some(height)) => Ok(Self { width, height }),
            _ => Err(ResizeError),
        }
    }

    /// Writes one message.
    pub fn to_json(self) -> String {
        json!({"Width": self.width, "Height": self.height}).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::TerminalSize;

    #[test]
    fn sizes_are_read_in_any_case_and_must_be_whole() {
        let check = |text: &str, expected| {
            assert_eq!(
                TerminalSize::parse(text.as_bytes()).ok(),
                expected,
                "{text}"
            );
        };
        let size = Some(TerminalSize {
            width: 80,
            height: 24,
        });
        check(r#"{"Width":80,"Height":24}"#, size);
        check(r#"{"width":80,"height":24}"#, size);
        check(r#"{"Width":80}"#, None);
        check(r#"{"Width":-1,"Height":24}"#, None);
        check(r#"{"Width":70000,"Height":24}"#, None);
        check("", None);
        assert_eq!(
            TerminalSize {
                width: 80,
                height: 24
            }
            .to_json(),
            r#"{"Width":80,"Height":24}"#
        );
    }
}
