//! Formats that are checked (`k8s.io/kube-openapi/pkg/validation/strfmt`, and which of them definitions may use:
//! `apiextensions-apiserver/pkg/apiserver/validation/formats.go`); others are accepted as they are.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::kinds::names;

/// Formats of texts, without their dashes.
const TEXTS: [&str; 24] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
];
/// Those of Kubernetes 1.34.
const NAMES: [&str; 2] = ["k8sshortname", "k8slongname"];

/// What a whole text of a format looks like.
const PATTERNS: [(&str, &str); 9] = [
    ("bsonobjectid", r"^[0-9a-fA-F]{24}$"),
    (
        "uuid",
        r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
    ),
    (
        "uuid3",
        r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
    ),
    (
        "uuid4",
        r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
    ),
    (
        "uuid5",
        r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
    ),
    ("ssn", r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
    ("hexcolor", r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    (
        "rgbcolor",
        r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$",
    ),
    (
        "hostname",
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
    ),
];

/// The schema's format, if values are checked against it.
pub(in crate::crd) fn of(schema: &Value) -> Option<&str> {
    let format = schema["format"].as_str().filter(|one| !one.is_empty())?;
    let known = match schema["type"].as_str().unwrap_or_default() {
        "" | "string" => {
            let plain = format.replace('-', "");
            TEXTS.contains(&plain.as_str()) || NAMES.contains(&plain.as_str())
        }
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    };
    known.then_some(format)
}

/// Whether `text` has the format; unknown formats always hold.
pub(super) fn holds(format: &str, text: &str) -> bool {
    static COMPILED: LazyLock<HashMap<&'static str, Option<Regex>>> = LazyLock::new(|| {
        PATTERNS
            .iter()
            .map(|(name, pattern)| (*name, Regex::new(pattern).ok()))
            .collect()
    });
    let format = format.replace('-', "");
    if let Some(pattern) = COMPILED.get(format.as_str()) {
        return pattern.as_ref().is_some_and(|one| one.is_match(text));
    }
    match format.as_str() {
        "datetime" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        "duration" => is_duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "byte" => is_base64(text),
        "uri" => is_uri(text),
        "email" => is_email(text),
        "isbn10" => is_isbn10(&digits(text)),
        "isbn13" => is_isbn13(&digits(text)),
        "isbn" => is_isbn10(&digits(text)) || is_isbn13(&digits(text)),
        "creditcard" => is_credit_card(text),
        "k8sshortname" => names::dns_label(text).is_empty(),
        "k8slongname" => names::dns_subdomain(text).is_empty(),
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
        let most = match address.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => 32,
            Ok(IpAddr::V6(_)) => 128,
            Err(_) => return false,
        };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

/// Go's `net.ParseMAC`: 6, 8 or 20 bytes, by colons or dashes, or in fours by dots.
fn is_mac(text: &str) -> bool {
    let groups = |separator: char, width: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        let hex = |part: &&str| part.len() == width && part.bytes().all(|b| b.is_ascii_hexdigit());
        (parts.len() > 1 && parts.iter().all(hex)).then_some(parts.len() * width / 2)
    };
    let bytes = groups(':', 2)
        .or_else(|| groups('-', 2))
        .or_else(|| groups('.', 4));
    matches!(bytes, Some(6 | 8 | 20))
}

/// Go's `url.ParseRequestURI`: an absolute path, or a scheme and what follows it.
fn is_uri(text: &str) -> bool {
    if text.starts_with('/') {
        return text.parse::<http::Uri>().is_ok();
    }
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let mut letters = scheme.chars();
    let named = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    named && !rest.is_empty() && !rest.contains([' ', '\t', '\n', '\r', '\u{7f}'])
}

/// Go's `mail.ParseAddress`, without comments: `a@b.c`, `A B <a@b.c>`.
fn is_email(text: &str) -> bool {
    let address = match text.rsplit_once('<') {
        Some((_, rest)) => match rest.strip_suffix('>') {
            Some(address) => address,
            None => return false,
        },
        None => text,
    };
    let atoms = |part: &str| {
        let atom = |one: &str| {
            !one.is_empty()
                && one
                    .chars()
                    .all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c))
        };
        part.split('.').all(atom)
    };
    address
        .rsplit_once('@')
        .is_some_and(|(user, host)| atoms(user) && atoms(host))
}

