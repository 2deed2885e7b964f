//! Simulated time in whole nanoseconds: `Time` is an instant of a scenario, `Span` a length.

use std::fmt;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::str::FromStr;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// An instant: nanoseconds since the scenario's start. Reaches 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of time in nanoseconds, never negative. Reaches 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

impl Time {
    /// The scenario's start.
    pub const ZERO: Time = Time(0);
    /// The last instant that can be written down; stands for 'never' in look-ups of a minimum.
    pub const MAX: Time = Time(u64::MAX);

    /// Nanoseconds since the scenario's start.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Whole seconds since the scenario's start, rounded down.
    pub const fn seconds(self) -> u64 {
        self.0 / SECOND
    }

    /// The length from `earlier` to here; zero if `earlier` is in fact later.
    pub const fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The instant `span` from here, `Time::MAX` at most.
    pub const fn saturating_add(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

impl Add<Span> for Time {
    type Output = Time;

    /// Panics beyond `Time::MAX`: use `saturating_add` where 'never' is meant.
    fn add(self, span: Span) -> Time {
        match self.0.checked_add(span.0) {
            Some(nanos) => Time(nanos),
            None => panic!("{self} plus {span} lies beyond the end of time"),
        }
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub for Time {
    type Output = Span;

    /// Panics if `earlier` is later: use `since` where zero is meant.
    fn sub(self, earlier: Time) -> Span {
        match self.0.checked_sub(earlier.0) {
            Some(nanos) => Span(nanos),
            None => panic!("{self} is before {earlier}: the length between would be negative"),
        }
    }
}

/// `t+12.345s`: exact, without trailing zeros.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("t+{}s", decimal(self.0, SECOND)))
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// So many nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Span {
        Span(nanos)
    }

    /// So many microseconds.
    pub const fn from_micros(micros: u64) -> Span {
        Span(micros * MICROSECOND)
    }

    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Span {
        Span(millis * MILLISECOND)
    }

    /// So many seconds.
    pub const fn from_secs(secs: u64) -> Span {
        Span(secs * SECOND)
    }

    /// So many minutes.
    pub const fn from_mins(mins: u64) -> Span {
        Span(mins * MINUTE)
    }

    /// So many hours.
    pub const fn from_hours(hours: u64) -> Span {
        Span(hours * HOUR)
    }

    /// The length in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The length in whole milliseconds, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / MILLISECOND
    }

    /// The length in seconds; exact below 2^53 nanoseconds (104 days), else the nearest float.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / SECOND as f64
    }

    /// The length times `factor`, to the nearest nanosecond, halves up; at most the longest span.
    /// Lengths from 2^53 nanoseconds (104 days) lose their last digits on the way through a float.
    /// Panics on a factor that is negative or not a number.
    pub fn scale(self, factor: f64) -> Span {
        assert!(factor >= 0.0, "a span cannot be scaled by {factor}: the factor must be zero or more");
        Span(libm::round(self.0 as f64 * factor) as u64)
    }
}

impl Add for Span {
    type Output = Span;

    fn add(self, other: Span) -> Span {
        match self.0.checked_add(other.0) {
            Some(nanos) => Span(nanos),
            None => panic!("{self} plus {other} is longer than a span can be"),
        }
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl Sub for Span {
    type Output = Span;

    /// Panics if `other` is the longer one.
    fn sub(self, other: Span) -> Span {
        match self.0.checked_sub(other.0) {
            Some(nanos) => Span(nanos),
            None => panic!("{self} minus {other} would be a negative span"),
        }
    }
}

impl Mul<u64> for Span {
    type Output = Span;

    fn mul(self, factor: u64) -> Span {
        match self.0.checked_mul(factor) {
            Some(nanos) => Span(nanos),
            None => panic!("{self} times {factor} is longer than a span can be"),
        }
    }
}

impl Div<u64> for Span {
    type Output = Span;

    /// Rounds down; panics on zero.
    fn div(self, divisor: u64) -> Span {
        assert!(divisor > 0, "{self} cannot be divided by zero");
        Span(self.0 / divisor)
    }
}

/// Exact and short: `250µs`, `12ms`, `1.5s`, seconds up to two minutes as kubectl has them (`90s`),
/// then hours, minutes and seconds without the zeros (`5m30s`, `2h`). `Span::from_str` reads it back.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0;
        if nanos == 0 {
            return f.pad("0s");
        }
        let text = if nanos < MICROSECOND {
            format!("{nanos}ns")
        } else if nanos < MILLISECOND {
            format!("{}µs", decimal(nanos, MICROSECOND))
        } else if nanos < SECOND {
            format!("{}ms", decimal(nanos, MILLISECOND))
        } else if nanos < 2 * MINUTE {
            format!("{}s", decimal(nanos, SECOND))
        } else {
            let part = |count: u64, unit: &str| match count {
                0 => String::new(),
                _ => format!("{count}{unit}"),
            };
            let seconds = match nanos % MINUTE {
                0 => String::new(),
                rest => format!("{}s", decimal(rest, SECOND)),
            };
            let hours = part(nanos / HOUR, "h");
            let minutes = part(nanos % HOUR / MINUTE, "m");
            format!("{hours}{minutes}{seconds}")
        };
        f.pad(&text)
    }
}

