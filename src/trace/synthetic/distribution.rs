//! Distributions over positive numbers, each value a pure function of one draw.
//!
//! Logarithms and powers come from `libm`, so that a seed gives the same bits everywhere.

use crate::kernel::Draw;

/// A uniform number in [0, 1) from 64 bits.
pub(super) fn unit(word: u64) -> f64 {
    (word >> 11) as f64 / (1_u64 << 53) as f64
}

/// Log-normal: the logarithm is normal around that of the median.
pub(super) fn log_normal(draw: &Draw, median: f64, sigma: f64, max: f64) -> f64 {
    (median * libm::exp(sigma * draw.normal())).min(max)
}

/// Pareto with an upper bound, by inversion of its distribution function.
pub(super) fn pareto(draw: &Draw, min: f64, shape: f64, max: f64) -> f64 {
    let beyond = libm::pow(min / max, shape);
    let upper = 1.0 - draw.unit() * (1.0 - beyond);
    (min * libm::pow(upper, -1.0 / shape)).clamp(min, max)
}

/// Uniform between two bounds.
pub(super) fn uniform(draw: &Draw, min: f64, max: f64) -> f64 {
    min + draw.unit() * (max - min)
}
