//! Axes: where ticks stand, and how numbers and instants read.

use crate::kernel::{Span, Time};

/// How many ticks an axis of time has at most.
const TIME_TICKS: u64 = 6;
const SECOND: u64 = 1_000_000_000;
/// The steps between ticks that read well, in seconds.
const STEPS: [u64; 22] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    2_592_000, 31_536_000,
];

/// Ticks from zero to the end, at distances that read well.
pub(super) fn time_ticks(end: Time) -> Vec<Time> {
    let fits = |step: &u64| end.nanos() / step <= TIME_TICKS;
    let small = [1_000_000, 2_000_000, 5_000_000, 10_000_000, 20_000_000, 50_000_000];
    let medium = [100_000_000, 200_000_000, 500_000_000];
    let large = STEPS.map(|seconds| seconds * SECOND);
    let step = small.into_iter().chain(medium).chain(large).find(fits).unwrap_or(u64::MAX);
    (0..=TIME_TICKS).map(|n| Time(n.saturating_mul(step))).take_while(|tick| *tick <= end).collect()
}

/// The top of an axis and its ticks, zero and the top included.
pub(super) fn value_ticks(most: f64) -> Vec<f64> {
    let top = if most.is_finite() { most.max(1.0) } else { 1.0 };
    let mut step = 1.0;
    // 1, 2, 5, 10, 20, 50, …: at most five steps, the last of which holds the largest value.
    let factors = [2.0, 2.5, 2.0];
    let mut turn = 0;
    while step * 5.0 < top {
        step *= factors[turn % factors.len()];
        turn += 1;
    }
    let count = libm::ceil(top / step) as u32;
    (0..=count).map(|n| f64::from(n) * step).collect()
}

/// A number as it reads at an axis or in a legend: `950`, `1.5k`, `0.25`.
pub(super) fn number(value: f64) -> String {
    let trimmed = |text: String| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    match value {
        _ if value >= 1e7 => format!("{}M", trimmed(format!("{:.1}", value / 1e6))),
        _ if value >= 1e4 => format!("{}k", trimmed(format!("{:.1}", value / 1e3))),
        _ if value == libm::trunc(value) => format!("{value:.0}"),
        _ if value >= 10.0 => trimmed(format!("{value:.1}")),
        _ => trimmed(format!("{value:.2}")),
    }
}

/// An instant as people say it, to the millisecond below two minutes: `0s`, `62.314s`, `5m2s`, `1h30m`.
pub(super) fn instant(at: Time) -> String {
    let precise = at.nanos() < 120 * SECOND;
    let unit = if precise { SECOND / 1_000 } else { SECOND };
    Span(at.nanos() / unit * unit).to_string()
}

/// A part of the run in percent, as style sheets take it.
pub(super) fn percent_of(at: Time, end: Time) -> String {
    let share = at.nanos().min(end.nanos()) as f64 * 100.0 / end.nanos().max(1) as f64;
    format!("{share:.2}%")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check_ticks(seconds: u64, expected: &[&str]) {
        let ticks: Vec<String> = time_ticks(Time(seconds * SECOND)).into_iter().map(instant).collect();
        assert_eq!(ticks, expected);
    }

    #[test]
    fn ticks_of_time_read_well() {
        check_ticks(0, &["0s"]);
        check_ticks(9, &["0s", "2s", "4s", "6s", "8s"]);
        check_ticks(600, &["0s", "2m", "4m", "6m", "8m", "10m"]);
        check_ticks(86_400, &["0s", "6h", "12h", "18h", "24h"]);
    }

    #[test]
    fn numbers_read_well() {
        let read: Vec<String> = [0.0, 7.0, 0.254, 12.34, 950.0, 9_999.0, 15_000.0, 150_000.0, 2.5e7].map(number).into();
        assert_eq!(read, ["0", "7", "0.25", "12.3", "950", "9999", "15k", "150k", "25M"]);
    }

    proptest! {
        #[test]
        fn an_axis_holds_its_largest_value(most in 0.0_f64..1e12) {
            let ticks = value_ticks(most);
            prop_assert!(ticks.len() <= 7, "{:?}", ticks);
            prop_assert!(ticks.last().is_some_and(|top| *top >= most));
        }

        #[test]
        fn ticks_of_time_are_few_and_within_the_run(end: u64) {
            let ticks = time_ticks(Time(end));
            prop_assert!(!ticks.is_empty() && ticks.len() <= 7 && ticks.iter().all(|tick| tick.nanos() <= end));
        }
    }
}
