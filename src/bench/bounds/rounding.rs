//! Packings from the patterns of the relaxation: whole bins of it, and what is left by other means.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Variable};

use super::first_fit::first_fit;
use super::optimum::{Chosen, best_of, trimmed};
use super::problem::{Filled, Packing};
use super::{Columns, Problem};

/// With more patterns than this a choice of whole bins among them takes too long.
const PATTERNS_MAX: usize = 1_000;
/// How many nodes the search for that choice may have.
const NODES_MAX: u64 = 100;

/// Packings that use the patterns of the relaxation, in no order of merit: of the relaxation's solution the whole bins
/// are kept and the items that are left are packed by first fit; and the patterns are chosen from by a mixed-integer
/// program that is cut short.
pub fn rounding(problem: &Problem, columns: &Columns) -> Vec<Packing> {
    let mut packings = Vec::new();
    let whole = whole_bins(problem, &columns.patterns);
    for rest in whole.iter().flat_map(|whole| first_fit(&rest_of(problem, whole))) {
        let kept = whole.iter().flat_map(|whole| whole.bins.iter().cloned());
        packings.extend(trimmed(problem, Packing { bins: kept.chain(rest.bins).collect() }));
    }
    if columns.patterns.len() <= PATTERNS_MAX {
        packings.extend(match best_of(problem, &columns.patterns, NODES_MAX) {
            Chosen::Packing { packing, .. } => Some(packing),
            Chosen::None { .. } => None,
        });
    }
    packings
}

/// The bins of the relaxation's solution, each number rounded down, without items that are too many.
fn whole_bins(problem: &Problem, patterns: &[Filled]) -> Option<Packing> {
    let mut program = microlp::Problem::new(OptimizationDirection::Minimize);
    let dearest = (0..problem.bins.len()).map(|kind| problem.price(kind)).max()?.max(1);
    let price = |pattern: &Filled| problem.price(pattern.kind) as f64 / dearest as f64;
    let variables: Vec<Variable> =
        patterns.iter().map(|pattern| program.add_var(price(pattern), (0.0, f64::INFINITY))).collect();
    for (at, item) in problem.items.iter().enumerate().filter(|(at, _)| problem.homes(*at).next().is_some()) {
        let mut packed = LinearExpr::empty();
        let holding = variables.iter().zip(patterns).filter(|(_, pattern)| pattern.items[at] > 0);
        holding.for_each(|(variable, pattern)| packed.add(*variable, f64::from(pattern.items[at])));
        program.add_constraint(packed, ComparisonOp::Ge, f64::from(item.count));
    }
    for (kind, bin) in problem.bins.iter().enumerate() {
        let mut bins = LinearExpr::empty();
        let of_kind = variables.iter().zip(patterns).filter(|(_, pattern)| pattern.kind == kind);
        of_kind.for_each(|(variable, _)| bins.add(*variable, 1.0));
        program.add_constraint(bins, ComparisonOp::Le, bin.at_most.map_or(f64::INFINITY, f64::from));
    }
    let solution = program.solve().ok()?.into_solution().ok()?;
    let mut left: Vec<u32> = problem.items.iter().map(|item| item.count).collect();
    let mut whole = Packing::default();
    for (variable, pattern) in variables.iter().zip(patterns) {
        for _ in 0..(solution.var_value(*variable) + 1e-6).floor() as u32 {
            let items: Vec<u32> = pattern.items.iter().zip(&left).map(|(count, left)| *count.min(left)).collect();
            left.iter_mut().zip(&items).for_each(|(left, count)| *left -= count);
            whole.bins.push(Filled { kind: pattern.kind, items, times: 1 });
        }
    }
    Some(whole.merged())
}

/// What remains to be packed.
fn rest_of(problem: &Problem, packed: &Packing) -> Problem {
    let mut rest = problem.clone();
    for bin in &packed.bins {
        let kind = &mut rest.bins[bin.kind];
        kind.at_most = kind.at_most.map(|most| most.saturating_sub(bin.times));
        rest.items.iter_mut().zip(&bin.items).for_each(|(item, count)| item.count -= count * bin.times);
    }
    rest
}
