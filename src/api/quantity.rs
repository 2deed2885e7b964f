//! `Quantity`: amounts of CPU, memory and the like, exact and printed as upstream prints them.
//!
//! Follows apimachinery `pkg/api/resource` (`quantity.go`, `suffix.go`, `amount.go`): the same
//! grammar, the same errors, the same canonical form, and the habit of keeping some texts as they
//! were typed. Where it differs: amounts beyond ±1.7e29 are capped there (upstream has no bound for
//! decimal ones); a fraction of a binary suffix counts to 19 digits; `value` and `milli_value` cap at
//! the ends of `i64` where upstream's overflow; what is larger than the largest suffix keeps that
//! suffix, where upstream prints none. Left out: `Mul` and the protobuf form.
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use ecow::EcoString;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as TypedQuantity;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANO: i128 = 1_000_000_000;
/// Upstream's `maxInt64Factors`: so many decimal digits always fit in an `int64`.
const FAST_DIGITS: i64 = 18;

/// How an amount is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// With an exponent: `12e6`.
    DecimalExponent,
    /// With a power of 1024: `12Mi`.
    BinarySI,
    /// With a power of 1000: `12M`.
    DecimalSI,
}

/// An exact amount and the way in which it is written.
///
/// Two quantities are equal where their amounts are, whatever their format: `1Ki` is `1024`.
#[derive(Clone, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
    /// The text as it was typed, where upstream keeps it although it is not the canonical one.
    typed: EcoString,
}

/// Why a text is no quantity. Prints upstream's sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseQuantityError {
    /// The text has not the form of a number and a suffix.
    FormatWrong,
    /// The number cannot be read.
    Numeric,
    /// There is no such suffix.
    Suffix,
}

impl fmt::Display for ParseQuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FormatWrong => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Numeric => "unable to parse numeric part of quantity",
            Self::Suffix => "unable to parse quantity's suffix",
        })
    }
}

impl std::error::Error for ParseQuantityError {}

impl Quantity {
    /// Zero, written without a suffix.
    pub fn zero() -> Self {
        Self::from_nanos(0, Format::DecimalSI)
    }

    /// `nanos` billionths.
    pub fn from_nanos(nanos: i128, format: Format) -> Self {
        Self {
            nanos,
            format,
            typed: EcoString::new(),
        }
    }

    /// `millis` thousandths (`NewMilliQuantity`).
    pub fn from_milli(millis: i64, format: Format) -> Self {
        Self::from_nanos(i128::from(millis) * (NANO / 1000), format)
    }

    /// `value` whole units (`NewQuantity`).
    pub fn from_value(value: i64, format: Format) -> Self {
        Self::from_nanos(i128::from(value) * NANO, format)
    }

    /// The amount in billionths.
    pub fn nanos(&self) -> i128 {
        self.nanos
    }

    /// The way in which it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The amount in whole units, fractions rounded away from zero, capped to an `i64`.
    pub fn value(&self) -> i64 {
        cap(divide_away_from_zero(self.nanos, NANO))
    }

    /// The amount in thousandths, fractions rounded away from zero, capped to an `i64`.
    pub fn milli_value(&self) -> i64 {
        cap(divide_away_from_zero(self.nanos, NANO / 1000))
    }

    /// Whether the amount is zero.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Adds `other`; zero takes over the format of what is added to it.
    pub fn add(&mut self, other: &Self) {
        self.take(other, self.nanos.saturating_add(other.nanos));
    }

    /// Subtracts `other`; zero takes over the format of what is subtracted from it.
    pub fn sub(&mut self, other: &Self) {
        self.take(other, self.nanos.saturating_sub(other.nanos));
    }

    fn take(&mut self, other: &Self, nanos: i128) {
        if self.nanos == 0 {
            self.format = other.format;
        }
        self.nanos = nanos;
        self.typed = EcoString::new();
    }

