//! Quantities (`k8s.io/apimachinery/pkg/api/resource`): `100m`, `1.5Gi`, `2e3`.
//!
//! A value is held in billionths, which is the precision that Kubernetes keeps; what is finer is rounded up.

use std::fmt;

/// Billionths in one.
const NANO: i128 = 1_000_000_000;
/// Kubernetes caps a quantity at 2^63-1.
const MAX: i128 = i64::MAX as i128 * NANO;

/// How a quantity was written, and so how it is written back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `1k`, `1M`, `100m`.
    DecimalSi,
    /// `1Ki`, `1Mi`.
    BinarySi,
    /// `1e3`.
    DecimalExponent,
}

/// A fixed-point number with the notation it is printed in.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl Default for Quantity {
    fn default() -> Self {
        Self {
            nanos: 0,
            format: Format::DecimalSi,
        }
    }
}

/// Why a text is no quantity. The texts are Kubernetes'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseQuantityError {
    /// The whole is malformed.
    #[error(
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// The number is there, its suffix is unknown.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

/// Suffixes of powers of ten, with the exponent.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// Suffixes of powers of two, with the exponent.
const BINARY: [(&str, u32); 6] = [
    ("Ki", 10),
    ("Mi", 20),
    ("Gi", 30),
    ("Ti", 40),
    ("Pi", 50),
    ("Ei", 60),
];

/// What multiplies the number before a suffix.
enum Factor {
    Ten(i32),
    Two(u32),
}

fn factor(suffix: &str) -> Option<(Factor, Format)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Factor::Ten(*exponent), Format::DecimalSi));
    }
    if let Some((_, exponent)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((Factor::Two(*exponent), Format::BinarySi));
    }
    let digits = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = digits.strip_prefix('+').unwrap_or(digits).parse().ok()?;
    Some((Factor::Ten(exponent), Format::DecimalExponent))
}

/// `number * 10^exponent / 10^places`, in billionths, rounded away from zero and capped.
fn scaled(number: i128, tens: i64) -> i128 {
    let mut value = number;
    let mut tens = tens + 9;
    while tens > 0 && value != 0 {
        if value.abs() > MAX {
            return MAX * value.signum();
        }
        value *= 10;
        tens -= 1;
    }
    let mut exact = true;
    while tens < 0 && value != 0 {
        exact &= value % 10 == 0;
        value /= 10;
        tens += 1;
    }
    if !exact {
        value += number.signum();
    }
    value.clamp(-MAX, MAX)
}

impl std::str::FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (sign, rest) = match text.as_bytes().first() {
            Some(b'-') => (-1, &text[1..]),
            Some(b'+') => (1, &text[1..]),
            Some(_) => (1, text),
            None => return Err(ParseQuantityError::Format),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, places) = number.split_once('.').unwrap_or((number, ""));
        if places.contains('.') || (whole.is_empty() && places.is_empty()) {
            return Err(ParseQuantityError::Format);
        }
        if !suffix
            .chars()
            .all(|c| "eEinumkKMGTP+-".contains(c) || c.is_ascii_digit())
        {
            return Err(ParseQuantityError::Format);
        }
        let (factor, format) = factor(suffix).ok_or(ParseQuantityError::Suffix)?;
        // 38 digits fit; more than 19 before the point is past the cap anyway.
        let whole = whole.trim_start_matches('0');
        if whole.len() > 19 {
            return Ok(Self {
                nanos: sign * MAX,
                format,
            });
        }
        let places = &places[..places.len().min(12)];
        let digits = format!("0{whole}{places}");
        let number = sign
            * digits
                .parse::<i128>()
                .map_err(|_| ParseQuantityError::Format)?;
        let shift = i64::try_from(places.len()).unwrap_or(0);
        let nanos = match factor {
            Factor::Ten(exponent) => scaled(number, i64::from(exponent) - shift),
            Factor::Two(exponent) => match number.checked_mul(1 << exponent) {
                Some(number) => scaled(number, -shift),
                None => sign * MAX,
            },
        };
        Ok(Self { nanos, format })
    }
}

