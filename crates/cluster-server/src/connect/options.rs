//! The query of a connection as the options object that admission sees, and as the node's query.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::field::{FieldError, Path};

/// What stays as it is in a query value.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Query parameters, decoded, in order.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(uri: &http::Uri) -> Self {
        let decode = |text: &str| {
            percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned()
        };
        let pairs = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    pub(super) fn get(&self, key: &str) -> &str {
        self.0
            .iter()
            .find(|(name, _)| name == key)
            .map_or("", |(_, value)| value.as_str())
    }

    fn all(&self, key: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// `0` and `false` are off, any other text is on, absence is off (EC-X-02).
    fn flag(&self, key: &str) -> bool {
        let value = self
            .0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.to_ascii_lowercase());
        value.is_some_and(|value| !matches!(value.as_str(), "0" | "false"))
    }

    /// Whether there is such a parameter at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }
}

/// Exec or attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Exec,
    Attach,
}

impl Kind {
    /// The kind of the options object.
    pub(super) fn options(self) -> &'static str {
        match self {
            Self::Exec => "PodExecOptions",
            Self::Attach => "PodAttachOptions",
        }
    }

    /// The node's path.
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Attach => "attach",
        }
    }
}

/// `PodExecOptions` or `PodAttachOptions`, with empty fields left out as Go does.
pub(super) fn object(kind: Kind, query: &Query) -> Value {
    let mut out = json!({"kind": kind.options(), "apiVersion": "v1"});
    for flag in ["stdin", "stdout", "stderr", "tty"] {
        if query.flag(flag) {
            out[flag] = true.into();
        }
    }
    if !query.get("container").is_empty() {
        out["container"] = query.get("container").into();
    }
    let command = query.all("command");
    if kind == Kind::Exec && !command.is_empty() {
        out["command"] = json!(command);
    }
    out
}

/// The node's query: only what is set (EC-X-07). It is made from the object that admission let pass.
pub(super) fn node_query(options: &Value) -> String {
    let mut pairs = Vec::new();
    for (field, parameter) in [
        ("stdin", "input"),
        ("stdout", "output"),
        ("stderr", "error"),
        ("tty", "tty"),
    ] {
        if options[field] == true {
            pairs.push(format!("{parameter}=1"));
        }
    }
    for word in options["command"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        pairs.push(format!("command={}", utf8_percent_encode(word, ESCAPED)));
    }
    pairs.join("&")
}

/// The query of a log for the node, checked (`ValidatePodLogOptions`).
pub(super) fn log_query(query: &Query, pod: &str) -> Result<String, ApiError> {
    let number = |key: &'static str| match query.get(key) {
        "" => Ok(None),
        text => text.parse::<i64>().map(Some).map_err(|_| {
            ApiError::bad_request(format!(
                "strconv.ParseInt: parsing {text:?}: invalid syntax"
            ))
        }),
    };
    let (tail, limit, seconds) = (
        number("tailLines")?,
        number("limitBytes")?,
        number("sinceSeconds")?,
    );
    let time = query.get("sinceTime");
    check_log(pod, tail, limit, seconds, time)?;
    let mut pairs = Vec::new();
    pairs.extend(
        ["follow", "previous", "timestamps"]
            .into_iter()
            .filter(|f| query.flag(f))
            .map(|f| format!("{f}=true")),
    );
    for (key, value) in [
        ("tailLines", tail),
        ("limitBytes", limit),
        ("sinceSeconds", seconds),
    ] {
        pairs.extend(value.map(|value| format!("{key}={value}")));
    }
    if !time.is_empty() {
        pairs.push(format!("sinceTime={}", utf8_percent_encode(time, ESCAPED)));
    }
    Ok(pairs.join("&"))
}

/// What does not hold in the parameters of a log.
fn check_log(
    pod: &str,
    tail: Option<i64>,
    limit: Option<i64>,
    seconds: Option<i64>,
    time: &str,
) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    let too_small = |key: &str, value: i64, bound: &str| {
        FieldError::invalid(
            &Path::new(key),
            value,
            format!("must be greater than {bound}"),
        )
    };
    errors.extend(
        tail.filter(|&n| n < 0)
            .map(|n| too_small("tailLines", n, "or equal to 0")),
    );
    errors.extend(
        limit
            .filter(|&n| n < 1)
            .map(|n| too_small("limitBytes", n, "0")),
    );
    match seconds {
        Some(_) if !time.is_empty() => {
            let text = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.push(FieldError::forbidden(&Path::default(), text));
        }
        Some(n) if n < 1 => errors.push(too_small("sinceSeconds", n, "0")),
        _ => {}
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid("", "PodLogOptions", pod, &errors));
    }
    if !time.is_empty() && time.parse::<jiff::Timestamp>().is_err() {
        let text = format!(
            "sinceTime must be an RFC 3339 time such as 2026-01-02T03:04:05Z, not {time:?}"
        );
        return Err(ApiError::bad_request(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Kind, Query, log_query, node_query, object};

    fn query(text: &str) -> Query {
        Query::parse(&format!("/x?{text}").parse().unwrap())
    }

    #[test]
    fn options_are_what_admission_was_recorded_to_see() {
        let check = |kind, text, expected: Value, node: &str| {
            let options = object(kind, &query(text));
            assert_eq!(options, expected, "{text}");
            assert_eq!(node_query(&options), node, "{text}");
        };
        let attach = json!({"apiVersion": "v1", "container": "d1", "kind": "PodAttachOptions", "stderr": true, "stdin": true, "stdout": true});
        check(
            Kind::Attach,
            "container=d1&stderr=true&stdin=true&stdout=true",
            attach,
            "input=1&output=1&error=1",
        );
        let exec = json!({"apiVersion": "v1", "command": ["sh", "-c", "a b&c"], "kind": "PodExecOptions", "tty": true});
        let text = "command=sh&command=-c&command=a+b%26c&tty=yes&stdin=false";
        check(
            Kind::Exec,
            text,
            exec,
            "tty=1&command=sh&command=-c&command=a%20b%26c",
        );
    }

    #[test]
    fn log_options_are_checked() {
        let check = |text, expected: Result<&str, &str>| {
            let got = log_query(&query(text), "p").map_err(|error| error.message);
            assert_eq!(
                got,
                expected.map(str::to_owned).map_err(str::to_owned),
                "{text}"
            );
        };
        check("follow=true&tailLines=0", Ok("follow=true&tailLines=0"));
        check(
            "sinceTime=2026-01-02T03%3A04%3A05Z",
            Ok("sinceTime=2026-01-02T03%3A04%3A05Z"),
        );
        let tail = "PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0";
        check("tailLines=-1", Err(tail));
        let since = "PodLogOptions \"p\" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0";
        check("sinceSeconds=0", Err(since));
        check(
            "tailLines=x",
            Err("strconv.ParseInt: parsing \"x\": invalid syntax"),
        );
    }
}
