//! The best packing there is, for small instances: every pattern of every kind of bin is written down, and a
//! mixed-integer program says how many bins have which.
//!
//! Only patterns to which nothing can be added are written down, and items may be packed more often than there are any:
//! what is too much is taken out again. Bins of one pattern are not told apart, so that there are no symmetries. The
//! program trusts the solver where it says that there is nothing better; that what it found is a packing is checked.

use microlp::{ComparisonOp, Error, LinearExpr, OptimizationDirection, SolveOptions, Variable};

use super::Problem;
use super::problem::{Filled, Packing, room_for};

/// How much is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// How many patterns may be written down.
    pub patterns: usize,
    /// How many nodes the search may have.
    pub nodes: u64,
}

impl Limits {
    /// For instances of a dozen items.
    pub const SMALL: Limits = Limits { patterns: 5_000, nodes: 20_000 };
}

/// What came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Optimum {
    /// No packing has a lower price.
    Best(Packing),
    /// There is no packing.
    Infeasible,
    /// It would take too long, or the solver failed.
    GaveUp,
}

/// Looks for the packing with the lowest price.
pub fn optimum(problem: &Problem, limits: Limits) -> Optimum {
    if !problem.homeless().is_empty() {
        return Optimum::Infeasible;
    }
    let Some(patterns) = all_patterns(problem, limits.patterns) else { return Optimum::GaveUp };
    match best_of(problem, &patterns, limits.nodes) {
        Chosen::Packing { packing, is_best: true } => Optimum::Best(packing),
        Chosen::None { is_proven: true } => Optimum::Infeasible,
        Chosen::Packing { is_best: false, .. } | Chosen::None { is_proven: false } => Optimum::GaveUp,
    }
}

/// What a choice among given patterns came to.
#[derive(Debug)]
pub(super) enum Chosen {
    Packing { packing: Packing, is_best: bool },
    None { is_proven: bool },
}

/// The cheapest packing in which every bin holds one of the patterns, or less.
pub(super) fn best_of(problem: &Problem, patterns: &[Filled], nodes: u64) -> Chosen {
    let mut program = microlp::Problem::new(OptimizationDirection::Minimize);
    let limits = problem.limits();
    let unit = unit(problem);
    let variables: Vec<Variable> = patterns
        .iter()
        .map(|pattern| {
            let price = (problem.price(pattern.kind) / unit) as f64;
            program.add_integer_var(price, (0, i32::try_from(limits[pattern.kind]).unwrap_or(i32::MAX)))
        })
        .collect();
    let sum = |of: &dyn Fn(&Filled) -> f64| {
        let mut row = LinearExpr::empty();
        for (variable, pattern) in variables.iter().zip(patterns) {
            let factor = of(pattern);
            if factor != 0.0 {
                row.add(*variable, factor);
            }
        }
        row
    };
    for (at, item) in problem.items.iter().enumerate().filter(|(_, item)| item.count > 0) {
        let packed = sum(&|pattern| f64::from(pattern.items[at]));
        program.add_constraint(packed, ComparisonOp::Ge, f64::from(item.count));
    }
    for (kind, limit) in limits.iter().enumerate().filter(|(kind, _)| problem.bins[*kind].at_most.is_some()) {
        let bins = sum(&|pattern| if pattern.kind == kind { 1.0 } else { 0.0 });
        program.add_constraint(bins, ComparisonOp::Le, f64::from(*limit));
    }
    let mut options = SolveOptions::default();
    options.node_limit = Some(nodes);
    let outcome = match program.solve_with(options) {
        Ok(outcome) => outcome,
        Err(error) => return Chosen::None { is_proven: error == Error::Infeasible },
    };
    let Some(solution) = outcome.solution() else { return Chosen::None { is_proven: false } };
    let counts = variables.iter().map(|variable| solution.var_value(*variable).round() as u32);
    let bins = patterns.iter().zip(counts).map(|(pattern, times)| Filled { times, ..pattern.clone() }).collect();
    match trimmed(problem, Packing { bins }) {
        Some(packing) => Chosen::Packing { packing, is_best: outcome.is_optimal() },
        None => Chosen::None { is_proven: false },
    }
}

/// Takes out what is packed too often; nothing where something is packed too seldom, or it is no packing otherwise.
pub(super) fn trimmed(problem: &Problem, packing: Packing) -> Option<Packing> {
    let mut left: Vec<u32> = problem.items.iter().map(|item| item.count).collect();
    let mut bins = Vec::new();
    for bin in packing.bins {
        for _ in 0..bin.times {
            let items: Vec<u32> = bin.items.iter().zip(&left).map(|(count, left)| *count.min(left)).collect();
            left.iter_mut().zip(&items).for_each(|(left, count)| *left -= count);
            bins.push(Filled { kind: bin.kind, items, times: 1 });
        }
    }
    let packing = Packing { bins }.merged();
    packing.flaw(problem).is_none().then_some(packing)
}

/// The largest amount of which the price of every bin that holds anything is a multiple; 1 where nothing costs anything.
pub(super) fn unit(problem: &Problem) -> i64 {
    fn common(one: i64, other: i64) -> i64 {
        if other == 0 { one } else { common(other, one % other) }
    }
    let is_used = |kind: &usize| (0..problem.items.len()).any(|item| problem.fits(item, *kind));
    (0..problem.bins.len()).filter(is_used).map(|kind| problem.price(kind)).fold(0, common).max(1)
}

/// Every pattern to which nothing can be added; nothing where they are too many.
fn all_patterns(problem: &Problem, limit: usize) -> Option<Vec<Filled>> {
    let mut patterns = Vec::new();
    for kind in 0..problem.bins.len() {
        let most: Vec<u32> = (0..problem.items.len()).map(|item| problem.most(item, kind)).collect();
        let mut filling = Filling { problem, most, free: problem.bins[kind].capacity.clone(), items: Vec::new() };
        filling.add_all(kind, limit, &mut patterns)?;
    }
    Some(patterns)
}

/// A pattern that is being written down, item by item.
struct Filling<'p> {
    problem: &'p Problem,
    most: Vec<u32>,
    free: Vec<i64>,
    items: Vec<u32>,
}

impl Filling<'_> {
    fn add_all(&mut self, kind: usize, limit: usize, patterns: &mut Vec<Filled>) -> Option<()> {
        let at = self.items.len();
        let Some(item) = self.problem.items.get(at) else {
            if self.is_full() && self.items.iter().any(|count| *count > 0) {
                patterns.push(Filled { kind, items: self.items.clone(), times: 1 });
            }
            return (patterns.len() <= limit).then_some(());
        };
        for count in 0..=room_for(item, &self.free).min(self.most[at]) {
            self.take(at, i64::from(count));
            self.items.push(count);
            self.add_all(kind, limit, patterns)?;
            self.items.pop();
            self.take(at, -i64::from(count));
        }
        Some(())
    }

    fn take(&mut self, at: usize, count: i64) {
        let sizes = &self.problem.items[at].size;
        self.free.iter_mut().zip(sizes).for_each(|(free, size)| *free -= size * count);
    }

    /// Whether no item can be added.
    fn is_full(&self) -> bool {
        let can_take = |at: usize| self.items[at] < self.most[at] && room_for(&self.problem.items[at], &self.free) > 0;
        !(0..self.items.len()).any(can_take)
    }
}