    /// The canonical text: no precision lost, no fraction written, the suffix as large as can be.
    fn canonical(&self) -> String {
        if self.nanos == 0 {
            return "0".to_string();
        }
        let binary = self.format == Format::BinarySI
            && self.nanos.unsigned_abs() >= 1024 * NANO.unsigned_abs()
            && self.nanos % NANO == 0;
        if binary {
            canonical_binary(self.nanos / NANO)
        } else {
            canonical_decimal(self.nanos, self.format)
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nanos.hash(state);
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.typed.is_empty() {
            f.write_str(&self.canonical())
        } else {
            f.write_str(&self.typed)
        }
    }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, ParseQuantityError> {
        parse(text)
    }
}

impl TryFrom<&TypedQuantity> for Quantity {
    type Error = ParseQuantityError;

    /// Reads what an object holds; space around it is allowed, as in JSON.
    fn try_from(typed: &TypedQuantity) -> Result<Self, ParseQuantityError> {
        parse(typed.0.trim())
    }
}

impl From<&Quantity> for TypedQuantity {
    fn from(quantity: &Quantity) -> Self {
        Self(quantity.to_string())
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    /// Takes a text or a number; space around the text is allowed and `null` is zero.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => return Ok(Self::zero()),
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::Bool(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => {
                return Err(serde::de::Error::custom(ParseQuantityError::FormatWrong));
            }
        };
        parse(text.trim()).map_err(serde::de::Error::custom)
    }
}

/// The pieces of a text: `[sign] whole [. fraction] [suffix]`, leading zeros of the whole part gone.
struct Pieces<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    suffix: &'t str,
}

fn parse(text: &str) -> Result<Quantity, ParseQuantityError> {
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
    let nanos = if pieces.negative {
        -magnitude
    } else {
        magnitude
    };
    let mut quantity = Quantity::from_nanos(nanos, format);
    if keeps_text(&pieces, &factor) && quantity.canonical() != text {
        quantity.typed = EcoString::from(text);
    }
    Ok(quantity)
}

fn split(text: &str) -> Result<Pieces<'_>, ParseQuantityError> {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let negative = text.starts_with('-');
    let rest = text
        .strip_prefix(['-', '+'])
        .unwrap_or(text)
        .trim_start_matches('0');
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
    Ok(Pieces {
        negative,
        whole: if whole.is_empty() { "0" } else { whole },
        fraction,
        suffix,
    })
}

enum Factor {
    Ten(i32),
    Two(u32),
}

fn interpret(suffix: &str) -> Option<(Factor, Format)> {
    let decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"]
        .iter()
        .position(|s| *s == suffix);
    if let Some(place) = decimal {
        return Some((Factor::Ten(place as i32 * 3 - 9), Format::DecimalSI));
    }
    if let Some(place) = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        .iter()
        .position(|s| *s == suffix)
    {
        return Some((Factor::Two((place as u32 + 1) * 10), Format::BinarySI));
    }
    let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((Factor::Ten(exponent as i32), Format::DecimalExponent))
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
        let power = u32::try_from(shift)
            .ok()
            .and_then(|s| 10_i128.checked_pow(s));
        let value = digits.parse::<i128>().ok();
        return value
            .zip(power)
            .and_then(|(v, p)| v.checked_mul(p))
            .unwrap_or(i128::MAX);
    }
    let cut = usize::try_from(-shift).unwrap_or(usize::MAX);
    if cut >= digits.len() {
        return 1;
    }
    let (kept, dropped) = digits.split_at(digits.len() - cut);
    let kept = kept.parse::<i128>().unwrap_or(i128::MAX);
    if dropped.bytes().any(|b| b != b'0') {
        kept.saturating_add(1)
    } else {
        kept
    }
}

fn decimal_nanos(pieces: &Pieces<'_>, exponent: i32) -> i128 {
    let digits = format!("{}{}", pieces.whole, pieces.fraction);
    scale_digits(
        &digits,
        i64::from(exponent) - pieces.fraction.len() as i64 + 9,
    )
}

