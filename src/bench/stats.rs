//! What several seeds say together: means with intervals, paired comparisons, ranks.
//!
//! Distributions come from `statrs`. Sources: Student's t for intervals and paired differences; the percentile bootstrap of
//! Efron (1979); mean ranks as in Demšar, 'Statistical Comparisons of Classifiers over Multiple Data Sets' (JMLR 2006).

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::kernel::{Chance, Purpose, object_hash};

const RESAMPLE: Purpose = Purpose::new("bootstrap-resample");
/// How often the bootstrap draws anew.
const RESAMPLES: usize = 2_000;

/// Several values, summed up.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub median: f64,
    /// The standard deviation of the sample; zero for a single value.
    pub sd: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// From where to where.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// How intervals are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// By Student's t: right for means of values that are roughly normal.
    T,
    /// By drawing from the values again and again: asks for no distribution, and is too narrow for very few values.
    Bootstrap,
}

impl Summary {
    /// Of these values. Of none, all is zero.
    pub fn of(values: &[f64]) -> Summary {
        if values.is_empty() {
            return Summary::default();
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let count = values.len();
        let mean = sorted.iter().sum::<f64>() / count as f64;
        let squares: f64 = sorted.iter().map(|value| (value - mean) * (value - mean)).sum();
        let sd = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
        let median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2.0;
        Summary { count, mean, median, sd, min: sorted[0], max: sorted[count - 1] }
    }
}

impl Method {
    /// The interval that holds the mean with this probability, as 0.95. Of a single value it is that value.
    pub fn interval(self, values: &[f64], level: f64) -> Interval {
        let summary = Summary::of(values);
        if summary.count < 2 {
            return Interval { low: summary.mean, high: summary.mean };
        }
        match self {
            Method::T => {
                let half =
                    t_quantile(summary.count - 1, 0.5 + level / 2.0) * summary.sd / (summary.count as f64).sqrt();
                Interval { low: summary.mean - half, high: summary.mean + half }
            }
            Method::Bootstrap => bootstrap(values, level),
        }
    }
}

/// The value that Student's t with so many degrees of freedom stays below with this probability.
fn t_quantile(freedom: usize, probability: f64) -> f64 {
    let distribution = StudentsT::new(0.0, 1.0, freedom as f64).expect("degrees of freedom are positive");
    distribution.inverse_cdf(probability)
}

fn bootstrap(values: &[f64], level: f64) -> Interval {
    let chance = Chance { seed: 0 };
    let count = values.len();
    let mut draws = 0;
    let mut mean = |_| {
        let mut sum = 0.0;
        for _ in 0..count {
            let drawn = chance.draw(RESAMPLE, object_hash(""), draws).below(count as u64);
            sum += values[drawn as usize];
            draws += 1;
        }
        sum / count as f64
    };
    let mut means: Vec<f64> = (0..RESAMPLES).map(&mut mean).collect();
    means.sort_by(f64::total_cmp);
    let at = |part: f64| means[((RESAMPLES - 1) as f64 * part).round() as usize];
    Interval { low: at((1.0 - level) / 2.0), high: at(f64::midpoint(1.0, level)) }
}

/// One thing against another, seed by seed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Paired {
    /// The mean of the differences.
    pub mean: f64,
    /// The interval that holds it.
    pub interval: Interval,
    /// The probability of a mean as far from zero, were there no difference: the two-sided paired t test.
    pub p: f64,
}

/// Compares two lists of values of the same seeds; the differences are those of the first less the second.
///
/// # Panics
/// Where one list is longer.
pub fn paired(first: &[f64], second: &[f64], method: Method, level: f64) -> Paired {
    assert_eq!(first.len(), second.len(), "paired values are as many on both sides");
    let differences: Vec<f64> = first.iter().zip(second).map(|(first, second)| first - second).collect();
    let summary = Summary::of(&differences);
    let p = match (summary.count < 2, summary.sd == 0.0) {
        (true, _) => 1.0,
        (false, true) => f64::from(u8::from(summary.mean == 0.0)),
        (false, false) => {
            let t = summary.mean.abs() / (summary.sd / (summary.count as f64).sqrt());
            let freedom = (summary.count - 1) as f64;
            let distribution = StudentsT::new(0.0, 1.0, freedom).expect("degrees of freedom are positive");
            2.0 * distribution.cdf(-t)
        }
    };
    Paired { mean: summary.mean, interval: method.interval(&differences, level), p }
}

/// The mean rank of each thing over the seeds: 1 for the best; equal values share the mean of their places.
/// `values[thing][seed]`.
pub fn mean_ranks(values: &[Vec<f64>], higher_is_better: bool) -> Vec<f64> {
    let seeds = values.first().map_or(0, Vec::len);
    let mut sums = vec![0.0; values.len()];
    for seed in 0..seeds {
        for (sum, own) in sums.iter_mut().zip(values) {
            let is_better = |other: &f64| if higher_is_better { *other > own[seed] } else { *other < own[seed] };
            let better = values.iter().filter(|other| is_better(&other[seed])).count();
            let equal = values.iter().filter(|other| other[seed] == own[seed]).count();
            *sum += better as f64 + (equal as f64 + 1.0) / 2.0;
        }
    }
    sums.into_iter().map(|sum| sum / seeds.max(1) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Student's own data on sleep (1908), group by group as R has them.
    const FIRST: [f64; 10] = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
    const SECOND: [f64; 10] = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

    #[track_caller]
    fn check(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-4, "{found} is not {expected}");
    }

    #[test]
    fn a_summary_is_what_textbooks_say() {
        let summary = Summary::of(&[4.0, 1.0, 2.0, 3.0]);
        assert_eq!((summary.count, summary.min, summary.max, summary.median, summary.mean), (4, 1.0, 4.0, 2.5, 2.5));
        check(summary.sd, 1.291);
        assert_eq!(Summary::of(&[]), Summary::default());
        assert_eq!(Summary::of(&[7.0]).sd, 0.0);
    }

    #[test]
    fn intervals_by_t_are_those_of_tables() {
        let interval = Method::T.interval(&SECOND, 0.95);
        check(interval.low, 0.8977);
        check(interval.high, 3.7623);
        assert_eq!(Method::T.interval(&[3.0], 0.95), Interval { low: 3.0, high: 3.0 });
    }

    #[test]
    fn intervals_by_bootstrap_lie_near_those_by_t_and_inside_the_values() {
        let (t, bootstrap) = (Method::T.interval(&SECOND, 0.95), Method::Bootstrap.interval(&SECOND, 0.95));
        assert!(bootstrap.low > t.low - 0.3 && bootstrap.high < t.high + 0.3, "{bootstrap:?} beside {t:?}");
        assert!(bootstrap.low < 2.33 && bootstrap.high > 2.33);
        assert_eq!(bootstrap, Method::Bootstrap.interval(&SECOND, 0.95));
    }

    #[test]
    fn a_paired_comparison_is_the_paired_t_test() {
        let paired = paired(&FIRST, &SECOND, Method::T, 0.95);
        check(paired.mean, -1.58);
        check(paired.p, 0.002833);
        check(paired.interval.low, -2.4599);
        check(paired.interval.high, -0.7001);
    }

    #[test]
    fn equal_values_share_their_ranks() {
        let values = [vec![3.0, 1.0], vec![3.0, 2.0], vec![1.0, 3.0]];
        assert_eq!(mean_ranks(&values, true), [2.25, 1.75, 2.0]);
        assert_eq!(mean_ranks(&values, false), [1.75, 2.25, 2.0]);
    }
}
