//! Canonical JSON (RFC 8785).
//!
//! Two checks with one answer. `plain` reads the bytes once and says yes to what is canonical beyond
//! doubt, which is nearly every entry; what it does not know goes the long way, through a parsed value
//! written out again. A million entries are verified in seconds because of it.

use thiserror::Error;

/// Why bytes are not an entry. The caller's program is wrong; a retry will not help.
#[derive(Debug, Error)]
pub enum NotCanonical {
    /// Not JSON at all.
    #[error("the entry is not JSON")]
    Json(#[source] serde_json::Error),
    /// JSON, but there is another, canonical way to write the same value: RFC 8785 sorts keys, has no
    /// white space, one form of numbers and strings, and no key twice.
    #[error("the entry is JSON, but not in the canonical form of RFC 8785")]
    Form,
}

/// Checks that bytes are canonical JSON (RFC 8785), so that equal events are equal bytes.
pub fn check_canonical(entry: &[u8]) -> Result<(), NotCanonical> {
    if str::from_utf8(entry).is_ok() && plain(entry, DEPTH).is_some_and(<[u8]>::is_empty) {
        return Ok(());
    }
    let value: serde_json::Value = serde_json::from_slice(entry).map_err(NotCanonical::Json)?;
    let canonical = serde_json_canonicalizer::to_vec(&value).map_err(NotCanonical::Json)?;
    if canonical == entry {
        Ok(())
    } else {
        Err(NotCanonical::Form)
    }
}

/// Deeper values take the long way, which has a limit of its own.
const DEPTH: u8 = 32;
/// Integers of so many digits are exact as the numbers of RFC 8785.
const DIGITS: usize = 15;

/// What follows the value that the bytes begin with, if that value is canonical and of a simple kind.
fn plain(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    let depth = depth.checked_sub(1)?;
    match bytes.first()? {
        b'{' => object(&bytes[1..], depth),
        b'[' => array(&bytes[1..], depth),
        b'"' => string(bytes).map(|(_, rest)| rest),
        b'-' => integer(&bytes[1..]).filter(|_| bytes[1] != b'0'),
        b'0'..=b'9' => integer(bytes),
        _ => [&b"true"[..], b"false", b"null"]
            .iter()
            .find_map(|word| bytes.strip_prefix(*word)),
    }
}

fn object(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    if let Some(rest) = bytes.strip_prefix(b"}") {
        return Some(rest);
    }
    let (mut rest, mut last) = (bytes, None);
    loop {
        let (key, after) = string(rest)?;
        // Keys sort by UTF-16 code units: for ASCII the same as by bytes.
        if !key.is_ascii() || last.is_some_and(|last| last >= key) {
            return None;
        }
        last = Some(key);
        rest = plain(after.strip_prefix(b":")?, depth)?;
        match rest.split_first()? {
            (b',', more) => rest = more,
            (b'}', after) => return Some(after),
            _ => return None,
        }
    }
}

fn array(bytes: &[u8], depth: u8) -> Option<&[u8]> {
    if let Some(rest) = bytes.strip_prefix(b"]") {
        return Some(rest);
    }
    let mut rest = bytes;
    loop {
        rest = plain(rest, depth)?;
        match rest.split_first()? {
            (b',', more) => rest = more,
            (b']', after) => return Some(after),
            _ => return None,
        }
    }
}

/// A string without escapes, and what follows it.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = bytes.strip_prefix(b"\"")?;
    let end = text
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
    (text[end] == b'"').then(|| (&text[..end], &text[end + 1..]))
}

fn integer(bytes: &[u8]) -> Option<&[u8]> {
    let digits = bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (number, rest) = bytes.split_at(digits);
    let simple = (1..=DIGITS).contains(&digits)
        && (digits == 1 || number[0] != b'0')
        && !matches!(rest.first(), Some(b'.' | b'e' | b'E'));
    simple.then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DEPTH, plain};

    /// The long way alone.
    fn canonical(text: &str) -> bool {
        serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|value| serde_json_canonicalizer::to_string(&value).unwrap() == text)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn the_short_way_never_says_yes_to_what_the_long_way_refuses(
            text in prop::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\"", "\"a\":", "\"b\":", "0", "1", "-", "-0", "12",
                ".", "e", "true", "null", "\\", "\\n", " ", "\u{e9}", "\u{1}", "9007199254740993", "999999999999999",
            ]), 1..12).prop_map(|parts| parts.concat()),
        ) {
            let short = plain(text.as_bytes(), DEPTH).is_some_and(<[u8]>::is_empty);
            prop_assert!(!short || canonical(&text), "{}", text);
        }
    }

    #[test]
    fn ordinary_entries_go_the_short_way() {
        for text in [
            r#"{"a":[],"b":{"c":-12,"d":null},"e":[1,"x",false]}"#,
            r#""é""#,
            "{}",
            "0",
        ] {
            assert!(canonical(text));
            assert_eq!(plain(text.as_bytes(), DEPTH), Some(&b""[..]), "{text}");
        }
    }
}