fn binary_nanos(pieces: &Pieces<'_>, exponent: u32) -> i128 {
    let most = i128::from(i64::MAX) * NANO;
    let unit = 1_i128 << exponent;
    let whole = pieces
        .whole
        .parse::<i128>()
        .ok()
        .and_then(|w| w.checked_mul(unit))
        .and_then(|w| w.checked_mul(NANO));
    // Nineteen digits of a fraction, in units of 1e-19, times at most 2^60 stay below 2^127.
    let fraction = scale_digits(pieces.fraction, 19 - pieces.fraction.len() as i64);
    let fraction_nanos = divide_away_from_zero(fraction * unit, 10_i128.pow(10));
    whole
        .and_then(|w| w.checked_add(fraction_nanos))
        .map_or(most, |nanos| nanos.min(most))
}

fn canonical_decimal(nanos: i128, format: Format) -> String {
    let mut mantissa = nanos;
    let mut exponent = -9;
    while mantissa % 1000 == 0 && (exponent < 18 || format == Format::DecimalExponent) {
        mantissa /= 1000;
        exponent += 3;
    }
    let suffix = match (format, exponent) {
        (Format::DecimalExponent, 0) => String::new(),
        (Format::DecimalExponent, _) => format!("e{exponent}"),
        (Format::DecimalSI | Format::BinarySI, _) => {
            ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][((exponent + 9) / 3) as usize]
                .to_string()
        }
    };
    format!("{mantissa}{suffix}")
}

fn canonical_binary(value: i128) -> String {
    let mut mantissa = value;
    let mut place = 0;
    while mantissa % 1024 == 0 && place < 6 {
        mantissa /= 1024;
        place += 1;
    }
    format!(
        "{mantissa}{}",
        ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][place]
    )
}

fn divide_away_from_zero(amount: i128, divisor: i128) -> i128 {
    amount / divisor
        + if amount % divisor == 0 {
            0
        } else {
            amount.signum()
        }
}

