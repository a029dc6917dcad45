//! What a plain scalar means: the rules of the YAML library that `kubectl` is built with (go-yaml v2 behind
//! sigs.k8s.io/yaml), so that one text is one object in both. They are those of YAML 1.1 without base 60.

use serde_json::{Number, Value};

/// The value of a plain (unquoted, untagged) scalar. `None` for what JSON cannot say: infinities and not-a-number.
pub(super) fn plain(text: &str) -> Option<Value> {
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf"
        | "-.Inf" | "-.INF" => return None,
        _ => match text.as_bytes()[0] {
            b'0'..=b'9' | b'+' | b'-' => return Some(number(text).unwrap_or_else(|| Value::from(text))),
            b'.' => {
                text.parse().ok().filter(|_| is_float(text)).and_then(float).unwrap_or_else(|| text.into())
            }
            _ => Value::from(text),
        },
    };
    Some(value)
}

/// The text that a key of this value becomes; `None` for what cannot be a key.
pub(super) fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Digits with `_` anywhere, in base 2, 8, 10 or 16; else a decimal fraction. Dates stay text, as they have no digits
/// only.
fn number(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    integer(&digits).or_else(|| is_float(&digits).then(|| digits.parse().ok().and_then(float)).flatten())
}

fn integer(text: &str) -> Option<Value> {
    let (negative, magnitude) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = magnitude.to_ascii_lowercase();
    let (radix, digits) = if let Some(digits) = lower.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = lower.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = lower.strip_prefix("0o") {
        (8, digits)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    // `from_str_radix` would take a second sign.
    if !digits.bytes().all(|digit| digit.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if !negative {
        return Some(magnitude.into());
    }
    0i64.checked_sub_unsigned(magnitude).map(Value::from)
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => {
            digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
        }
        None => !mantissa.is_empty() && digits(mantissa),
    };
    exponent_fits && mantissa_fits
}

/// A whole number becomes an integer, because that is what it is once it has gone through JSON.
fn float(value: f64) -> Option<Value> {
    const EXACT: f64 = 9.0e18;
    if value.fract() == 0.0 && value.abs() < EXACT {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_mean_what_they_mean_to_kubectl() {
        let cases = [
            ("yes", json!(true)),
            ("y", json!(true)),
            ("On", json!(true)),
            ("oFF", json!("oFF")),
            ("off", json!(false)),
            ("N", json!(false)),
            ("~", json!(null)),
            ("", json!(null)),
            ("0", json!(0)),
            ("00", json!(0)),
            ("017", json!(15)),
            ("018", json!(18)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("-0b101", json!(-5)),
            ("+12", json!(12)),
            ("-9223372036854775808", json!(i64::MIN)),
            ("18446744073709551615", json!(u64::MAX)),
            ("1_883", json!(1883)),
            ("1883.0", json!(1883)),
            ("1e3", json!(1000)),
            (".5", json!(0.5)),
            ("1.", json!(1)),
            ("1.5.2", json!("1.5.2")),
            ("190:20:30", json!("190:20:30")),
            ("2001-12-14", json!("2001-12-14")),
            ("2001-12-14T21:59:43Z", json!("2001-12-14T21:59:43Z")),
            ("--1", json!("--1")),
            ("+-1", json!("+-1")),
            ("-", json!("-")),
            ("0x", json!("0x")),
            ("#", json!("#")),
            ("é", json!("é")),
        ];
        for (text, value) in cases {
            assert_eq!(plain(text), Some(value), "{text:?}");
        }
        assert_eq!(plain(".inf"), None);
        assert_eq!(plain("-.INF"), None);
    }
}
