//! YAML bodies, of which JSON is a part: read as `sigs.k8s.io/yaml` reads them, with repeated keys found.

use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;

/// What a body says, and which key it repeats; the last one counts.
pub(super) struct Yaml {
    pub(super) value: Value,
    /// `line 3: key "name" already set in map`
    pub(super) repeated: Option<String>,
}

/// Parses a body.
pub(super) fn parse(bytes: &[u8]) -> Result<Yaml, String> {
    let json = crate::patch::parse_json(bytes);
    if let Ok((value, duplicates)) = json {
        let repeated = if duplicates.is_empty() {
            None
        } else {
            std::str::from_utf8(bytes).ok().and_then(repeated)
        };
        return Ok(Yaml { value, repeated });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| format!("error converting YAML to JSON: yaml: {error}"))?;
    let repeated = repeated(text);
    Ok(Yaml { value, repeated })
}

/// The first key that is there twice in one map.
fn repeated(text: &str) -> Option<String> {
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::Error };
    let error = serde_saphyr::from_str_with_options::<Value>(text, options).err()?;
    match error.without_snippet() {
        serde_saphyr::Error::DuplicateMappingKey { key, location } => Some(format!(
            "line {}: key {:?} already set in map",
            location.line(),
            key.as_deref().unwrap_or_default()
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_is_told_by_its_line_and_the_last_one_counts() {
        for (text, line) in [
            ("a: 1\nb:\n  c: 1\n  c: 2\n", 4),
            ("{\"b\":\n{\"c\": 1,\n\"c\": 2}}", 3),
        ] {
            let yaml = parse(text.as_bytes()).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(yaml.value["b"]["c"], 2);
            let expected = format!("line {line}: key \"c\" already set in map");
            assert_eq!(yaml.repeated, Some(expected), "{text}");
        }
        assert_eq!(parse(b"a: 1").ok().and_then(|yaml| yaml.repeated), None);
        assert!(parse(b"a: [").is_err());
    }
}