fn cap(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[track_caller]
    fn check(text: &str, printed: &str, value: i64, milli: i64) {
        let found = text
            .parse::<Quantity>()
            .map(|q| (q.to_string(), q.value(), q.milli_value()));
        assert_eq!(
            found,
            Ok((printed.to_string(), value, milli)),
            "for {text:?}"
        );
    }

    #[test]
    fn decimal_amounts_take_the_largest_suffix() {
        check("0", "0", 0, 0);
        check("0n", "0", 0, 0);
        check("0.0", "0", 0, 0);
        check("0.1", "100m", 1, 100);
        check("1.5", "1500m", 2, 1500);
        check("0.5", "500m", 1, 500);
        check(".5", "500m", 1, 500);
        check("1000", "1k", 1000, 1_000_000);
        check("1024", "1024", 1024, 1_024_000);
        check("1000m", "1", 1, 1000);
        check("1500u", "1500u", 1, 2);
        check("100000n", "100u", 1, 1);
        check("1.0", "1", 1, 1000);
        check("10.000", "10", 10, 10_000);
        check("100", "100", 100, 100_000);
        check("1100E", "1100E", i64::MAX, i64::MAX);
        check("-1.5", "-1500m", -2, -1500);
        check("-0", "0", 0, 0);
        check("0.3k", "300", 300, 300_000);
        check("1.1k", "1100", 1100, 1_100_000);
    }

    #[test]
    fn binary_amounts_stay_whole_or_become_decimal() {
        check("1Ki", "1Ki", 1024, 1_024_000);
        check("1.5Gi", "1536Mi", 1_610_612_736, 1_610_612_736_000);
        check("8Ki", "8Ki", 8192, 8_192_000);
        check("1024Ki", "1Mi", 1 << 20, (1 << 20) * 1000);
        check("0.5Ki", "512", 512, 512_000);
        check("0.001Ki", "1024m", 2, 1024);
        check("0.0001Ki", "102400u", 1, 103);
        check("1.1Mi", "1153433600m", 1_153_434, 1_153_433_600);
        check("-4Mi", "-4Mi", -(4 << 20), -(4 << 20) * 1000);
        check("9Ei", "9223372036854775807", i64::MAX, i64::MAX);
        check("7.5Ei", "7680Pi", 15 << 59, i64::MAX);
        assert_eq!(
            Quantity::from_value(1000, Format::BinarySI).to_string(),
            "1k"
        );
        assert_eq!(
            Quantity::from_value(1024, Format::BinarySI).to_string(),
            "1Ki"
        );
        assert_eq!(
            Quantity::from_milli(1_024_500, Format::BinarySI).to_string(),
            "1024500m"
        );
    }

    #[test]
    fn exponents_are_multiples_of_three() {
        check("12e6", "12e6", 12_000_000, 12_000_000_000);
        check("1e2", "100", 100, 100_000);
        check("1e4", "10e3", 10_000, 10_000_000);
        check("1e-3", "1e-3", 1, 1);
        check("1.2e3", "1200", 1200, 1_200_000);
        check("100e-1", "10", 10, 10_000);
        check("1E+6", "1E+6", 1_000_000, 1_000_000_000);
        check("10e3", "10e3", 10_000, 10_000_000);
        assert_eq!(
            Quantity::from_value(12_000_000, Format::DecimalExponent).to_string(),
            "12e6"
        );
    }

    #[test]
    fn what_is_smaller_than_a_billionth_is_rounded_up() {
        check("0.1n", "1n", 1, 1);
        check("1.1n", "2n", 1, 1);
        check("-0.1n", "-1n", -1, -1);
        check("1e-30", "1e-9", 1, 1);
        check("0.0000000001Ki", "103n", 1, 1);
    }

    #[test]
    fn some_texts_stay_as_they_were_typed() {
        check("1.500", "1.500", 2, 1500);
        check("+1", "+1", 1, 1000);
        check("01", "01", 1, 1000);
        check("1E3", "1E3", 1000, 1_000_000);
        let mut sum = q("+1");
        sum.add(&q("1"));
        assert_eq!(sum.to_string(), "2");
    }

    #[test]
    fn errors_have_upstreams_words() {
        for (text, error) in [
            ("", ParseQuantityError::FormatWrong),
            ("1.1.M", ParseQuantityError::FormatWrong),
            ("1+1.0M", ParseQuantityError::FormatWrong),
            ("aoeu", ParseQuantityError::FormatWrong),
            (" 1", ParseQuantityError::FormatWrong),
            ("1 ", ParseQuantityError::FormatWrong),
            ("0.1mi", ParseQuantityError::Suffix),
            ("0.1am", ParseQuantityError::FormatWrong),
            (".5i", ParseQuantityError::Suffix),
            ("1i", ParseQuantityError::Suffix),
            ("-3.01i", ParseQuantityError::Suffix),
            ("-3.01e-", ParseQuantityError::Suffix),
            ("1K", ParseQuantityError::Suffix),
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(error), "for {text:?}");
        }
    }

    #[test]
    fn sums_and_differences_keep_their_format_unless_zero() {
        for (left, right, sum, difference) in [
            ("1Ki", "1Ki", "2Ki", "0"),
            ("10", "1", "11", "9"),
            ("0", "1Ki", "1Ki", "-1Ki"),
            ("1Gi", "500M", "1573741824", "573741824"),
            ("1", "100m", "1100m", "900m"),
            ("50Mi", "50M", "102428800", "2428800"),
        ] {
            let (mut plus, mut minus) = (q(left), q(left));
            plus.add(&q(right));
            minus.sub(&q(right));
            assert_eq!(
                (plus.to_string(), minus.to_string()),
                (sum.to_string(), difference.to_string()),
                "{left} {right}"
            );
        }
    }

    #[test]
    fn amounts_compare_whatever_their_format() {
        assert_eq!(q("1Ki"), q("1024"));
        assert_eq!(q("1"), q("1000m"));
        assert!(q("1Gi") > q("1G"));
        assert!(q("-1") < q("0"));
    }

    #[test]
    fn json_takes_numbers_and_gives_texts() {
        let read = |text: &str| {
            serde_json::from_str::<Quantity>(text)
                .map(|q| q.to_string())
                .map_err(|e| e.to_string())
        };
        assert_eq!(read("\" 1.5Gi \""), Ok("1536Mi".to_string()));
        assert_eq!(read("2"), Ok("2".to_string()));
        assert_eq!(read("0.5"), Ok("500m".to_string()));
        assert_eq!(read("null"), Ok("0".to_string()));
        assert!(read("true").is_err());
        assert_eq!(serde_json::to_string(&q("0.1")).unwrap(), "\"100m\"");
    }
}
