//! Durations and timestamps.

use chrono::{DateTime, Datelike, Duration, FixedOffset, Offset, Timelike, Utc};
use kube_cel::cel::Value;

use super::{EvaluationError, Outcome};

/// Sums and differences of durations and timestamps.
pub(super) fn arithmetic(function: &str, left: &Value, right: &Value) -> Outcome {
    let overflow = EvaluationError::IntegerOverflow;
    match (function, left, right) {
        ("_+_", Value::Duration(left), Value::Duration(right)) => {
            left.checked_add(right).map(Value::Duration).ok_or(overflow)
        }
        ("_-_", Value::Duration(left), Value::Duration(right)) => {
            left.checked_sub(right).map(Value::Duration).ok_or(overflow)
        }
        ("_+_", Value::Timestamp(at), Value::Duration(by))
        | ("_+_", Value::Duration(by), Value::Timestamp(at)) => at
            .checked_add_signed(*by)
            .map(Value::Timestamp)
            .ok_or(overflow),
        ("_-_", Value::Timestamp(at), Value::Duration(by)) => at
            .checked_sub_signed(*by)
            .map(Value::Timestamp)
            .ok_or(overflow),
        ("_-_", Value::Timestamp(left), Value::Timestamp(right)) => {
            Ok(Value::Duration(left.signed_duration_since(*right)))
        }
        _ => Err(EvaluationError::NoSuchOverload),
    }
}

/// A duration as Go writes it: `1h30m`, `-1.5s`, `300ms`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::zero());
    }
    let mut total: i128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total.checked_add(whole.checked_mul(scale)?)?;
        let fraction = fraction.get(..fraction.len().min(18))?;
        if !fraction.is_empty() {
            let part: i128 = fraction.parse().ok()?;
            let digits = u32::try_from(fraction.len()).ok()?;
            total = total.checked_add(part.checked_mul(scale)? / 10_i128.pow(digits))?;
        }
        rest = tail;
    }
    let total = i64::try_from(if negative { -total } else { total }).ok()?;
    Some(Duration::nanoseconds(total))
}

/// `getHours()` and its kin; `None` if `function` is none of them.
pub(super) fn accessor(function: &str, args: &[Value]) -> Option<Outcome> {
    let value = match args {
        [Value::Duration(span)] => match function {
            "getHours" => span.num_hours(),
            "getMinutes" => span.num_minutes(),
            "getSeconds" => span.num_seconds(),
            "getMilliseconds" => span.num_milliseconds(),
            _ => return None,
        },
        [Value::Timestamp(at)] => of_time(function, &at.with_timezone(&Utc.fix()))?,
        [Value::Timestamp(at), Value::String(zone)] if function.starts_with("get") => {
            match offset(zone) {
                Some(offset) => of_time(function, &at.with_timezone(&offset))?,
                None => {
                    return Some(Err(EvaluationError::Function(format!(
                        "unknown time zone {zone}"
                    ))));
                }
            }
        }
        _ => return None,
    };
    Some(Ok(Value::Int(value)))
}

/// A fixed offset (`+02:00`); `UTC` is one, too. Names of places are not known here.
fn offset(zone: &str) -> Option<FixedOffset> {
    if zone == "UTC" || zone.is_empty() {
        return Some(Utc.fix());
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = hours
        .parse::<i32>()
        .ok()?
        .checked_mul(3600)?
        .checked_add(minutes.parse::<i32>().ok()? * 60)?;
    FixedOffset::east_opt(sign * seconds)
}

fn of_time(function: &str, at: &DateTime<FixedOffset>) -> Option<i64> {
    Some(match function {
        "getFullYear" => i64::from(at.year()),
        "getMonth" => i64::from(at.month0()),
        "getDate" => i64::from(at.day()),
        "getDayOfMonth" => i64::from(at.day0()),
        "getDayOfWeek" => i64::from(at.weekday().num_days_from_sunday()),
        "getDayOfYear" => i64::from(at.ordinal0()),
        "getHours" => i64::from(at.hour()),
        "getMinutes" => i64::from(at.minute()),
        "getSeconds" => i64::from(at.second()),
        "getMilliseconds" => i64::from(at.timestamp_subsec_millis()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(
            duration(text).and_then(|span| span.num_nanoseconds()),
            expected,
            "{text}"
        );
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        check("1h30m", Some(5_400_000_000_000));
        check("-1.5s", Some(-1_500_000_000));
        check("300ms", Some(300_000_000));
        check(".5s", Some(500_000_000));
        check("0", Some(0));
        check("1d", None);
        check("5", None);
        check("", None);
        check("99999999999h", None);
    }
}
