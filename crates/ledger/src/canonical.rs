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
    let value: serde_json::Value = serde_json::from_slice(entry).map_err(NotCanonical::Json)?;
    let canonical = serde_json_canonicalizer::to_vec(&value).map_err(NotCanonical::Json)?;
    if canonical == entry {
        Ok(())
    } else {
        Err(NotCanonical::Form)
    }
}
