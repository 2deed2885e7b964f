//! Bounds that see that an item cannot be cut, one resource at a time: L2 and L3 of Martello and Toth.
//!
//! Source: S. Martello, P. Toth, 'Lower bounds and reduction procedures for the bin packing problem', Discrete Applied
//! Mathematics 28 (1990), and chapter 8 of their 'Knapsack Problems' (1990). Of the reduction's cases the one in which
//! three items fill a bin is left out, which makes L3 weaker in places and never wrong.
//!
//! For several kinds of bins every one counts as large as the largest and as cheap as the cheapest.

use super::Problem;

/// With more items than this L3 takes too long, and L2 stands for it.
const L3_ITEMS_MAX: usize = 400;

/// At least so many bins, or so much money, are needed, by the best of the resources.
pub fn one_dimension(problem: &Problem) -> i64 {
    (0..problem.resources()).map(|resource| of_resource(problem, resource)).max().unwrap_or(0)
}

fn of_resource(problem: &Problem, resource: usize) -> i64 {
    let mut capacity = 0;
    let mut cheapest = i64::MAX;
    let mut sizes = Vec::new();
    for (at, item) in problem.items.iter().enumerate().filter(|(_, item)| item.size[resource] > 0) {
        let before = sizes.len();
        for kind in problem.homes(at) {
            capacity = capacity.max(problem.bins[kind].capacity[resource]);
            cheapest = cheapest.min(problem.price(kind));
            sizes.resize(before + item.count as usize, item.size[resource]);
        }
    }
    if sizes.is_empty() {
        return 0;
    }
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    let bins = if sizes.len() > L3_ITEMS_MAX { l2(&sizes, capacity) } else { l3(&sizes, capacity) };
    cheapest.saturating_mul(bins)
}

/// L2 of sizes above zero in descending order, none of which is larger than the capacity.
pub fn l2(sizes: &[i64], capacity: i64) -> i64 {
    let half = sizes.partition_point(|size| 2 * size > capacity);
    let sums: Vec<i64> = std::iter::once(0)
        .chain(sizes.iter().scan(0, |sum, size| {
            *sum += size;
            Some(*sum)
        }))
        .collect();
    let of = |smallest: i64, end: usize| {
        // Nothing that counts fits beside the items before `alone`.
        let alone = sizes.partition_point(|size| *size > capacity - smallest);
        let gaps = (half - alone) as i64 * capacity - (sums[half] - sums[alone]);
        let rest = sums[end] - sums[half] - gaps;
        let more = if rest > 0 { (rest + capacity - 1) / capacity } else { 0 };
        half as i64 + more
    };
    // The smallest size that counts: each size up to half the capacity, which leaves smaller ones out.
    let mut best = (half as i64).max(i64::from(!sizes.is_empty()));
    for end in half + 1..=sizes.len() {
        if end == sizes.len() || sizes[end] != sizes[end - 1] {
            best = best.max(of(sizes[end - 1], end));
        }
    }
    best
}

/// L3 of sizes above zero in descending order, none of which is larger than the capacity: bins that some best packing has are
/// taken out, then the smallest item is dropped, and so on; what is left counts by L2.
pub fn l3(sizes: &[i64], capacity: i64) -> i64 {
    let mut rest = sizes.to_vec();
    let (mut best, mut closed) = (0, 0);
    loop {
        closed += reduce(&mut rest, capacity);
        best = best.max(closed + l2(&rest, capacity));
        if rest.pop().is_none() {
            return best;
        }
    }
}

/// Takes out bins that some best packing has, and says how many: an item beside which nothing fits, and an item with the
/// largest one that fits beside it, where that does at least as much as whatever else fits.
fn reduce(sizes: &mut Vec<i64>, capacity: i64) -> i64 {
    let mut closed = 0;
    let mut at = 0;
    while at < sizes.len() {
        let item = sizes.remove(at);
        match best_beside(sizes, capacity - item) {
            Beside::Nothing => closed += 1,
            Beside::One(partner) => {
                sizes.remove(partner);
                // It may have stood before.
                at -= usize::from(partner < at);
                closed += 1;
            }
            Beside::Unclear => {
                sizes.insert(at, item);
                at += 1;
            }
        }
    }
    closed
}

/// What lies beside an item in some best packing.
enum Beside {
    Nothing,
    One(usize),
    Unclear,
}

fn best_beside(sizes: &[i64], free: i64) -> Beside {
    let largest = sizes.partition_point(|size| *size > free);
    let Some(filled) = sizes.get(largest) else { return Beside::Nothing };
    let least = |number: usize| sizes.len().checked_sub(number).map(|from| sizes[from..].iter().sum::<i64>());
    let fit = |number: usize| least(number).is_some_and(|sum| sum <= free);
    if *filled == free || !fit(2) || (!fit(3) && *filled >= largest_pair(sizes, free)) {
        return Beside::One(largest);
    }
    Beside::Unclear
}

/// The most that two of the sizes, which are in descending order, fill of what is free.
fn largest_pair(sizes: &[i64], free: i64) -> i64 {
    let (mut large, mut small) = (0, sizes.len().saturating_sub(1));
    let mut best = 0;
    while large < small {
        let sum = sizes[large] + sizes[small];
        if sum > free {
            large += 1;
        } else {
            best = best.max(sum);
            small -= 1;
        }
    }
    best
}
