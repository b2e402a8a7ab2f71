//! Numbers with suffixes: `100m`, `64Mi`, `1e3` (`k8s.io/apimachinery/pkg/api/resource`).

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// One unit, in the billionths that amounts are kept in here.
const ONE: i128 = 1_000_000_000;

/// The amount in billionths; `None` for what is no quantity.
fn billionths(text: &str) -> Option<i128> {
    let number_end = text
        .find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.len() > 9 || number.trim_start_matches(['+', '-']).is_empty() {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10i128.checked_pow(u32::try_from(9 - fraction.len()).ok()?)?;
    let amount = digits.checked_mul(scale)?;
    match multiplier(suffix)? {
        Factor::Times(n) => amount.checked_mul(n),
        // Kubernetes rounds up.
        Factor::Over(n) => Some(amount.checked_add(n - 1)? / n),
    }
}

enum Factor {
    Times(i128),
    Over(i128),
}

fn multiplier(suffix: &str) -> Option<Factor> {
    let decimal = |power: u32| 10i128.checked_pow(power);
    let times = match suffix {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        "Ei" => 1 << 60,
        "k" => decimal(3)?,
        "M" => decimal(6)?,
        "G" => decimal(9)?,
        "T" => decimal(12)?,
        "P" => decimal(15)?,
        "E" => decimal(18)?,
        "m" => return Some(Factor::Over(decimal(3)?)),
        "u" => return Some(Factor::Over(decimal(6)?)),
        "n" => return Some(Factor::Over(decimal(9)?)),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = decimal(exponent.unsigned_abs())?;
            return Some(if exponent < 0 {
                Factor::Over(factor)
            } else {
                Factor::Times(factor)
            });
        }
    };
    Some(Factor::Times(times))
}

/// The amount in units of `1/per`, rounded up.
fn units(quantity: &Quantity, per: i128) -> Option<i64> {
    let amount = billionths(&quantity.0)?.checked_mul(per)?;
    i64::try_from(amount.div_euclid(ONE) + i128::from(amount.rem_euclid(ONE) > 0)).ok()
}

/// The whole amount, rounded up (`Quantity.Value`).
pub fn value(quantity: &Quantity) -> Option<i64> {
    units(quantity, 1)
}

/// Thousandths, rounded up (`Quantity.MilliValue`).
pub fn milli(quantity: &Quantity) -> Option<i64> {
    units(quantity, 1000)
}

/// `quantity / divisor`, rounded up, as `resourceFieldRef` prints it; a divisor of zero is one.
pub fn divided(quantity: &Quantity, divisor: Option<&Quantity>) -> Option<i64> {
    let divisor = divisor
        .and_then(|d| billionths(&d.0))
        .filter(|&d| d != 0)
        .unwrap_or(ONE);
    let amount = billionths(&quantity.0)?;
    i64::try_from(amount.div_euclid(divisor) + i128::from(amount.rem_euclid(divisor) > 0)).ok()
}

#[cfg(test)]
mod tests {
    use super::{Quantity, divided, milli, value};

    #[test]
    fn amounts_are_read_as_kubernetes_writes_them() {
        let check = |text: &str, whole, thousandths| {
            let quantity = Quantity(text.to_owned());
            assert_eq!(
                (value(&quantity), milli(&quantity)),
                (whole, thousandths),
                "{text}"
            );
        };
        check("1", Some(1), Some(1000));
        check("100m", Some(1), Some(100));
        check("0.5", Some(1), Some(500));
        check("64Mi", Some(67_108_864), Some(67_108_864_000));
        check("1e3", Some(1000), Some(1_000_000));
        check("1G", Some(1_000_000_000), Some(1_000_000_000_000));
        check("1u", Some(1), Some(1));
        check("", None, None);
        check("lots", None, None);
    }

    #[test]
    fn a_divisor_rounds_up() {
        let q = |text: &str| Quantity(text.to_owned());
        assert_eq!(divided(&q("1500m"), None), Some(2));
        assert_eq!(divided(&q("1500m"), Some(&q("1m"))), Some(1500));
        assert_eq!(divided(&q("64Mi"), Some(&q("1Mi"))), Some(64));
        assert_eq!(divided(&q("64Mi"), Some(&q("0"))), Some(67_108_864));
    }
}
