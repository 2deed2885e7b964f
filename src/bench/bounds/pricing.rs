//! The pattern that is worth most: what to put into one bin, where each item has a value. A knapsack of several
//! resources whose items are bounded, by branch and bound in integers.
//!
//! What is not looked at because it takes too long counts with the most that it could be worth, so that what is said of
//! the best pattern is never too low.

use super::problem::{Filled, Problem, room_for};

/// In how many parts each resource of a bin is cut for the sum of them all.
const PARTS: i128 = 1 << 20;

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
    let (free, parts) = (problem.bins[kind].capacity.clone(), search.parts);
    search.descend(0, 0, &free, parts);
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
    for at in 0..items.len() {
        let most = problem.most(at, kind);
        let more = room_for(&problem.items[at], &free).min(most.saturating_sub(items[at]));
        take(&mut free, &problem.items[at].size, more);
        items[at] += more;
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
    /// The parts of all resources that it takes, rounded down.
    parts: i64,
    /// The most that it and all behind it are worth together.
    rest: i64,
    /// Of it and all behind it, by resource, the one that is worth most for its size: value and size.
    densest: Vec<(i64, i64)>,
}

struct Search<'p> {
    problem: &'p Problem,
    candidates: Vec<Candidate>,
    parts: i64,
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
        let parts_of = |size: &[i64]| -> i64 {
            let part = |(size, capacity): (&i64, &i64)| i128::from(*size) * PARTS / i128::from((*capacity).max(1));
            size.iter().zip(capacity).map(|pair| part(pair) as i64).sum()
        };
        let mut candidates: Vec<Candidate> = (0..problem.items.len())
            .filter(|item| values[*item] > 0 && problem.fits(*item, kind))
            .map(|item| Candidate {
                item,
                value: values[item],
                most: problem.most(item, kind),
                parts: parts_of(&problem.items[item].size),
                rest: 0,
                densest: Vec::new(),
            })
            .collect();
        candidates.sort_by(|one, other| {
            let denser = i128::from(other.value) * i128::from(one.parts.max(1));
            denser.cmp(&(i128::from(one.value) * i128::from(other.parts.max(1)))).then(one.item.cmp(&other.item))
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
        let parts = (PARTS as i64) * capacity.len() as i64;
        Search { problem, candidates, parts, chosen, best, value: 0, at_most: 0, steps }
    }

    /// Tries every number of the item at a place, the largest first, and of those behind it.
    fn descend(&mut self, at: usize, value: i64, free: &[i64], parts: i64) {
        if value > self.value {
            self.value = value;
            self.best.copy_from_slice(&self.chosen);
        }
        let Some(candidate) = self.candidates.get(at) else { return };
        let (item, worth, of_each) = (candidate.item, candidate.value, candidate.parts);
        let most = room_for(&self.problem.items[item], free).min(candidate.most);
        for count in (0..=most).rev() {
            let value = value + worth * i64::from(count);
            let mut free = free.to_vec();
            take(&mut free, &self.problem.items[item].size, count);
            let parts = parts - of_each * i64::from(count);
            let bound = value.saturating_add(self.bound(at + 1, &free, parts));
            if bound <= self.value {
                continue;
            }
            if self.steps == 0 {
                self.at_most = self.at_most.max(bound);
                continue;
            }
            self.steps -= 1;
            self.chosen[at] = count;
            self.descend(at + 1, value, &free, parts);
            self.chosen[at] = 0;
        }
    }

    /// The most that the items from a place on are worth in what is free.
    fn bound(&self, at: usize, free: &[i64], mut parts: i64) -> i64 {
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
            let whole = if candidate.parts == 0 { candidate.most.into() } else { parts / candidate.parts };
            if whole < i64::from(candidate.most) {
                let piece = i128::from(candidate.value) * i128::from(parts) / i128::from(candidate.parts);
                return bound.min(filled + piece as i64);
            }
            filled += candidate.value * i64::from(candidate.most);
            parts -= candidate.parts * i64::from(candidate.most);
        }
        bound.min(filled)
    }
}
