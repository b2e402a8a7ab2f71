//! Patterns in policies.

use std::fmt;

/// A pattern over names and image references: `*` is any run of characters but `/`, `**` is any run at
/// all, everything else is itself.
///
/// There is no other special character, so what reads like a name is one. It matches the whole text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Glob(String);

impl Glob {
    /// The pattern; every text is one.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        fits(self.0.as_bytes(), text.as_bytes())
    }
}

/// Row by row over the pattern, so that the cost is pattern × text and never more.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    // `reached[i]`: the pattern so far can end after `i` bytes of the text.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        if pattern[at] != b'*' {
            for end in (0..text.len()).rev() {
                reached[end + 1] = reached[end] && text[end] == pattern[at];
            }
            reached[0] = false;
            at += 1;
            continue;
        }
        let run = pattern[at..].iter().take_while(|b| **b == b'*').count();
        for end in 0..text.len() {
            if reached[end] && (run > 1 || text[end] != b'/') {
                reached[end + 1] = true;
            }
        }
        at += run;
    }
    reached[text.len()]
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Glob {
    fn from(pattern: &str) -> Self {
        Self::new(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::Glob;

    #[test]
    fn one_star_stays_within_a_path_segment_and_two_do_not() {
        let check = |pattern: &str, text: &str, expected: bool| {
            assert_eq!(
                Glob::new(pattern).matches(text),
                expected,
                "{pattern} on {text}"
            );
        };
        check("app", "app", true);
        check("app", "apps", false);
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("*", "app", true);
        check("*", "a/b", false);
        check("**", "a/b:1@sha256:0", true);
        check("a*b*c", "aXbYc", true);
        check("a*b*c", "aXbY", false);
        check(
            "registry.example/tools/*",
            "registry.example/tools/dbg:1",
            true,
        );
        check(
            "registry.example/tools/*",
            "registry.example/tools/x/dbg:1",
            false,
        );
        check(
            "registry.example/**",
            "registry.example/tools/x/dbg:1",
            true,
        );
        check("registry.example/**", "registry.example.evil/x", false);
        check("a?c", "abc", false);
        check("[a]", "a", false);
        check("**/dbg", "r/x/dbg", true);
        check(&"*a".repeat(40), &"a".repeat(2000), true);
    }
}
