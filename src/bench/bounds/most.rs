//! How much items can be worth together that bins hold of which there are so many: an upper bound, by linear programming.
//!
//! The relaxation adds up the bins of a kind: whatever lies in them takes of each resource no more than all of them have.
//! As in the bound of patterns the dual program is solved (what an item is worth is paid by the resources of whatever bin
//! it lies in, or by itself), rows are added as they are violated, and the bound is worked out from the rounded prices in
//! exact arithmetic. It holds whatever the solver does.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Solution, Variable};

use super::Problem;

/// How often violated rows are looked for.
const ROUNDS: usize = 60;
/// By how much a row may be violated, in parts of the largest worth.
const TOLERANCE: f64 = 1e-7;
/// Parts of a unit of worth.
const ONE: i128 = 1 << 20;

/// At most so much are the items worth that the bins can hold; `worth` is what one of each kind is worth.
pub fn most(problem: &Problem, worth: &[i64]) -> i64 {
    let trivial: i128 = (problem.items.iter().enumerate().zip(worth))
        .filter(|((at, _), _)| problem.homes(*at).next().is_some())
        .map(|((_, item), worth)| i128::from(item.count) * i128::from((*worth).max(0)))
        .sum();
    let solved = Dual::solve(problem, worth).map_or(trivial, |prices| bound(problem, worth, &prices));
    i64::try_from(solved.min(trivial)).unwrap_or(i64::MAX)
}

/// What all of a resource of one bin is paid for, by kind and resource, in worth.
type Prices = Vec<Vec<f64>>;

/// The dual program with some of its rows, solved: an item and a kind of bin for each.
struct Dual {
    /// What an item of each kind pays itself.
    own: Vec<Variable>,
    resources: Vec<Vec<Variable>>,
    solution: Solution,
}

impl Dual {
    /// The prices; nothing where the solver fails.
    fn solve(problem: &Problem, worth: &[i64]) -> Option<Prices> {
        let largest = worth.iter().copied().max().filter(|largest| *largest > 0)? as f64;
        let worth: Vec<f64> = worth.iter().map(|worth| *worth as f64 / largest).collect();
        let mut rows: Vec<(usize, usize)> = Vec::new();
        let mut dual = Dual::with(problem, &worth, &rows)?;
        for _ in 0..ROUNDS {
            let items = 0..problem.items.len();
            let violated: Vec<(usize, usize)> =
                items.filter_map(|item| dual.violated(problem, item, worth[item])).collect();
            if violated.is_empty() {
                break;
            }
            rows.extend(violated);
            dual = Dual::with(problem, &worth, &rows)?;
        }
        let price = |variable: &Variable| dual.solution.var_value(*variable) * largest;
        Some(dual.resources.iter().map(|kind| kind.iter().map(price).collect()).collect())
    }

    fn with(problem: &Problem, worth: &[f64], rows: &[(usize, usize)]) -> Option<Dual> {
        let mut program = microlp::Problem::new(OptimizationDirection::Minimize);
        let free = (0.0, f64::INFINITY);
        let own: Vec<Variable> =
            problem.items.iter().map(|item| program.add_var(f64::from(item.count), free)).collect();
        let of_kind = |(bin, limit): (&super::BinKind, u32)| -> Vec<Variable> {
            bin.capacity.iter().map(|_| program.add_var(f64::from(limit), free)).collect()
        };
        let resources: Vec<Vec<Variable>> = problem.bins.iter().zip(problem.limits()).map(of_kind).collect();
        for (item, kind) in rows {
            let mut row = LinearExpr::empty();
            row.add(own[*item], 1.0);
            for (resource, share) in shares(problem, *item, *kind) {
                row.add(resources[*kind][resource], share);
            }
            program.add_constraint(row, ComparisonOp::Ge, worth[*item]);
        }
        Some(Dual { own, resources, solution: program.solve().ok()?.into_solution().ok()? })
    }

    /// The kind of bin in which what is paid for an item falls most short of its worth.
    fn violated(&self, problem: &Problem, item: usize, worth: f64) -> Option<(usize, usize)> {
        let own = self.solution.var_value(self.own[item]);
        let lacking = |kind: usize| {
            let paid: f64 = shares(problem, item, kind)
                .map(|(resource, share)| share * self.solution.var_value(self.resources[kind][resource]))
                .sum();
            worth - own - paid
        };
        let worst =
            problem.homes(item).map(|kind| (kind, lacking(kind))).max_by(|one, other| one.1.total_cmp(&other.1));
        worst.filter(|(_, lacking)| *lacking > TOLERANCE).map(|(kind, _)| (item, kind))
    }
}

/// The parts that an item takes of the resources of a bin.
fn shares(problem: &Problem, item: usize, kind: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
    let pairs = problem.items[item].size.iter().zip(&problem.bins[kind].capacity).enumerate();
    pairs.filter(|(_, (size, _))| **size > 0).map(|(at, (size, capacity))| (at, *size as f64 / *capacity as f64))
}

/// What prices prove: whatever the resources do not pay, items pay themselves.
fn bound(problem: &Problem, worth: &[i64], prices: &Prices) -> i128 {
    let whole = |price: f64| (price.max(0.0) * ONE as f64).round() as i128;
    let prices: Vec<Vec<i128>> = prices.iter().map(|kind| kind.iter().map(|price| whole(*price)).collect()).collect();
    let limits = problem.limits();
    let bins: i128 = prices.iter().zip(limits).map(|(kind, limit)| kind.iter().sum::<i128>() * i128::from(limit)).sum();
    let own = |item: usize| -> i128 {
        let lacking = |kind: usize| {
            let pairs = problem.items[item].size.iter().zip(&problem.bins[kind].capacity).zip(&prices[kind]);
            let paid: i128 = pairs
                .map(|((size, capacity), price)| {
                    (i128::from(*size) * price).checked_div(i128::from(*capacity)).unwrap_or(0)
                })
                .sum();
            i128::from(worth[item]) * ONE - paid
        };
        problem.homes(item).map(lacking).max().unwrap_or(0).max(0)
    };
    let items: i128 = problem.items.iter().enumerate().map(|(at, item)| own(at) * i128::from(item.count)).sum();
    (bins + items).div_euclid(ONE)
}
