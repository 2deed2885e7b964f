//! Reading a quantity: the pieces of the text, its suffix, the exact amount.
use ecow::EcoString;

use super::{Format, NANO, ParseQuantityError, Quantity, divide_away_from_zero};

/// Upstream's `maxInt64Factors`: so many decimal digits always fit in an `int64`.
const FAST_DIGITS: i64 = 18;

/// The pieces of a text: `[sign] whole [. fraction] [suffix]`, leading zeros of the whole part gone.
struct Pieces<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    suffix: &'t str,
}

/// The quantity that `text` writes; no space around it.
pub(super) fn parse(text: &str) -> Result<Quantity, ParseQuantityError> {
    if text.is_empty() {
        return Err(ParseQuantityError::FormatWrong);
    }
    let pieces = split(text)?;
    let (factor, mut format) = interpret(pieces.suffix).ok_or(ParseQuantityError::Suffix)?;
    let magnitude = match factor {
        Factor::Ten(exponent) => decimal_nanos(&pieces, exponent),
        Factor::Two(exponent) => binary_nanos(&pieces, exponent),
    };
    if format == Format::BinarySI && magnitude > 0 && magnitude < NANO {
        format = Format::DecimalSI;
    }
    let nanos = if pieces.negative { -magnitude } else { magnitude };
    let mut quantity = Quantity::from_nanos(nanos, format);
    if keeps_text(&pieces, &factor) && quantity.canonical() != text {
        quantity.typed = EcoString::from(text);
    }
    Ok(quantity)
}

fn split(text: &str) -> Result<Pieces<'_>, ParseQuantityError> {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let negative = text.starts_with('-');
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text).trim_start_matches('0');
    let (whole, rest) = rest.split_at(digits(rest));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    let tail = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let signed = tail.strip_prefix(['-', '+']).unwrap_or(tail);
    // A sign with nothing after it is taken for the end of a suffix, which is then unknown.
    if digits(signed) < signed.len() {
        return Err(ParseQuantityError::FormatWrong);
    }
    Ok(Pieces { negative, whole: if whole.is_empty() { "0" } else { whole }, fraction, suffix })
}

enum Factor {
    Ten(i32),
    Two(u32),
}

fn interpret(suffix: &str) -> Option<(Factor, Format)> {
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"].iter().position(|s| *s == suffix);
    if let Some(place) = decimal {
        return Some((Factor::Ten(place as i32 * 3 - 9), Format::DecimalSI));
    }
    if let Some(place) = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|s| *s == suffix) {
        return Some((Factor::Two((place as u32 + 1) * 10), Format::BinarySI));
    }
    let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    let exponent = i32::try_from(exponent).ok().filter(|e| *e != i32::MIN)?;
    Some((Factor::Ten(exponent), Format::DecimalExponent))
}

/// Whether upstream keeps the text as it was typed: its fast path, on a number that looks canonical.
fn keeps_text(pieces: &Pieces<'_>, factor: &Factor) -> bool {
    let digits = format!("{}{}", pieces.whole, pieces.fraction);
    match factor {
        Factor::Ten(exponent) => {
            let scale = i64::from(*exponent) - pieces.fraction.len() as i64;
            digits.len() as i64 <= FAST_DIGITS
                && scale >= -9
                && scale % 3 == 0
                && !digits.ends_with("000")
                && !digits.starts_with('0')
        }
        Factor::Two(exponent) => {
            let precision = 15 - pieces.whole.len() as i64 - i64::from(exponent * 3 / 10) - 1;
            let value: i64 = pieces.whole.parse().unwrap_or(0);
            pieces.fraction.is_empty() && precision >= 0 && value & 7 != 0
        }
    }
}

/// `digits` times ten to the power `shift`, rounded up, capped.
fn scale_digits(digits: &str, shift: i64) -> i128 {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return 0;
    }
    if shift >= 0 {
        let power = u32::try_from(shift).ok().and_then(|s| 10_i128.checked_pow(s));
        let value = digits.parse::<i128>().ok();
        return value.zip(power).and_then(|(v, p)| v.checked_mul(p)).unwrap_or(i128::MAX);
    }
    let cut = usize::try_from(-shift).unwrap_or(usize::MAX);
    if cut >= digits.len() {
        return 1;
    }
    let (kept, dropped) = digits.split_at(digits.len() - cut);
    let kept = kept.parse::<i128>().unwrap_or(i128::MAX);
    if dropped.bytes().any(|b| b != b'0') { kept.saturating_add(1) } else { kept }
}

fn decimal_nanos(pieces: &Pieces<'_>, exponent: i32) -> i128 {
    let digits = format!("{}{}", pieces.whole, pieces.fraction);
    scale_digits(&digits, i64::from(exponent) - pieces.fraction.len() as i64 + 9)
}

fn binary_nanos(pieces: &Pieces<'_>, exponent: u32) -> i128 {
    let most = i128::from(i64::MAX) * NANO;
    let unit = 1_i128 << exponent;
    let whole = pieces.whole.parse::<i128>().ok().and_then(|w| w.checked_mul(unit)).and_then(|w| w.checked_mul(NANO));
    // Nineteen digits of a fraction, in units of 1e-19, times at most 2^60 stay below 2^127.
    let fraction = scale_digits(pieces.fraction, 19 - pieces.fraction.len() as i64);
    let fraction_nanos = divide_away_from_zero(fraction * unit, 10_i128.pow(10));
    whole.and_then(|w| w.checked_add(fraction_nanos)).map_or(most, |nanos| nanos.min(most))
}
