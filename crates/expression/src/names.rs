//! Property names that are no CEL identifiers (`k8s.io/apiserver/pkg/cel/escaping.go`).

/// Words that CEL keeps for itself; a property of that name is written `__word__`.
const RESERVED: [&str; 20] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
];

const MARKS: [(&str, &str); 5] = [
    ("__", "__underscores__"),
    (".", "__dot__"),
    ("-", "__dash__"),
    ("/", "__slash__"),
    ("$", "__dollar__"),
];

/// The identifier of a property in rules of a schema; `None` where it cannot be written at all.
pub fn escape(property: &str) -> Option<String> {
    if RESERVED.contains(&property) || property == "while" {
        return Some(format!("__{property}__"));
    }
    let mut characters = property.chars();
    let first = characters.next()?;
    if first.is_ascii_digit()
        || !property
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.-/$".contains(c))
    {
        return None;
    }
    let mut out = String::with_capacity(property.len());
    let mut rest = property;
    while !rest.is_empty() {
        if let Some((mark, written)) = MARKS.iter().find(|(mark, _)| rest.starts_with(mark)) {
            out.push_str(written);
            rest = &rest[mark.len()..];
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    Some(out)
}

/// The property of an identifier, the other way round; `None` where no property is written so.
pub fn unescape(identifier: &str) -> Option<String> {
    let word = identifier
        .strip_prefix("__")
        .and_then(|rest| rest.strip_suffix("__"));
    if let Some(word) = word.filter(|word| RESERVED.contains(word) || *word == "while") {
        return Some(word.to_owned());
    }
    let mut out = String::with_capacity(identifier.len());
    let mut rest = identifier;
    while !rest.is_empty() {
        if let Some((mark, written)) = MARKS.iter().find(|(_, written)| rest.starts_with(written)) {
            out.push_str(mark);
            rest = &rest[written.len()..];
        } else if rest.starts_with("__") {
            return None;
        } else {
            let length = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    Some(out)
}

/// Whether `name` may stand where an expression starts: cel-go refuses the words kept for later.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED[4..].contains(&name) || name == "while"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(property: &str, expected: Option<&str>) {
        assert_eq!(escape(property).as_deref(), expected, "{property}");
        if let Some(written) = expected {
            assert_eq!(unescape(written).as_deref(), Some(property));
        }
    }

    #[test]
    fn property_names_are_escaped_as_kubernetes_escapes_them() {
        check("plain", Some("plain"));
        check("my_field", Some("my_field"));
        check("a.b", Some("a__dot__b"));
        check("foo-bar", Some("foo__dash__bar"));
        check("a__b", Some("a__underscores__b"));
        check("x/y$", Some("x__slash__y__dollar__"));
        check("namespace", Some("__namespace__"));
        check("1st", None);
        check("ä", None);
        check("", None);
    }
}
