//! Scales: from values to places, with ticks that read well; numbers as they read.

/// The largest number that is drawn; what lies beyond stands at the edge.
const LARGEST: f64 = 1e15;

/// A scale of one axis.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Scale {
    /// The ticks, rising.
    pub(super) ticks: Vec<f64>,
    decimals: usize,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// A scale that holds these values and zero; `from` and `to` are the places of its ends.
    pub(super) fn with_zero(values: impl Iterator<Item = f64>, from: f64, to: f64, at_most: u32) -> Scale {
        Scale::new(values.chain([0.0]), from, to, at_most)
    }

    /// A scale that holds these values, and zero where they do not all lie far from it.
    pub(super) fn close_up(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64, at_most: u32) -> Scale {
        let drawn = values.clone().filter(|value| value.is_finite());
        let (low, high) = drawn.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        if low > high || (low >= 0.0 && low < high / 2.0) {
            return Scale::with_zero(values, from, to, at_most);
        }
        Scale::new(values, from, to, at_most)
    }

    /// A scale that ends where these values end.
    pub(super) fn tight(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64, at_most: u32) -> Scale {
        let mut scale = Scale::new(values.clone(), from, to, at_most);
        let drawn = values.filter(|value| value.is_finite()).map(|value| value.clamp(-LARGEST, LARGEST));
        let (low, high) = drawn.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let inside = |tick: &&f64| **tick >= low && **tick <= high;
        if scale.ticks.iter().filter(inside).count() >= 2 {
            scale.ticks.retain(|tick| *tick >= low && *tick <= high);
            (scale.low, scale.high) = (low, high);
        }
        scale
    }

    fn new(values: impl Iterator<Item = f64>, from: f64, to: f64, at_most: u32) -> Scale {
        let values = values.filter(|value| value.is_finite()).map(|value| value.clamp(-LARGEST, LARGEST));
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let is_narrow = high - low < 1e-9 * libm::fabs(high).max(1e-3);
        let (low, high) = match (low, high) {
            _ if low > high || (is_narrow && high == 0.0) => (0.0, 1.0),
            _ if is_narrow => (low - 0.5, high + 0.5),
            ends => ends,
        };
        let (step, decimals) = step_of((high - low) / f64::from(at_most.max(1)));
        let (first, last) = (libm::floor(low / step + 1e-9) as i64, libm::ceil(high / step - 1e-9) as i64);
        let ticks = (first..=last).map(|n| n as f64 * step).collect();
        Scale { ticks, decimals, low: first as f64 * step, high: last as f64 * step, from, to }
    }

    /// Where a value stands; what is no number stands at the lower end.
    pub(super) fn at(&self, value: f64) -> f64 {
        let value = if value.is_nan() { self.low } else { value.clamp(self.low, self.high) };
        let place = self.from + (self.to - self.from) * (value - self.low) / (self.high - self.low);
        // Rounding may go a little beyond the ends.
        place.clamp(self.from.min(self.to), self.from.max(self.to))
    }

    /// The ticks with what stands at them.
    pub(super) fn labels(&self) -> impl Iterator<Item = (f64, String)> + '_ {
        self.ticks.iter().map(|tick| (*tick, grouped(*tick, self.decimals)))
    }
}

/// The smallest of 1, 2, 5, 10, … that is not below a width, and how many decimals it needs.
fn step_of(width: f64) -> (f64, usize) {
    let (mut power, mut exponent) = (1.0, 0_i32);
    while power < width && exponent < 16 {
        power *= 10.0;
        exponent += 1;
    }
    while power / 10.0 >= width && exponent > -9 {
        power /= 10.0;
        exponent -= 1;
    }
    // Now the power holds the width, and the one below does not.
    let step = [0.2, 0.5, 1.0].map(|part| part * power).into_iter().find(|step| *step >= width).unwrap_or(power);
    let decimals = if step < power { 1 - exponent } else { -exponent };
    (step, usize::try_from(decimals).unwrap_or(0))
}

/// A number with so many decimals, thousands set apart, and a true minus.
pub fn grouped(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{:.decimals$}", libm::fabs(value).min(LARGEST));
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let is_zero = text.chars().all(|c| c == '0' || c == '.');
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if value < 0.0 && !is_zero { "−" } else { "" };
    if rest.is_empty() { format!("{sign}{grouped}") } else { format!("{sign}{grouped}.{rest}") }
}

/// How many decimals numbers need that stand beside one another: as many as the largest.
pub fn decimals_of(values: impl Iterator<Item = f64>) -> usize {
    match values.map(libm::fabs).filter(|size| size.is_finite()).fold(0.0, f64::max) {
        size if size >= 1_000.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    }
}

/// A number as it reads by itself: `94.1`, `1,213`, `0.012`.
pub fn amount(value: f64) -> String {
    grouped(value, if value == libm::trunc(value) { 0 } else { decimals_of(std::iter::once(value)) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(values: &[f64], expected: &[&str]) {
        let scale = Scale::close_up(values.iter().copied(), 0.0, 100.0, 5);
        let labels: Vec<String> = scale.labels().map(|(_, label)| label).collect();
        assert_eq!(labels, expected);
    }

    #[test]
    fn ticks_read_well() {
        check(&[], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(&[0.0, 130.0], &["0", "50", "100", "150"]);
        check(&[1.0, 94.2], &["0", "20", "40", "60", "80", "100"]);
        check(&[90.5, 94.2], &["90", "91", "92", "93", "94", "95"]);
        check(&[-0.03, 0.011], &["−0.03", "−0.02", "−0.01", "0.00", "0.01", "0.02"]);
        check(&[7_100.0, 10_800.0], &["7,000", "8,000", "9,000", "10,000", "11,000"]);
        check(&[5.0], &["4.4", "4.6", "4.8", "5.0", "5.2", "5.4", "5.6"]);
    }

    #[test]
    fn a_tight_scale_ends_where_its_values_end() {
        let scale = Scale::tight([0.0, 130.0].into_iter(), 0.0, 130.0, 6);
        assert_eq!((scale.ticks.as_slice(), scale.at(130.0)), ([0.0, 50.0, 100.0].as_slice(), 130.0));
    }

    #[test]
    fn numbers_read_well() {
        let read = [94.123, 1_213.0, 12_345.6, 0.0123, -3.456, 0.0, -0.0001].map(amount);
        assert_eq!(read, ["94.1", "1,213", "12,346", "0.012", "−3.46", "0", "0.000"]);
    }

    proptest! {
        #[test]
        fn a_scale_holds_its_values(values in prop::collection::vec(any::<f64>(), 1..5)) {
            let of = values.iter().copied();
            for scale in [Scale::close_up(of.clone(), 100.0, 0.0, 5), Scale::tight(of, 0.0, 100.0, 5)] {
                prop_assert!(scale.ticks.len() >= 2 && scale.ticks.len() <= 8, "{:?}", scale.ticks);
                prop_assert!(scale.ticks.windows(2).all(|pair| pair[0] < pair[1]));
                for value in values.iter().chain(&scale.ticks) {
                    let at = scale.at(*value);
                    prop_assert!((0.0..=100.0).contains(&at), "{}", at);
                }
            }
        }
    }
}
