//! The scalars of scenario files: durations, ranges of them, quantities, values of flags, instants.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::kernel::Span;
use crate::kubelet::{Range, SPAN_MAX};

/// A duration in Go's syntax: `300ms`, `90s`, `1h30m`; days (`2d`) as well. At most 366 days.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Duration(pub Span);

/// A duration that is drawn anew each time, each value between the bounds as likely as another: `200ms..1s`, bounds
/// included. A single duration (`2s`) is that duration always.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DurationRange(pub Range);

/// How far apart things are that come again and again: `10m`, or `10m ±2m` (also `10m +-2m`) where each is off by a drawn
/// span of two minutes at most, either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Every {
    /// From one to the next; not zero.
    pub period: Span,
    /// How far each is off at most; less than the period.
    pub jitter: Span,
}

/// A Kubernetes quantity, as text (`500m`, `16Gi`) or as a plain number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QuantityText(pub String);

/// The value of a flag as a command line has it: a text, a number, or `true` or `false`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlagText(pub String);

/// An instant in RFC 3339, as `2026-01-01T00:00:00Z`; parts of a second are cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instant {
    /// Seconds of Unix time.
    pub unix_seconds: i64,
}

/// Something that has a short form, a text that stands for a mapping with one entry.
pub trait ShortForm: Sized {
    /// What the text means.
    fn short(text: String) -> Self;
    /// What is expected here, in words.
    const EXPECTED: &'static str;
}

struct TextVisitor<T> {
    expected: &'static str,
    read: fn(&str) -> Result<T, String>,
}

impl<T> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).map_err(E::custom)
    }
}

fn read_span(text: &str) -> Result<Span, String> {
    let span: Span = text.trim().parse().map_err(|error: crate::kernel::ParseSpanError| error.to_string())?;
    if span > SPAN_MAX {
        return Err(format!("'{text}' is longer than 366 days, the longest that a scenario may name"));
    }
    Ok(span)
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_str(TextVisitor {
            expected: "a duration such as 500ms, 90s or 1h30m",
            read: |text| read_span(text).map(Duration),
        })
    }
}

/// The range of durations that a text stands for.
pub(in crate::scenario) fn read_range(text: &str) -> Result<DurationRange, String> {
    let Some((low, high)) = text.split_once("..") else {
        return read_span(text).map(|span| DurationRange(Range::exactly(span)));
    };
    let (low, high) = (read_span(low)?, read_span(high)?);
    if low > high {
        return Err(format!("'{text}' ends before it begins; write the shorter duration first"));
    }
    Ok(DurationRange(Range { low, high }))
}

impl<'de> Deserialize<'de> for DurationRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DurationRange, D::Error> {
        deserializer.deserialize_str(TextVisitor {
            expected: "a duration such as 2s, or a range such as 500ms..2s",
            read: read_range,
        })
    }
}

fn read_every(text: &str) -> Result<Every, String> {
    let (period, jitter) = match text.split_once('±').or_else(|| text.split_once("+-")) {
        Some((period, jitter)) => (read_span(period)?, read_span(jitter)?),
        None => (read_span(text)?, Span::ZERO),
    };
    if period == Span::ZERO {
        return Err("a period of no time never ends; write for example 10m".to_owned());
    }
    if jitter >= period {
        return Err(format!("'{text}' may be off by as much as its period; write less after ±"));
    }
    Ok(Every { period, jitter })
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Every, D::Error> {
        deserializer.deserialize_str(TextVisitor { expected: "a period such as 10m or 10m ±2m", read: read_every })
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        deserializer.deserialize_str(TextVisitor {
            expected: "an instant such as 2026-01-01T00:00:00Z",
            read: |text| match text.parse::<jiff::Timestamp>() {
                Ok(instant) => Ok(Instant { unix_seconds: instant.as_second() }),
                Err(_) => Err(format!("{text:?} is no instant in RFC 3339, such as 2026-01-01T00:00:00Z")),
            },
        })
    }
}

struct ScalarVisitor {
    expected: &'static str,
    booleans: bool,
}

impl Visitor<'_> for ScalarVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<String, E> {
        Ok(number.to_string())
    }

    fn visit_bool<E: Error>(self, switch: bool) -> Result<String, E> {
        if self.booleans {
            return Ok(switch.to_string());
        }
        Err(E::invalid_type(serde::de::Unexpected::Bool(switch), &self))
    }
}

impl<'de> Deserialize<'de> for QuantityText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<QuantityText, D::Error> {
        let visitor = ScalarVisitor { expected: "a quantity such as 500m, 4 or 16Gi", booleans: false };
        deserializer.deserialize_any(visitor).map(QuantityText)
    }
}

impl<'de> Deserialize<'de> for FlagText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FlagText, D::Error> {
        let visitor =
            ScalarVisitor { expected: "the value of a flag: a text, a number, true or false", booleans: true };
        deserializer.deserialize_any(visitor).map(FlagText)
    }
}

/// Reads the short form or the whole mapping: to be named in `deserialize_with`.
pub(super) fn short_or_whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: ShortForm + Deserialize<'de>,
{
    struct ShortOrWhole<T>(PhantomData<T>);

    impl<'de, T: ShortForm + Deserialize<'de>> Visitor<'de> for ShortOrWhole<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::EXPECTED)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            Ok(T::short(text.to_owned()))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(ShortOrWhole(PhantomData)).map(Some)
}
