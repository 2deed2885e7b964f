//! How few bins do, and how few do not: bounds, optima and packings for items of several resources in bins of several
//! kinds ('vector packing with node types').
//!
//! Every bound here is at most what any packing takes, and every packing is one; a property test holds them against
//! the optimum. Bounds are integers and hold whatever the solver of linear programs does. Nothing here knows of pods or
//! nodes; nothing is drawn.

mod columns;
mod components;
mod first_fit;
mod most;
mod one_dimension;
mod optimum;
mod pricing;
mod problem;
mod rounding;
#[cfg(test)]
mod tests;
mod volume;

pub use columns::{Columns, Effort, PRICE_ONE, columns};
pub use components::components;
pub use first_fit::{Fit, Size, cheapest, first_fit, pack};
pub use most::most;
pub use one_dimension::{l2, l3, one_dimension};
pub use optimum::{Limits, Optimum, optimum};
pub use problem::{BinKind, Filled, ItemKind, Objective, Packing, Problem};
pub use rounding::rounding;
pub use volume::volume;

/// What is known of the least price: not below the bounds, not above the packing's.
#[derive(Clone, PartialEq, Debug)]
pub struct Bracket {
    /// By volume.
    pub volume: i64,
    /// By L2 or L3 in one dimension.
    pub one_dimension: i64,
    /// By patterns, or by one of the others for parts for which that is better: the best that is known.
    pub bound: i64,
    /// The best packing that was found, if any.
    pub packing: Option<Packing>,
}

/// Works out all bounds and packings, of each part that shares no bins with others for itself.
pub fn bracket(problem: &Problem, effort: Effort) -> Bracket {
    let packing = problem.homeless().is_empty().then(Packing::default);
    let mut sum = Bracket { volume: 0, one_dimension: 0, bound: 0, packing };
    for part in components(problem) {
        let Bracket { volume, one_dimension, bound, packing } = of_part(&part, effort);
        sum.volume = sum.volume.saturating_add(volume);
        sum.one_dimension = sum.one_dimension.saturating_add(one_dimension);
        sum.bound = sum.bound.saturating_add(bound);
        sum.packing = sum.packing.zip(packing).map(|(mut all, part)| {
            all.bins.extend(part.bins);
            all
        });
    }
    sum
}

fn of_part(problem: &Problem, effort: Effort) -> Bracket {
    let mut packings = first_fit(problem);
    let columns = columns(problem, &packings, effort);
    packings.extend(rounding(problem, &columns));
    // What is paid is a sum of prices.
    let unit = optimum::unit(problem);
    let paid = |bound: i64| (bound / unit + i64::from(bound % unit > 0)).saturating_mul(unit);
    let (volume, one_dimension) = (paid(volume(problem)), paid(one_dimension(problem)));
    Bracket {
        volume,
        one_dimension,
        bound: paid(columns.bound).max(volume).max(one_dimension),
        packing: cheapest(problem, packings),
    }
}
