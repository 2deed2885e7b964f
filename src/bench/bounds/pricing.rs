//! The pattern that is worth most: what to put into one bin, where each item has a value. A knapsack of several
//! resources whose items are bounded, by branch and bound in integers.
//!
//! What is not looked at because it takes too long counts with the most that it could be worth, so that what is said of
//! the best pattern is never too low. Branches are cut by what they could be worth if items could be cut, by each
//! resource, and by a sum of all resources (a 'surrogate') whose weights are those that bound a whole bin best: a linear
//! program finds them, and any others would do, only worse.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Variable};

use super::problem::{Filled, Problem, room_for};

/// In how many parts each resource of a bin is cut for the sum of them all.
const PARTS: i64 = 1 << 20;
/// The largest weight of a resource in the sum.
const WEIGHT_MAX: f64 = 65_536.0;

/// What was found.
#[derive(Debug)]
pub(super) struct Priced {
    /// The best pattern that was found.
    pub(super) pattern: Filled,
    /// What it is worth.
    pub(super) value: i64,
    /// No pattern is worth more.
    pub(super) at_most: i64,
}

/// Looks for the pattern of a kind of bin that is worth most, in at most so many steps.
pub(super) fn price(problem: &Problem, kind: usize, values: &[i64], steps: u32) -> Priced {
    let mut search = Search::new(problem, kind, values, steps);
    let (free, sum) = (problem.bins[kind].capacity.clone(), search.sum);
    search.descend(0, 0, &free, sum);
    let mut items = vec![0; problem.items.len()];
    for (candidate, count) in search.candidates.iter().zip(&search.best) {
        items[candidate.item] = *count;
    }
    fill_up(problem, kind, &mut items);
    Priced { pattern: Filled { kind, items, times: 1 }, value: search.value, at_most: search.at_most.max(search.value) }
}

/// Adds what still fits and is worth nothing: patterns that hold more say more.
fn fill_up(problem: &Problem, kind: usize, items: &mut [u32]) {
    let mut free = problem.bins[kind].capacity.clone();
    for (item, count) in problem.items.iter().zip(&*items) {
        take(&mut free, &item.size, *count);
    }
    for (at, count) in items.iter_mut().enumerate() {
        let most = problem.most(at, kind);
        let more = room_for(&problem.items[at], &free).min(most.saturating_sub(*count));
        take(&mut free, &problem.items[at].size, more);
        *count += more;
    }
}

fn take(free: &mut [i64], size: &[i64], count: u32) {
    free.iter_mut().zip(size).for_each(|(free, size)| *free -= size * i64::from(count));
}

/// An item that is worth something.
#[derive(Debug)]
struct Candidate {
    item: usize,
    value: i64,
    most: u32,
    /// The parts of each resource that it takes, rounded down, and their weighted sum.
    parts: Vec<i64>,
    sum: i64,
    /// The most that it and all behind it are worth together.
    rest: i64,
    /// Of it and all behind it, by resource, the one that is worth most for its size: value and size.
    densest: Vec<(i64, i64)>,
}

struct Search<'p> {
    problem: &'p Problem,
    candidates: Vec<Candidate>,
    /// The weighted sum of all parts of a bin.
    sum: i64,
    /// What is chosen so far, and the best that was found.
    chosen: Vec<u32>,
    best: Vec<u32>,
    value: i64,
    at_most: i64,
    steps: u32,
}

