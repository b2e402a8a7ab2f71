//! What names, labels and keys may look like (`k8s.io/apimachinery/pkg/util/validation`).
//!
//! Each function returns the complaints, in Kubernetes' words; none means that the text holds.

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const UNDERSCORED: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
const ENV_NAME: &str = "a valid environment variable name must consist only of printable ASCII characters other than '='";
const PORT_NAME: &str = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";

fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn is_label(text: &str) -> bool {
    let inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    !text.is_empty() && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
    let inside = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inside)
}

/// A DNS-1123 label: names of containers, volumes, namespaces.
pub fn dns_label(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 63 {
        out.push(too_long(63));
    }
    if !is_label(text) {
        out.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            LABEL.to_owned()
        });
    }
    out
}

/// A DNS-1035 label, which begins with a letter: names of Services, API versions.
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 63 {
        out.push(too_long(63));
    }
    if !is_label(text) || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        out.push(LABEL_1035.to_owned());
    }
    out
}

/// A DNS-1123 subdomain: names of most objects.
pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 253 {
        out.push(too_long(253));
    }
    if !is_subdomain(text) {
        out.push(SUBDOMAIN.to_owned());
    }
    out
}

/// A DNS-1123 subdomain whose labels may hold underscores: search paths of resolvers.
pub fn dns_subdomain_with_underscore(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 253 {
        out.push(too_long(253));
    }
    let holds = |label: &str| {
        let rest = label.strip_prefix('_').unwrap_or(label);
        let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let mut bytes = rest.bytes();
        edge(rest.bytes().next())
            && edge(rest.bytes().last())
            && bytes.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c))
    };
    if !text.split('.').all(holds) {
        out.push(UNDERSCORED.to_owned());
    }
    out
}

/// A prefix of a name as the name that is judged in its stead: something valid will follow a dash (`maskTrailingDash`).
pub fn prefix(text: &str) -> std::borrow::Cow<'_, str> {
    let masked = text.strip_suffix('-').filter(|stem| !stem.is_empty());
    let mut stem = match masked {
        Some(stem) => stem.to_owned(),
        None => return text.into(),
    };
    stem.pop();
    stem.push('a');
    stem.into()
}

/// A name that may stand in a URL's path: roles and bindings.
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"]
        .iter()
        .filter(|c| text.contains(**c))
        .map(|c| format!("may not contain '{c}'"))
        .collect()
}

/// A qualified name: the key of a label or annotation, a finalizer.
pub fn qualified(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                out.push("prefix part must be non-empty".to_owned());
            } else {
                out.extend(
                    dns_subdomain(prefix)
                        .into_iter()
                        .map(|text| format!("prefix part {text}")),
                );
            }
            name
        }
        _ => {
            return vec![format!(
                "a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        out.push(format!("name part {}", too_long(63)));
    }
    if !is_qualified(name) {
        out.push(format!("name part {QUALIFIED}"));
    }
    out
}

/// The value of a label.
pub fn label_value(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 63 {
        out.push(too_long(63));
    }
    if !text.is_empty() && !is_qualified(text) {
        out.push(LABEL_VALUE.to_owned());
    }
    out
}

/// The key of an entry of a ConfigMap or Secret.
pub fn config_key(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 253 {
        out.push(too_long(253));
    }
    let inside = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(inside) {
        out.push(CONFIG_KEY.to_owned());
    }
    match text {
        "." => out.push("must not be '.'".to_owned()),
        ".." => out.push("must not be '..'".to_owned()),
        text if text.starts_with("..") => out.push("must not start with '..'".to_owned()),
        _ => {}
    }
    out
}

/// The name of an environment variable, by the relaxed rule.
pub fn env_name(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    let holds = text
        .bytes()
        .all(|c| (b' '..=b'~').contains(&c) && c != b'=');
    if holds {
        Vec::new()
    } else {
        vec![ENV_NAME.to_owned()]
    }
}

/// The name of a port (IANA service name).
pub fn port_name(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    if text.len() > 15 {
        out.push(too_long(15));
    }
    if !text
        .bytes()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        || text.is_empty()
    {
        out.push(PORT_NAME.to_owned());
    }
    if !text.bytes().any(|c| c.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        out.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        out.push("must not begin or end with a hyphen".to_owned());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&str) -> Vec<String>, text: &str, starts: &[&str]) {
        let actual = rule(text);
        assert_eq!(actual.len(), starts.len(), "{text}: {actual:?}");
        for (actual, start) in actual.iter().zip(starts) {
            assert!(actual.starts_with(start), "{text}: {actual}");
        }
    }

    #[test]
    fn names_are_judged_as_kubernetes_judges_them() {
        check(dns_label, "dbg", &[]);
        check(dns_label, "1", &[]);
        check(dns_label, "a.b", &["must not contain dots"]);
        check(dns_label, "Dbg", &["a lowercase RFC 1123 label"]);
        check(dns_label, &"d".repeat(64), &["must be no more than 63"]);
        check(dns_subdomain, "a.b-c", &[]);
        check(dns_subdomain, "a..b", &["a lowercase RFC 1123 subdomain"]);
        check(path_segment, "system:node", &[]);
        check(path_segment, "a/b", &["may not contain '/'"]);
        check(qualified, "example.com/My_Name", &[]);
        check(qualified, "/x", &["prefix part must be non-empty"]);
        check(qualified, "a/b/c", &["a qualified name must consist"]);
        check(label_value, "", &[]);
        check(label_value, "-x", &["a valid label must be"]);
        check(config_key, "..x", &["must not start with"]);
        check(env_name, "a b", &[]);
        check(env_name, "a=b", &["a valid environment variable"]);
        check(port_name, "http", &[]);
        check(port_name, "80", &["must contain at least one letter"]);
    }
}
