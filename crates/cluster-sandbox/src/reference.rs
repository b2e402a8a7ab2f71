//! Image references, to the letter of `github.com/distribution/reference` (`normalize.go`, `regexp.go`),
//! whose texts a kubelet shows.

const DEFAULT_DOMAIN: &str = "docker.io";
const OFFICIAL: &str = "library";

/// A reference in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) domain: String,
    pub(crate) path: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<String>,
}

impl Reference {
    /// Parses a familiar name, with Docker's defaults for the domain and the `library/` folder.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() == 64
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Err(format!(
                "invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"
            ));
        }
        let (domain, remainder) = split_domain(text);
        let path = match remainder.find([':', '@']) {
            Some(end) if remainder[end..].starts_with(':') => &remainder[..end],
            Some(end) => &remainder[..end],
            None => &remainder,
        };
        if path.to_lowercase() != path {
            return Err(format!(
                "invalid reference format: repository name ({path}) must be lowercase"
            ));
        }
        Self::parse_whole(&format!("{domain}/{remainder}"))
    }

    fn parse_whole(text: &str) -> Result<Self, String> {
        let invalid = || "invalid reference format".to_owned();
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        let (name, tag) = match named.rfind(':') {
            Some(at) if !named[at..].contains('/') => (&named[..at], Some(&named[at + 1..])),
            _ => (named, None),
        };
        let (domain, path) = name.split_once('/').ok_or_else(invalid)?;
        let well_formed = is_domain(domain)
            && path.split('/').all(is_component)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(is_digest_text);
        if !well_formed {
            return Err(invalid());
        }
        if name.len() - domain.len() - 1 > 255 {
            return Err("repository name must not be more than 255 characters".to_owned());
        }
        if let Some(digest) = digest {
            check_digest(digest)?;
        }
        Ok(Self {
            domain: domain.to_owned(),
            path: path.to_owned(),
            tag: tag.map(ToOwned::to_owned),
            digest: digest.map(ToOwned::to_owned),
        })
    }

    /// `docker.io/library/busybox`.
    pub(crate) fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The whole reference; without a digest and a tag it is `latest`.
    pub(crate) fn full(&self) -> String {
        let mut text = self.repository();
        match (&self.tag, &self.digest) {
            (None, None) => text.push_str(":latest"),
            (Some(tag), _) => text.extend([":", tag]),
            _ => {}
        }
        if let Some(digest) = &self.digest {
            text.extend(["@", digest]);
        }
        text
    }
}

fn split_domain(text: &str) -> (String, String) {
    let is_domain = |part: &str| {
        part.contains(['.', ':']) || part == "localhost" || part.to_lowercase() != part
    };
    let (domain, remainder) = match text.split_once('/') {
        Some((first, rest)) if is_domain(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, text),
    };
    let domain = if domain == "index.docker.io" {
        DEFAULT_DOMAIN
    } else {
        domain
    };
    if domain == DEFAULT_DOMAIN && !remainder.contains('/') {
        return (domain.to_owned(), format!("{OFFICIAL}/{remainder}"));
    }
    (domain.to_owned(), remainder.to_owned())
}

fn is_domain(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let digits = port
            .strip_prefix(':')
            .is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        return !address.is_empty()
            && address
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b':')
            && digits;
    }
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)));
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.split('.').all(part)
        && port
            .is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Alphanumeric runs with one `.`, one or two `_`, or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let is_run = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    if !is_run(*first)
        || !is_run(*last)
        || !bytes
            .iter()
            .all(|byte| is_run(*byte) || b"._-".contains(byte))
    {
        return false;
    }
    text.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        .filter(|separator| !separator.is_empty())
        .all(|separator| {
            matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
        })
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= 128
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest_text(text: &str) -> bool {
    let Some((algorithm, digits)) = text.split_once(':') else {
        return false;
    };
    let part = |part: &str| {
        part.bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(part)
        && digits.len() >= 32
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn check_digest(text: &str) -> Result<(), String> {
    let (algorithm, digits) = text.split_once(':').unwrap_or_default();
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err("unsupported digest algorithm".to_owned()),
    };
    if digits.len() != length {
        return Err("invalid checksum digest length".to_owned());
    }
    if digits.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("invalid checksum digest format".to_owned());
    }
    Ok(())
}

/// `busybox` → `docker.io/library/busybox:latest`.
///
/// # Errors
/// The text of `distribution/reference` for what is no reference, for example
/// `invalid reference format: repository name (library/Not Valid) must be lowercase`.
pub fn normalize_reference(reference: &str) -> Result<String, String> {
    Reference::parse(reference).map(|reference| reference.full())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, &str>) {
        assert_eq!(
            normalize_reference(text),
            expected.map(ToOwned::to_owned).map_err(ToOwned::to_owned),
            "{text}"
        );
    }

    #[test]
    fn familiar_names_get_their_defaults() {
        check("busybox", Ok("docker.io/library/busybox:latest"));
        check("busybox:1.36", Ok("docker.io/library/busybox:1.36"));
        check(
            "index.docker.io/busybox",
            Ok("docker.io/library/busybox:latest"),
        );
        check("me/tool", Ok("docker.io/me/tool:latest"));
        check("localhost/tool:2", Ok("localhost/tool:2"));
        check("localhost:5000/tool", Ok("localhost:5000/tool:latest"));
        check("registry.k8s.io/pause:3.9", Ok("registry.k8s.io/pause:3.9"));
        check(
            "[2001:db8::1]:5000/repo",
            Ok("[2001:db8::1]:5000/repo:latest"),
        );
        let digest = format!("sha256:{}", "a".repeat(64));
        check(
            &format!("busybox@{digest}"),
            Ok(&format!("docker.io/library/busybox@{digest}")),
        );
        check(
            &format!("busybox:1@{digest}"),
            Ok(&format!("docker.io/library/busybox:1@{digest}")),
        );
    }

    #[test]
    fn what_is_no_reference_is_refused_in_the_librarys_words() {
        check(
            "Not Valid",
            Err("invalid reference format: repository name (library/Not Valid) must be lowercase"),
        );
        check("", Err("invalid reference format"));
        check("busybox:", Err("invalid reference format"));
        check("a b", Err("invalid reference format"));
        check("busybox@sha256:abc", Err("invalid reference format"));
        check("a//b", Err("invalid reference format"));
        check("-a", Err("invalid reference format"));
        check(
            &"a".repeat(64),
            Err(&format!(
                "invalid repository name ({}), cannot specify 64-byte hexadecimal strings",
                "a".repeat(64)
            )),
        );
    }
}