impl<'p> Search<'p> {
    fn new(problem: &'p Problem, kind: usize, values: &[i64], steps: u32) -> Search<'p> {
        let capacity = &problem.bins[kind].capacity;
        let part = |(size, capacity): (&i64, &i64)| {
            (i128::from(*size) * i128::from(PARTS) / i128::from((*capacity).max(1))) as i64
        };
        let mut candidates: Vec<Candidate> = (0..problem.items.len())
            .filter(|item| values[*item] > 0 && problem.fits(*item, kind))
            .map(|item| Candidate {
                item,
                value: values[item],
                most: problem.most(item, kind),
                parts: problem.items[item].size.iter().zip(capacity).map(part).collect(),
                sum: 0,
                rest: 0,
                densest: Vec::new(),
            })
            .collect();
        let weights = weights(&candidates, capacity.len()).unwrap_or_else(|| vec![1; capacity.len()]);
        for candidate in &mut candidates {
            candidate.sum = candidate.parts.iter().zip(&weights).map(|(parts, weight)| parts * weight).sum();
        }
        candidates.sort_by(|one, other| {
            let denser = i128::from(other.value) * i128::from(one.sum.max(1));
            denser.cmp(&(i128::from(one.value) * i128::from(other.sum.max(1)))).then(one.item.cmp(&other.item))
        });
        let mut rest = 0_i64;
        let mut densest: Vec<(i64, i64)> = vec![(0, 1); capacity.len()];
        for candidate in candidates.iter_mut().rev() {
            rest = rest.saturating_add(candidate.value.saturating_mul(i64::from(candidate.most)));
            for (best, size) in densest.iter_mut().zip(&problem.items[candidate.item].size) {
                if i128::from(candidate.value) * i128::from(best.1) > i128::from(best.0) * i128::from(*size) {
                    *best = (candidate.value, *size);
                }
            }
            candidate.rest = rest;
            candidate.densest = densest.clone();
        }
        let (chosen, best) = (vec![0; candidates.len()], vec![0; candidates.len()]);
        let sum = PARTS * weights.iter().sum::<i64>();
        Search { problem, candidates, sum, chosen, best, value: 0, at_most: 0, steps }
    }

    /// Tries every number of the item at a place, the largest first, and of those behind it.
    fn descend(&mut self, at: usize, value: i64, free: &[i64], sum: i64) {
        if value > self.value {
            self.value = value;
            self.best.copy_from_slice(&self.chosen);
        }
        let Some(candidate) = self.candidates.get(at) else { return };
        let (item, worth, of_each) = (candidate.item, candidate.value, candidate.sum);
        let most = room_for(&self.problem.items[item], free).min(candidate.most);
        for count in (0..=most).rev() {
            let value = value + worth * i64::from(count);
            let mut free = free.to_vec();
            take(&mut free, &self.problem.items[item].size, count);
            let sum = sum - of_each * i64::from(count);
            let bound = value.saturating_add(self.bound(at + 1, &free, sum));
            if bound <= self.value {
                continue;
            }
            if self.steps == 0 {
                self.at_most = self.at_most.max(bound);
                continue;
            }
            self.steps -= 1;
            self.chosen[at] = count;
            self.descend(at + 1, value, &free, sum);
            self.chosen[at] = 0;
        }
    }

    /// The most that the items from a place on are worth in what is free.
    fn bound(&self, at: usize, free: &[i64], mut sum: i64) -> i64 {
        let Some(candidate) = self.candidates.get(at) else { return 0 };
        let mut bound = candidate.rest;
        for ((value, size), free) in candidate.densest.iter().zip(free) {
            if *size > 0 {
                let most = i128::from(*value) * i128::from(*free) / i128::from(*size);
                bound = bound.min(i64::try_from(most).unwrap_or(i64::MAX));
            }
        }
        // Cut into pieces, the densest first, by the sum of all resources.
        let mut filled = 0;
        for candidate in &self.candidates[at..] {
            if filled >= bound {
                break;
            }
            let whole = if candidate.sum == 0 { candidate.most.into() } else { sum / candidate.sum };
            if whole < i64::from(candidate.most) {
                let piece = i128::from(candidate.value) * i128::from(sum) / i128::from(candidate.sum);
                return bound.min(filled + piece as i64);
            }
            filled += candidate.value * i64::from(candidate.most);
            sum -= candidate.sum * i64::from(candidate.most);
        }
        bound.min(filled)
    }
}

/// The weights of the resources with which their sum bounds the worth of a whole bin best: the dual values of the
/// knapsack whose items can be cut. Nothing where the solver fails.
fn weights(candidates: &[Candidate], resources: usize) -> Option<Vec<i64>> {
    let most = candidates.iter().map(|candidate| candidate.value).max()? as f64;
    let mut program = microlp::Problem::new(OptimizationDirection::Minimize);
    let weights: Vec<Variable> = (0..resources).map(|_| program.add_var(1.0, (0.0, f64::INFINITY))).collect();
    for candidate in candidates {
        // What it is worth beyond the weights.
        let beyond = program.add_var(f64::from(candidate.most), (0.0, f64::INFINITY));
        let mut paid = LinearExpr::empty();
        paid.add(beyond, 1.0);
        let taken = weights.iter().zip(&candidate.parts).filter(|(_, parts)| **parts > 0);
        taken.for_each(|(weight, parts)| paid.add(*weight, *parts as f64 / PARTS as f64));
        program.add_constraint(paid, ComparisonOp::Ge, candidate.value as f64 / most);
    }
    let solution = program.solve().ok()?.into_solution().ok()?;
    let found: Vec<f64> = weights.iter().map(|weight| solution.var_value(*weight).max(0.0)).collect();
    let largest = found.iter().copied().fold(0.0, f64::max);
    let whole = |weight: f64| (weight / largest * WEIGHT_MAX).round() as i64;
    (largest > 0.0).then(|| found.into_iter().map(whole).collect())
}
