//! How much is served at once, and for how long (`filters/maxinflight.go`, `filters/request_deadline.go`).

use std::time::Duration;

use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::query::Query;
use crate::error::ApiError;
use crate::identity::Attributes;

/// `--max-requests-inflight` and `--max-mutating-requests-inflight`.
const READING: usize = 400;
const WRITING: usize = 200;
/// `--request-timeout`.
const LONGEST: Duration = Duration::from_mins(1);

/// Places for requests that are being served. Streams need none: they may stay for hours.
pub(super) struct Places {
    reading: Semaphore,
    writing: Semaphore,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            reading: Semaphore::new(READING),
            writing: Semaphore::new(WRITING),
        }
    }
}

impl Places {
    /// A place for a request; `None` inside where it needs none.
    ///
    /// # Errors
    /// All are taken: 429, to be answered as plain text.
    pub(super) fn take(
        &self,
        attributes: &Attributes,
    ) -> Result<Option<SemaphorePermit<'_>>, Full> {
        if is_long_running(attributes) {
            return Ok(None);
        }
        let places = if is_reading(attributes) {
            &self.reading
        } else {
            &self.writing
        };
        places.try_acquire().map(Some).map_err(|_| Full)
    }

    /// How many are served now: that read, that write.
    pub(super) fn taken(&self) -> (usize, usize) {
        (
            READING.saturating_sub(self.reading.available_permits()),
            WRITING.saturating_sub(self.writing.available_permits()),
        )
    }
}

/// As many requests as may be are being served.
pub(super) struct Full;

fn is_reading(attributes: &Attributes) -> bool {
    matches!(&*attributes.verb, "get" | "list" | "watch")
}

/// Requests that may take as long as they want.
pub(super) fn is_long_running(attributes: &Attributes) -> bool {
    let subresources = ["attach", "exec", "proxy", "log", "portforward"];
    matches!(&*attributes.verb, "watch" | "proxy")
        || (attributes.is_resource() && subresources.contains(&&*attributes.subresource))
}

/// How long a request may take.
///
/// # Errors
/// 400: `?timeout=` is no duration.
pub(super) fn deadline(
    query: &Query,
    attributes: &Attributes,
) -> Result<Option<Duration>, ApiError> {
    if is_long_running(attributes) {
        return Ok(None);
    }
    let asked = match query.get("timeout") {
        None | Some("") => None,
        Some(text) => Some(duration(text).map_err(|why| {
            ApiError::bad_request(format!(
                "invalid timeout specified in the request URL - {why}"
            ))
        })?),
    };
    let asked = asked.filter(|asked| !asked.is_zero() && *asked < LONGEST);
    Ok(Some(asked.unwrap_or(LONGEST)))
}

/// 504: the request took too long.
pub(super) fn too_slow() -> ApiError {
    let message =
        "Timeout: request did not complete within requested timeout - context deadline exceeded";
    ApiError {
        details: Some(json!({})),
        ..ApiError::new(504, "Timeout", message)
    }
}

/// `time.ParseDuration`: `1m30s`, `500ms`; a negative one is as good as none.
fn duration(text: &str) -> Result<Duration, String> {
    let shown = serde_json::Value::from(text);
    let invalid = || format!("time: invalid duration {shown}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (number, tail) = rest.split_at(end.unwrap_or(rest.len()));
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.');
        let (unit, tail) = tail.split_at(end.unwrap_or(tail.len()));
        seconds += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "" => return Err(format!("time: missing unit in duration {shown}")),
                other => {
                    let other = serde_json::Value::from(other);
                    return Err(format!("time: unknown unit {other} in duration {shown}"));
                }
            };
        rest = tail;
    }
    if negative {
        return Ok(Duration::ZERO);
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let cases = [
            ("1m30s", Ok(Duration::from_secs(90))),
            ("500ms", Ok(Duration::from_millis(500))),
            ("1.5s", Ok(Duration::from_millis(1500))),
            ("0", Ok(Duration::ZERO)),
            ("-5s", Ok(Duration::ZERO)),
            ("5", Err("time: missing unit in duration \"5\"")),
            ("5x", Err("time: unknown unit \"x\" in duration \"5x\"")),
            ("s", Err("time: invalid duration \"s\"")),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn the_last_place_taken_the_next_is_refused_and_streams_need_none() {
        let places = Places::default();
        let attributes = |verb: &str| Attributes {
            verb: verb.to_owned(),
            ..Attributes::default()
        };
        let create = attributes("create");
        let taken: Vec<_> = (0..WRITING).map(|_| places.take(&create)).collect();
        assert!(taken.iter().all(|place| matches!(place, Ok(Some(_)))));
        assert!(places.take(&create).is_err());
        assert!(matches!(places.take(&attributes("get")), Ok(Some(_))));
        assert!(matches!(places.take(&attributes("watch")), Ok(None)));
        drop(taken);
        assert!(places.take(&create).is_ok());
    }
}
