//! Text that people read before they say yes.

use crate::convert::{ConversionError, error};

/// Without characters that a terminal obeys, or that hide or turn what stands around them (Unicode annex 9).
pub(crate) fn plain(field: &str, text: &str) -> Result<(), ConversionError> {
    let Some(found) = text.chars().find(|c| deceives(*c)) else {
        return Ok(());
    };
    let found = format!("has the character U+{:04X}", u32::from(found));
    Err(error(field, found, "write plain text"))
}

fn deceives(character: char) -> bool {
    match character {
        '\n' | '\t' => false,
        '\u{061c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => true,
        other => other.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_would_deceive_a_reader_is_told_by_its_code() {
        let check = |text: &str, expected: Option<&str>| {
            let found = plain("spec.reason", text).err().map(|e| e.found);
            assert_eq!(found.as_deref(), expected, "{text:?}");
        };
        check("p99 is up\nsince 14:02 – große Last", None);
        check("ok\u{1b}[2J", Some("has the character U+001B"));
        check("ok\rno", Some("has the character U+000D"));
        check("a\u{202e}b", Some("has the character U+202E"));
        check("a\u{200b}b", Some("has the character U+200B"));
    }
}