/// The digits of a number that people write with dashes and spaces, and the `X` of an ISBN.
fn digits(text: &str) -> Vec<u32> {
    let plain = text.chars().filter(|c| !matches!(c, '-' | ' '));
    plain
        .map(|c| match c {
            'X' | 'x' => 10,
            c => c.to_digit(10).unwrap_or(u32::MAX / 64),
        })
        .collect()
}

fn is_isbn10(digits: &[u32]) -> bool {
    digits.len() == 10
        && digits.iter().all(|&digit| digit <= 10)
        && digits[..9].iter().all(|&digit| digit < 10)
        && digits
            .iter()
            .zip((1..=10).rev())
            .map(|(digit, weight)| digit * weight)
            .sum::<u32>()
            % 11
            == 0
}

fn is_isbn13(digits: &[u32]) -> bool {
    digits.len() == 13
        && digits.iter().all(|&digit| digit < 10)
        && digits
            .iter()
            .zip([1, 3].into_iter().cycle())
            .map(|(digit, weight)| digit * weight)
            .sum::<u32>()
            % 10
            == 0
}

/// Thirteen to nineteen digits whose Luhn sum is right.
fn is_credit_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match index % 2 {
            1 if digit * 2 > 9 => digit * 2 - 9,
            1 => digit * 2,
            _ => *digit,
        })
        .sum();
    (13..=19).contains(&digits.len()) && sum.is_multiple_of(10)
}

/// Go's `time.ParseDuration` (`1h30m`, `-1.5s`, `0`), or as Scala writes it (`22 ns`, `3 days`).
fn is_duration(text: &str) -> bool {
    is_go_duration(text) || is_scala_duration(text)
}

fn is_scala_duration(text: &str) -> bool {
    const UNITS: [&str; 27] = [
        "ns",
        "nano",
        "nanos",
        "nanosecond",
        "nanoseconds",
        "us",
        "µs",
        "micro",
        "micros",
        "microsecond",
        "microseconds",
        "ms",
        "milli",
        "millis",
        "millisecond",
        "milliseconds",
        "s",
        "sec",
        "secs",
        "second",
        "seconds",
        "m",
        "min",
        "mins",
        "minute",
        "minutes",
        "h",
    ];
    const LONG: [&str; 7] = ["hr", "hour", "hours", "d", "day", "days", "w"];
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let (number, unit) = text.split_at(split);
    let unit = unit.trim();
    let weeks = ["week", "weeks", "wk"].contains(&unit);
    !number.is_empty() && (UNITS.contains(&unit) || LONG.contains(&unit) || weeks)
}

fn is_go_duration(text: &str) -> bool {
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
        check("duration", "22 ns", true);
        check("duration", "0", true);
        check("duration", "15", false);
        check("duration", "", false);
        check("duration", "m", false);
        check("date-time", "2026-01-02T03:04:05Z", true);
        check("date-time", "yesterday", false);
        check("date", "2026-01-02", true);
        check("date", "2026-13-02", false);
        check("cidr", "10.0.0.0/8", true);
        check("cidr", "10.0.0.0/33", false);
        check("mac", "01:23:45:67:89:ab", true);
        check("mac", "01:23", false);
        check("email", "Bob <bob@example.com>", true);
        check("email", "bob", false);
        check("uri", "https://example.com/a", true);
        check("uri", "example", false);
        check("hostname", "a.example.com", true);
        check("hostname", "-a", false);
        check("isbn", "978-0321751041", true);
        check("isbn10", "0321751043", true);
        check("isbn10", "0321751044", false);
        check("rgbcolor", "rgb(255,0,7)", true);
        check("hexcolor", "#ffg", false);
        check("uuid4", "3f2504e0-4f89-41d3-9a0c-0305e82c3301", true);
        check("k8s-short-name", "a.b", false);
        check("whatever", "x", true);
    }
}
