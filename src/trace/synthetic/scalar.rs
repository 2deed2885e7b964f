//! The scalars of synthetic files: positive durations, quantities and numbers, shares, and ranges of counts.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::api::Quantity;
use crate::kernel::{ParseSpanError, Span};

/// The longest duration that a file may name.
const LENGTH_MAX: Span = Span::from_hours(100 * 366 * 24);

/// A duration in Go's syntax, not zero: `90s`, `1h30m`; days (`2d`) as well. At most 36,600 days.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Length(pub Span);

/// A Kubernetes quantity above zero: `500m`, `4`, `16Gi`.
#[derive(Clone, PartialEq, Debug)]
pub struct Size(pub Quantity);

/// A number above zero.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Positive(pub f64);

/// A number from 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share(pub f64);

/// How many: a number, `4`, or a range of which each is as likely as another, both ends included, `2..8`. At least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CountRange {
    /// The fewest.
    pub low: u32,
    /// The most.
    pub high: u32,
}

/// Reads a scalar, whatever it is, as the text that stands there.
struct ScalarVisitor<T> {
    expected: &'static str,
    read: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        (self.read)(&number.to_string()).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        (self.read)(&number.to_string()).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        (self.read)(&number.to_string()).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Length, D::Error> {
        deserializer.deserialize_str(ScalarVisitor { expected: "a duration such as 90s, 30m or 2d", read: read_length })
    }
}

fn read_length(text: &str) -> Result<Length, String> {
    let span: Span = text.trim().parse().map_err(|error: ParseSpanError| error.to_string())?;
    match span {
        Span::ZERO => Err(format!("'{text}' is no time at all; write for example 30m")),
        span if span > LENGTH_MAX => Err(format!("'{text}' is longer than 36600 days")),
        span => Ok(Length(span)),
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        deserializer.deserialize_any(ScalarVisitor { expected: "a quantity such as 500m, 4 or 16Gi", read: read_size })
    }
}

/// What a text means as a quantity.
pub(super) fn read_size(text: &str) -> Result<Size, String> {
    match text.parse::<Quantity>() {
        Ok(quantity) if quantity.nanos() > 0 => Ok(Size(quantity)),
        Ok(_) => Err(format!("'{text}' is not above zero")),
        Err(error) => Err(format!("'{text}' is no quantity: {error}")),
    }
}

impl<'de> Deserialize<'de> for Positive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Positive, D::Error> {
        match f64::deserialize(deserializer)? {
            number if number > 0.0 && number.is_finite() => Ok(Positive(number)),
            number => Err(D::Error::custom(format!("{number} is not above zero"))),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
        match f64::deserialize(deserializer)? {
            number if (0.0..=1.0).contains(&number) => Ok(Share(number)),
            number => Err(D::Error::custom(format!("{number} is not from 0 to 1"))),
        }
    }
}

impl<'de> Deserialize<'de> for CountRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CountRange, D::Error> {
        deserializer.deserialize_any(ScalarVisitor { expected: "a number, or a range such as 2..8", read: read_count })
    }
}

fn read_count(text: &str) -> Result<CountRange, String> {
    let (low, high) = text.split_once("..").unwrap_or((text, text));
    let count = |text: &str| match text.trim().parse::<u32>() {
        Ok(count) if count > 0 => Ok(count),
        Ok(_) | Err(_) => Err(format!("{text:?} is no number from 1 on; write for example 4 or 2..8")),
    };
    let (low, high) = (count(low)?, count(high)?);
    if low > high {
        return Err(format!("'{text}' ends before it begins; write the smaller number first"));
    }
    Ok(CountRange { low, high })
}
