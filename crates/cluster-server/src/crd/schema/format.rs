//! String formats that are checked (`k8s.io/kube-openapi/pkg/validation/strfmt`); others are accepted as they are.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether `text` has the format; unknown formats always hold.
pub(super) fn holds(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "duration" => is_duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "ip" => text.parse::<std::net::IpAddr>().is_ok(),
        "cidr" => is_cidr(text),
        "uuid" | "uuid3" | "uuid4" | "uuid5" => uuid::Uuid::parse_str(text).is_ok(),
        "byte" => is_base64(text),
        "uri" => {
            text.parse::<http::Uri>()
                .is_ok_and(|uri| uri.scheme().is_some())
                || text.starts_with("urn:")
        }
        _ => true,
    }
}

fn is_base64(text: &str) -> bool {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .is_ok()
}

fn is_cidr(text: &str) -> bool {
    text.split_once('/').is_some_and(|(address, bits)| {
        let most = match address.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(_)) => 32,
            Ok(std::net::IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

/// Go's `time.ParseDuration`: `1h30m`, `-1.5s`, `0`.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let digits = &rest[..rest.len() - number.len()];
        if digits.parse::<f64>().is_err() {
            return false;
        }
        let units = ["ns", "us", "µs", "ms", "s", "m", "h"];
        let Some(after) = units
            .iter()
            .filter(|unit| number.starts_with(**unit))
            .max_by_key(|unit| unit.len())
        else {
            return false;
        };
        rest = &number[after.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, text: &str, expected: bool) {
        assert_eq!(holds(format, text), expected, "{format} {text}");
    }

    #[test]
    fn formats_hold_as_go_says() {
        check("duration", "15m", true);
        check("duration", "1h30m0.5s", true);
        check("duration", "100ms", true);
        check("duration", "0", true);
        check("duration", "15", false);
        check("duration", "", false);
        check("duration", "m", false);
        check("date-time", "2026-01-02T03:04:05Z", true);
        check("date-time", "yesterday", false);
        check("cidr", "10.0.0.0/8", true);
        check("cidr", "10.0.0.0/33", false);
        check("whatever", "x", true);
    }
}
