//! The bound by volume: of each resource, what all items take together has to be there.
//!
//! An item pays the part of a bin's price that it takes of the bin's resource, in the kind where that is least; no bin
//! is paid more than its price. With one kind of bin that is the sum of sizes over the capacity; for the number of
//! several kinds it counts with the largest capacity, for their cost with the cheapest capacity that the item may use.
//! Items that may not share a bin with their likes pay for as many bins. How many bins of a kind there may be is left
//! out.

use super::Problem;

/// One, for parts of a price.
const ONE: i128 = 1 << 32;

/// At least so many bins, or so much money, are needed.
pub fn volume(problem: &Problem) -> i64 {
    let by_resource = (0..problem.resources()).map(|resource| of_resource(problem, resource));
    let apart = (0..problem.items.len()).filter_map(|item| of_loners(problem, item));
    by_resource.chain(apart).max().unwrap_or(0)
}

fn of_resource(problem: &Problem, resource: usize) -> i64 {
    let mut sum = 0;
    for (at, item) in problem.items.iter().enumerate() {
        let part = |kind: usize| {
            let capacity = i128::from(problem.bins[kind].capacity[resource]);
            let paid = i128::from(item.size[resource]) * i128::from(problem.price(kind)) * ONE;
            // A bin that has nothing holds only what takes nothing.
            paid.checked_div(capacity).unwrap_or(0)
        };
        sum += problem.homes(at).map(part).min().unwrap_or(0) * i128::from(item.count);
    }
    i64::try_from((sum + ONE - 1) / ONE).unwrap_or(i64::MAX)
}

/// What items of which a bin takes only so many need.
fn of_loners(problem: &Problem, at: usize) -> Option<i64> {
    let item = &problem.items[at];
    let cheapest = problem.homes(at).map(|kind| problem.price(kind)).min()?;
    let bins = item.count.div_ceil(item.per_bin?.max(1));
    Some(cheapest.saturating_mul(i64::from(bins)))
}
