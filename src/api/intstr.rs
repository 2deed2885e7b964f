//! `IntOrPercent`: a count, or a share of a total, as `maxUnavailable` and `maxSurge` take it.
//!
//! Follows apimachinery `pkg/util/intstr` (`GetScaledValueFromIntOrPercent`). Left out: the older
//! `GetValueFromIntOrPercent`, which reads a string without a percent sign as a percentage.
use std::fmt;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::text::go_quote;

/// A count or a percentage. A text that is neither is kept as typed and fails in [`scaled`](Self::scaled).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IntOrPercent {
    /// A plain count.
    Int(i32),
    /// A whole percentage: `25%` is 25.
    Percent(i32),
    /// Any other text, as it was given.
    Other(String),
}

impl IntOrPercent {
    /// Reads a text as the command line gives it: a number is a count, the rest as in an object.
    pub fn parse(text: &str) -> Self {
        match text.parse::<i32>() {
            Ok(count) => Self::Int(count),
            Err(_) => Self::from_string(text),
        }
    }

    /// The count that this stands for, given the `total` that a percentage is of.
    ///
    /// # Errors
    /// Upstream's sentence where the text is not a percentage.
    pub fn scaled(&self, total: i32, round_up: bool) -> Result<i32, String> {
        match self {
            Self::Int(count) => Ok(*count),
            Self::Percent(percent) => {
                let hundredths = i64::from(*percent) * i64::from(total);
                let floor = hundredths.div_euclid(100);
                let exact = hundredths.rem_euclid(100) == 0;
                let value = if round_up && !exact { floor + 1 } else { floor };
                Ok(value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
            }
            Self::Other(text) => Err(format!("invalid value for IntOrString: {}", why_not_percent(text))),
        }
    }

    fn from_string(text: &str) -> Self {
        match text.strip_suffix('%').and_then(|number| number.parse::<i32>().ok()) {
            Some(percent) => Self::Percent(percent),
            None => Self::Other(text.to_string()),
        }
    }
}

impl From<&IntOrString> for IntOrPercent {
    fn from(value: &IntOrString) -> Self {
        match value {
            IntOrString::Int(count) => Self::Int(*count),
            IntOrString::String(text) => Self::from_string(text),
        }
    }
}

impl From<&IntOrPercent> for IntOrString {
    fn from(value: &IntOrPercent) -> Self {
        match value {
            IntOrPercent::Int(count) => Self::Int(*count),
            IntOrPercent::Percent(_) | IntOrPercent::Other(_) => Self::String(value.to_string()),
        }
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

fn why_not_percent(text: &str) -> String {
    let Some(number) = text.strip_suffix('%') else {
        return "invalid type: string is not a percentage".to_string();
    };
    let digits = number.strip_prefix(['+', '-']).unwrap_or(number);
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let reason = if all_digits { "value out of range" } else { "invalid syntax" };
    format!("invalid value {}: strconv.Atoi: parsing {}: {reason}", go_quote(text), go_quote(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, total: i32, round_up: bool, expected: Result<i32, &str>) {
        let value = IntOrPercent::parse(text);
        assert_eq!(value.scaled(total, round_up), expected.map_err(str::to_string), "{text} of {total}");
    }

    #[test]
    fn percentages_scale_and_round_as_asked() {
        check("123", 100, true, Ok(123));
        check("90%", 100, true, Ok(90));
        check("90%", 1000, true, Ok(900));
        check("90%", 0, true, Ok(0));
        check("95%", 50, true, Ok(48));
        check("95%", 50, false, Ok(47));
        check("25%", 3, true, Ok(1));
        check("25%", 3, false, Ok(0));
        check("-25%", 3, false, Ok(-1));
        check("-25%", 3, true, Ok(0));
    }

    #[test]
    fn what_is_no_percentage_is_named_as_upstream_does() {
        check("abc", 5, true, Err("invalid value for IntOrString: invalid type: string is not a percentage"));
        check(
            "a%",
            5,
            true,
            Err("invalid value for IntOrString: invalid value \"a%\": strconv.Atoi: parsing \"a\": invalid syntax"),
        );
        check(
            "%",
            5,
            true,
            Err("invalid value for IntOrString: invalid value \"%\": strconv.Atoi: parsing \"\": invalid syntax"),
        );
        let number_as_text = IntOrPercent::from(&IntOrString::String("3".to_string()));
        assert_eq!(
            number_as_text.scaled(9, true),
            Err("invalid value for IntOrString: invalid type: string is not a percentage".to_string())
        );
    }

    #[test]
    fn what_was_read_is_printed() {
        for text in ["5", "-1", "25%", "http"] {
            assert_eq!(IntOrPercent::parse(text).to_string(), text);
            assert_eq!(IntOrPercent::from(&IntOrString::from(&IntOrPercent::parse(text))), IntOrPercent::parse(text));
        }
    }
}
