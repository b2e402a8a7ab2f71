//! Image references, as far as rules ask.

use crate::Glob;

/// An image reference (`[HOST/]PATH[:TAG][@DIGEST]`), taken as it is written: `busybox` is not
/// `docker.io/library/busybox` here, so a pattern matches what it reads like and nothing else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image<'a>(pub(crate) &'a str);

impl Image<'_> {
    /// Whether a pattern covers it. One without `@` says nothing of digests and is held against the rest.
    pub(crate) fn fits(self, pattern: &Glob) -> bool {
        let rest = self.0.split_once('@').map_or(self.0, |(rest, _)| rest);
        pattern.matches(if pattern.as_str().contains('@') {
            self.0
        } else {
            rest
        })
    }

    /// Whether it names the content and not only a tag that can be moved.
    pub(crate) fn has_digest(self) -> bool {
        let digest = self.0.split_once('@').map_or("", |(_, digest)| digest);
        let (algorithm, hex) = digest.split_once(':').unwrap_or_default();
        let length = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return false,
        };
        hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    }
}

#[cfg(test)]
mod tests {
    use super::Image;
    use crate::Glob;

    #[test]
    fn a_pattern_without_a_digest_is_held_against_the_rest() {
        let check = |image: &str, pattern: &str, expected: bool| {
            assert_eq!(
                Image(image).fits(&Glob::new(pattern)),
                expected,
                "{image} {pattern}"
            );
        };
        check("r/dbg:1", "r/dbg:1", true);
        check("r/dbg:1@sha256:00", "r/dbg:1", true);
        check("r/dbg:1@sha256:00", "r/dbg:1@sha256:00", true);
        check("r/dbg:1@sha256:01", "r/dbg:1@sha256:00", false);
        check("r/dbg:1", "r/dbg:1@sha256:00", false);
        check("r/dbg@sha256:00", "r/dbg:*", false);
        check("evil/r/dbg:1", "r/dbg:1", false);
        check("busybox", "docker.io/library/busybox", false);
    }

    #[test]
    fn only_a_whole_digest_is_one() {
        let digits = "0123456789abcdef".repeat(4);
        let check = |image: &str, expected| {
            assert_eq!(Image(image).has_digest(), expected, "{image}");
        };
        check(&format!("dbg@sha256:{digits}"), true);
        check(&format!("dbg:1@sha256:{digits}"), true);
        check(&format!("dbg@sha512:{digits}{digits}"), true);
        check(&format!("dbg@sha512:{digits}"), false);
        check(&format!("dbg@sha1:{digits}"), false);
        check(&format!("dbg@sha256:{}", digits.to_uppercase()), false);
        check(&format!("dbg@sha256:{}", &digits[1..]), false);
        check("dbg:1", false);
        check("dbg@", false);
    }
}