impl Quantity {
    /// The value in thousandths, rounded up, as resources of Pods are kept (`SetDefaults_ResourceList`).
    #[must_use]
    pub fn rounded_to_milli(self) -> Self {
        let unit = NANO / 1000;
        let rest = self.nanos % unit;
        let nanos = if rest == 0 {
            self.nanos
        } else {
            self.nanos - rest + unit * rest.signum()
        };
        Self { nanos, ..self }
    }

    /// The sum of two values, in the notation of the first (`Quantity.Add`).
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        // A zero takes the notation of what is added to it.
        let format = if self.nanos == 0 {
            other.format
        } else {
            self.format
        };
        let nanos = self.nanos.saturating_add(other.nanos).clamp(-MAX, MAX);
        Self { nanos, format }
    }

    /// Whether the value is below zero.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// Whether the value is zero.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether the value is a whole number.
    pub fn is_whole(&self) -> bool {
        self.nanos % NANO == 0
    }

    /// The value in billionths, by which quantities compare.
    pub fn nanos(&self) -> i128 {
        self.nanos
    }

    fn decimal(&self, format: Format) -> String {
        let (mut mantissa, mut exponent) = (self.nanos, -9);
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        while exponent % 3 != 0 {
            mantissa *= 10;
            exponent -= 1;
        }
        // There is no suffix past E.
        while exponent > 18 {
            mantissa *= 1000;
            exponent -= 3;
        }
        let suffix = match format {
            Format::DecimalExponent if exponent == 0 => String::new(),
            Format::DecimalExponent => format!("e{exponent}"),
            _ => DECIMAL
                .iter()
                .find(|(_, e)| *e == exponent)
                .map_or(String::new(), |(name, _)| (*name).to_owned()),
        };
        format!("{mantissa}{suffix}")
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl fmt::Display for Quantity {
    /// The canonical form: no fraction, no precision lost, the largest suffix that allows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        match self.format {
            Format::BinarySi if self.nanos.abs() >= 1024 * NANO => {
                let mut value = self.nanos / NANO;
                if self.nanos % NANO != 0 {
                    value += self.nanos.signum();
                }
                let mut suffix = "";
                for (name, _) in BINARY {
                    if value % 1024 != 0 {
                        break;
                    }
                    value /= 1024;
                    suffix = name;
                }
                write!(f, "{value}{suffix}")
            }
            Format::BinarySi => f.write_str(&self.decimal(Format::DecimalSi)),
            format => f.write_str(&self.decimal(format)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, ParseQuantityError>) {
        let actual = text
            .parse::<Quantity>()
            .map(|quantity| quantity.to_string());
        assert_eq!(actual, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn quantities_are_written_back_in_their_canonical_form() {
        for (text, expected) in [
            ("0", "0"),
            ("0Mi", "0"),
            ("1", "1"),
            ("1000m", "1"),
            ("1.5", "1500m"),
            ("0.1", "100m"),
            (".5", "500m"),
            ("1024Ki", "1Mi"),
            ("1.5Gi", "1536Mi"),
            ("512", "512"),
            ("1000", "1k"),
            ("1e3", "1e3"),
            ("1500k", "1500k"),
            ("128974848", "128974848"),
            ("129e6", "129e6"),
            ("129M", "129M"),
            ("123Mi", "123Mi"),
            ("-5", "-5"),
            ("0.5Mi", "512Ki"),
            ("2048Mi", "2Gi"),
            ("1E", "1E"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("+1", "1"),
        ] {
            check(text, Ok(expected));
        }
    }

    #[test]
    fn what_is_no_quantity_is_rejected() {
        for text in ["", "x", "1.2.3", "1 Gi", "-", "1GB", "Mi"] {
            check(text, Err(ParseQuantityError::Format));
        }
        for text in ["1KiB", "1mm", "1e", "1ki"] {
            let error = text.parse::<Quantity>().map(|_| ()).expect_err("rejected");
            assert!(
                matches!(
                    error,
                    ParseQuantityError::Suffix | ParseQuantityError::Format
                ),
                "{text}"
            );
        }
    }
}