/// `nanos` in units of `unit` (a power of ten), exactly, without trailing zeros.
fn decimal(nanos: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let whole = nanos / unit;
    match nanos % unit {
        0 => whole.to_string(),
        rest => {
            let digits = format!("{rest:0width$}");
            format!("{whole}.{}", digits.trim_end_matches('0'))
        }
    }
}

/// Why a text is no span. Displays as a sentence that quotes the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseSpanError(String);

impl fmt::Display for ParseSpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParseSpanError {}

/// Reads what Go's `time.ParseDuration` reads: `300ms`, `1h15m30.918s`, `+1.5h`, `0`; and days,
/// `2d12h`, which Go does not know. Fractions of a nanosecond are cut off, in integers (Go goes
/// through a float there and may differ by one nanosecond). Negative spans are refused.
impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Span, ParseSpanError> {
        let refuse = |why: &str| ParseSpanError(format!("'{text}' is no duration: {why}"));
        if text.starts_with('-') {
            return Err(refuse("it is negative, and time only goes forwards"));
        }
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Span::ZERO);
        }
        if rest.is_empty() {
            return Err(refuse("it is empty; write for example 300ms, 90s or 1h30m"));
        }
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (nanos, tail) = parse_term(rest).map_err(|why| refuse(&why))?;
            total = total.checked_add(nanos).ok_or_else(|| refuse(TOO_LONG))?;
            rest = tail;
        }
        Ok(Span(total))
    }
}

const TOO_LONG: &str = "it is longer than 584 years";

/// One number with its unit from the start of `text`: its nanoseconds and what follows it.
fn parse_term(text: &str) -> Result<(u64, &str), String> {
    let (whole, tail) = split_digits(text);
    let (fraction, tail) = match tail.strip_prefix('.') {
        Some(after) => split_digits(after),
        None => ("", tail),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(format!("a number was expected at '{text}'"));
    }
    let unit_end = tail.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(tail.len());
    let (name, tail) = tail.split_at(unit_end);
    let unit = match name {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        "" => return Err("a unit is missing; units are ns, us, ms, s, m, h and d".to_string()),
        other => {
            return Err(format!("there is no unit '{other}'; units are ns, us, ms, s, m, h and d"));
        }
    };
    let mut nanos = u128::from(unit);
    nanos *= match whole {
        "" => 0,
        digits => u128::from(digits.parse::<u64>().map_err(|_| TOO_LONG.to_string())?),
    };
    // A day has fewer than 10^14 nanoseconds: digits after the 18th cannot reach one.
    let digits = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(digits.len() as u32);
    nanos += u128::from(digits.parse::<u64>().unwrap_or(0)) * u128::from(unit) / scale;
    match u64::try_from(nanos) {
        Ok(nanos) => Ok((nanos, tail)),
        Err(_) => Err(TOO_LONG.to_string()),
    }
}

