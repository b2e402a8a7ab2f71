//! Query parameters of the node's endpoint.

use percent_encoding::percent_decode_str;

/// Decoded pairs, in order.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn all(&self, key: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// A flag is set unless its value is `0` or `false` (EC-X-02).
    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | ""))
    }
}

#[cfg(test)]
mod tests {
    use super::Query;

    #[test]
    fn pairs_are_decoded_and_repeated_ones_kept() {
        let query = Query::parse("command=sh&command=-c&command=echo%20a+b&tty=1&input=false");
        assert_eq!(query.all("command"), ["sh", "-c", "echo a b"]);
        assert!(query.flag("tty"));
        assert!(!query.flag("input"));
        assert!(!query.flag("output"));
    }
}
