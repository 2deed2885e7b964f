//! `Quantity`: amounts of CPU, memory and the like, exact and printed as upstream prints them.
//!
//! Follows apimachinery `pkg/api/resource` (`quantity.go`, `suffix.go`, `amount.go`): the same
//! grammar, the same errors, the same canonical form, and the habit of keeping some texts as they
//! were typed. Where it differs: amounts beyond ±1.7e29 are capped there (upstream has no bound for
//! decimal ones); a fraction of a binary suffix counts to 19 digits; `value` and `milli_value` cap at
//! the ends of `i64` where upstream's overflow. Left out: `Mul`, `RoundUp` and the protobuf form.
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use ecow::EcoString;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as TypedQuantity;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

mod parse;

use parse::parse;

const NANO: i128 = 1_000_000_000;

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
        Self { nanos, format, typed: EcoString::new() }
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
        if !binary {
            return canonical_decimal(self.nanos, self.format);
        }
        canonical_binary(self.nanos / NANO).unwrap_or_else(|| canonical_decimal(self.nanos, Format::DecimalExponent))
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
        if self.typed.is_empty() { f.write_str(&self.canonical()) } else { f.write_str(&self.typed) }
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
            serde_json::Value::Bool(_) | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                return Err(serde::de::Error::custom(ParseQuantityError::FormatWrong));
            }
        };
        parse(text.trim()).map_err(serde::de::Error::custom)
    }
}

fn canonical_decimal(nanos: i128, format: Format) -> String {
    let mut mantissa = nanos;
    let mut exponent = -9;
    while mantissa % 1000 == 0 {
        mantissa /= 1000;
        exponent += 3;
    }
    match format {
        // There is no suffix beyond exa: an exponent says it.
        Format::DecimalSI | Format::BinarySI if exponent <= 18 => {
            let suffix = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][((exponent + 9) / 3) as usize];
            format!("{mantissa}{suffix}")
        }
        Format::DecimalExponent if exponent == 0 => mantissa.to_string(),
        Format::DecimalSI | Format::BinarySI | Format::DecimalExponent => {
            format!("{mantissa}e{exponent}")
        }
    }
}

/// `None` where the amount would take a suffix beyond exbi, which does not exist.
fn canonical_binary(value: i128) -> Option<String> {
    let mut mantissa = value;
    let mut place = 0;
    while mantissa % 1024 == 0 {
        mantissa /= 1024;
        place += 1;
    }
    let suffix = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].get(place)?;
    Some(format!("{mantissa}{suffix}"))
}

fn divide_away_from_zero(amount: i128, divisor: i128) -> i128 {
    amount / divisor + if amount % divisor == 0 { 0 } else { amount.signum() }
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
        let found = text.parse::<Quantity>().map(|q| (q.to_string(), q.value(), q.milli_value()));
        assert_eq!(found, Ok((printed.to_string(), value, milli)), "for {text:?}");
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
        assert_eq!(Quantity::from_value(1000, Format::BinarySI).to_string(), "1k");
        assert_eq!(Quantity::from_value(1024, Format::BinarySI).to_string(), "1Ki");
        assert_eq!(Quantity::from_milli(1_024_500, Format::BinarySI).to_string(), "1024500m");
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
        assert_eq!(Quantity::from_value(12_000_000, Format::DecimalExponent).to_string(), "12e6");
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
    fn amounts_beyond_the_largest_suffix_take_an_exponent() {
        for (text, printed) in [("1000E", "1e21"), ("5000E", "5e21"), ("1000000E", "1e24"), ("1100E", "1100E")] {
            assert_eq!(q(text).to_string(), printed);
        }
        let large = Quantity::from_nanos((1_i128 << 70) * NANO, Format::BinarySI);
        assert_eq!(large.to_string(), "1180591620717411303424");
    }

    #[test]
    fn formats_follow_the_suffix() {
        use Format::{BinarySI, DecimalExponent, DecimalSI};
        // Text, amount in nanos, format; the cases of upstream's TestQuantityParse.
        for (text, nanos, format) in [
            ("0Ki", 0, BinarySI),
            ("0k", 0, DecimalSI),
            ("6Gi", (6 << 30) * NANO, BinarySI),
            ("3Ei", (3 << 60) * NANO, BinarySI),
            ("100Ti", (100 << 40) * NANO, BinarySI),
            ("4u", 4000, DecimalSI),
            ("300T", 300_000_000_000_000 * NANO, DecimalSI),
            ("1E", 1_000_000_000_000_000_000 * NANO, DecimalSI),
            ("1E-3", 1_000_000, DecimalExponent),
            ("1e14", 100_000_000_000_000 * NANO, DecimalExponent),
            ("100.035k", 100_035 * NANO, DecimalSI),
            ("0.0005k", 500_000_000, DecimalSI),
            ("0.50000", 500_000_000, DecimalSI),
            ("0.5e-2", 5_000_000, DecimalExponent),
            ("1.3E+6", 1_300_000 * NANO, DecimalExponent),
            ("1.7E18", 1_700_000_000_000_000_000 * NANO, DecimalExponent),
            ("7.123456M", 7_123_456 * NANO, DecimalSI),
            ("1.01E", 1_010_000_000_000_000_000 * NANO, DecimalSI),
            ("3.001n", 4, DecimalSI),
            ("1.1E-9", 2, DecimalExponent),
            ("0.00000000050", 1, DecimalSI),
            ("0.00000012345", 124, DecimalSI),
            ("9223372036854775807Ki", i128::from(i64::MAX) * NANO, BinarySI),
            ("12E", 12_000_000_000_000_000_000 * NANO, DecimalSI),
            ("100.035Ki", 102_435_840_000_000, BinarySI),
            ("0.05Gi", 53_687_091_200_000_000, BinarySI),
            ("0.000000000001Ki", 2, DecimalSI),
            (".0001k", 100_000_000, DecimalSI),
            ("1.G", NANO * NANO, DecimalSI),
            (".", 0, DecimalSI),
        ] {
            for (sign, factor) in [("", 1), ("+", 1), ("-", -1)] {
                let found = q(&format!("{sign}{text}"));
                assert_eq!((found.nanos(), found.format()), (nanos * factor, format), "for {sign}{text}");
            }
        }
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
            ("1e4294967297", ParseQuantityError::Suffix),
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
        let read =
            |text: &str| serde_json::from_str::<Quantity>(text).map(|q| q.to_string()).map_err(|e| e.to_string());
        assert_eq!(read("\" 1.5Gi \""), Ok("1536Mi".to_string()));
        assert_eq!(read("2"), Ok("2".to_string()));
        assert_eq!(read("0.5"), Ok("500m".to_string()));
        assert_eq!(read("null"), Ok("0".to_string()));
        assert!(read("true").is_err());
        assert_eq!(serde_json::to_string(&q("0.1")).unwrap(), "\"100m\"");
    }
}