/// `text` cut after its leading ASCII digits.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check_reads(text: &str, nanos: u64) {
        assert_eq!(text.parse(), Ok(Span(nanos)), "{text}");
    }

    #[track_caller]
    fn check_refuses(text: &str, part: &str) {
        let error = text.parse::<Span>().expect_err(text).to_string();
        assert!(error.contains(part), "{error}");
    }

    #[track_caller]
    fn check_shows(span: Span, text: &str) {
        assert_eq!(span.to_string(), text);
    }

    #[test]
    fn what_go_reads_is_read() {
        check_reads("0", 0);
        check_reads("+0", 0);
        check_reads("300ms", 300 * MILLISECOND);
        check_reads("1h15m30.918s", HOUR + 15 * MINUTE + 30_918 * MILLISECOND);
        check_reads("1.5h", 90 * MINUTE);
        check_reads(".5s", 500 * MILLISECOND);
        check_reads("5.s", 5 * SECOND);
        check_reads("+5s", 5 * SECOND);
        check_reads("5us", 5_000);
        check_reads("5µs", 5_000);
        check_reads("5μs", 5_000);
        check_reads("0.1ns", 0);
        check_reads("0.3333333333333333333h", 20 * MINUTE - 1);
        check_reads("1s1s", 2 * SECOND);
        check_reads("18446744073709551615ns", u64::MAX);
    }

    #[test]
    fn days_are_read() {
        check_reads("2d12h", 60 * HOUR);
        check_reads("0.5d", 12 * HOUR);
    }

    #[test]
    fn what_is_no_duration_is_refused_with_a_sentence() {
        check_refuses("", "'' is no duration: it is empty");
        check_refuses("-1s", "negative");
        check_refuses("3", "a unit is missing");
        check_refuses("3x", "no unit 'x'");
        check_refuses("1h 5m", "no unit 'h '");
        check_refuses("1hm", "no unit 'hm'");
        check_refuses("s", "a number was expected at 's'");
        check_refuses(".s", "a number was expected at '.s'");
        check_refuses("1..5s", "a unit is missing");
        check_refuses("18446744073709551616ns", "584 years");
        check_refuses("99999999999999999999999h", "584 years");
        check_refuses("18446744073709551615ns1ns", "584 years");
    }

    #[test]
    fn spans_show_short_and_exact() {
        check_shows(Span::ZERO, "0s");
        check_shows(Span::from_nanos(7), "7ns");
        check_shows(Span::from_nanos(1_500), "1.5µs");
        check_shows(Span::from_micros(250), "250µs");
        check_shows(Span::from_millis(12), "12ms");
        check_shows(Span::from_millis(1_500), "1.5s");
        check_shows(Span::from_secs(90), "90s");
        check_shows(Span::from_secs(120), "2m");
        check_shows(Span::from_secs(330), "5m30s");
        check_shows(Span::from_hours(2), "2h");
        check_shows(Span::from_hours(1) + Span::from_millis(20), "1h0.02s");
        check_shows(Span::from_hours(50) + Span::from_mins(3), "50h3m");
        assert_eq!(format!("{:>6}|", Span::from_secs(3)), "    3s|");
    }

    #[test]
    fn times_show_as_seconds_from_the_start() {
        assert_eq!(Time::ZERO.to_string(), "t+0s");
        assert_eq!((Time::ZERO + Span::from_millis(12_345)).to_string(), "t+12.345s");
        assert_eq!(Time(1).to_string(), "t+0.000000001s");
    }

    #[test]
    fn arithmetic_is_exact_and_says_what_saturates() {
        let late = Time::ZERO + Span::from_secs(3);
        assert_eq!(late - Time(1), Span(3 * SECOND - 1));
        assert_eq!(Time(1).since(late), Span::ZERO);
        assert_eq!(Time(2 * SECOND - 1).seconds(), 1);
        assert_eq!(Time::MAX.saturating_add(Span(1)), Time::MAX);
        assert_eq!(Span::from_secs(3) * 2 / 4, Span::from_millis(1_500));
        assert_eq!(Span::from_secs(3).min(Span::from_mins(1)).as_millis(), 3_000);
        assert_eq!(Span::from_millis(1_500).as_secs_f64(), 1.5);
        assert_eq!(Span(3).scale(0.5), Span(2));
        assert_eq!(Span::from_secs(1).scale(1.25), Span::from_millis(1_250));
        assert_eq!(Span(u64::MAX).scale(2.0), Span(u64::MAX));
    }

    #[test]
    #[should_panic(expected = "t+1s is before t+2s")]
    fn a_negative_length_is_our_bug() {
        let _ = Time(SECOND) - Time(2 * SECOND);
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(nanos in any::<u64>(), shift in 0_u32..64) {
            let span = Span(nanos >> shift);
            prop_assert_eq!(span.to_string().parse(), Ok(span));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.a-zµ ]{0,24}") {
            let _ = text.parse::<Span>();
        }
    }
}
