//! The bound of patterns: the linear relaxation of 'so many bins of this kind that hold this', by column generation.
//!
//! Sources: P. C. Gilmore, R. E. Gomory, 'A linear programming approach to the cutting-stock problem', Operations
//! Research 9 (1961); A. A. Farley, 'A note on bounding a class of linear programming problems, including cutting stock
//! problems', Operations Research 38 (1990); and for bounds in integers S. Held, W. Cook, E. C. Sewell, 'Maximum-weight
//! stable sets and safe lower bounds for graph coloring', Mathematical Programming Computation 4 (2012).
//!
//! The solver tells no dual values, so that it is given the dual program: prices of items such that no known pattern is
//! worth more than its bin, and pricing adds patterns (there rows, not columns) that are. Whatever prices come out of
//! it are rounded to integers, and a bound is worked out from them that needs no trust in the solver: it is exact
//! arithmetic on what pricing has proven of the best pattern. Where pricing or the rounds are cut short, the bound is
//! weaker and still holds.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Solution, Variable};

use super::pricing::{Priced, price};
use super::problem::{Filled, Packing};
use super::{Objective, Problem};

/// How long it may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Effort {
    /// How often patterns are looked for.
    pub rounds: u32,
    /// How many steps a search for a pattern may have.
    pub steps: u32,
    /// How far a bound of cost may stay below the relaxation, in millionths of it.
    pub gap_ppm: u32,
}

impl Effort {
    /// Enough for some hundred kinds of items in a few seconds.
    pub const USUAL: Effort = Effort { rounds: 600, steps: 20_000, gap_ppm: 200 };
}

/// What came out.
#[derive(Clone, PartialEq, Debug)]
pub struct Columns {
    /// At least so many bins, or so much money, are needed.
    pub bound: i64,
    /// What an item of each kind is worth, in parts of [`PRICE_ONE`] of the dearest bin.
    pub prices: Vec<i64>,
    /// The patterns that were found.
    pub patterns: Vec<Filled>,
}

/// The price of the dearest kind of bin.
pub const PRICE_ONE: i64 = 1 << 30;
/// The most that an item may be worth, in dearest bins: a limit for instances that cannot be packed.
const WORTH_MAX: f64 = 1_000.0;
/// What a pattern may be worth beyond its bin before it counts.
const TOLERANCE: f64 = 1e-6;

/// Works out the bound. `known` are packings whose patterns are a good start; there need be none.
pub fn columns(problem: &Problem, known: &[Packing], effort: Effort) -> Columns {
    let patterns = first_patterns(problem, known);
    let mut found = Columns { bound: 0, prices: vec![0; problem.items.len()], patterns };
    let mut dual = Dual::new(problem, &found.patterns);
    let gap_ppm = match problem.objective {
        Objective::Nodes => 0,
        Objective::Cost => effort.gap_ppm,
    };
    for _ in 0..effort.rounds {
        let Some(solved) = dual else { break };
        let prices = solved.prices();
        let search = |kind| price(problem, kind, &prices, effort.steps);
        let priced: Vec<Priced> = (0..problem.bins.len()).map(search).collect();
        let bound = bound_of(problem, &prices, &priced);
        if bound >= found.bound {
            found.bound = bound;
            found.prices = prices;
        }
        if found.bound >= solved.rounded_up(gap_ppm) {
            break;
        }
        let better = solved.better(problem, priced, &found.patterns);
        dual = if better.is_empty() { None } else { solved.with(problem, &better) };
        found.patterns.extend(better);
    }
    found
}

/// The dual program as far as patterns are known, solved.
struct Dual {
    solution: Solution,
    /// The price of each kind of item that has one.
    items: Vec<Option<Variable>>,
    /// What being one of a limited number earns a bin of each kind.
    scarce: Vec<Option<Variable>>,
    dearest: i64,
}

impl Dual {
    /// Nothing where there is nothing to bound, or the solver fails.
    fn new(problem: &Problem, patterns: &[Filled]) -> Option<Dual> {
        let dearest = (0..problem.bins.len()).map(|kind| problem.price(kind)).max().filter(|price| *price > 0)?;
        let mut program = microlp::Problem::new(OptimizationDirection::Maximize);
        let mut items = Vec::new();
        for (at, item) in problem.items.iter().enumerate() {
            let counts = item.count > 0 && problem.homes(at).next().is_some();
            items.push(counts.then(|| program.add_var(f64::from(item.count), (0.0, WORTH_MAX))));
        }
        items.iter().flatten().next()?;
        let limits = problem.limits();
        let scarce = problem
            .bins
            .iter()
            .zip(limits)
            .map(|(bin, limit)| bin.at_most.map(|_| program.add_var(-f64::from(limit), (0.0, f64::INFINITY))));
        let scarce: Vec<Option<Variable>> = scarce.collect();
        for pattern in patterns {
            let row = row(pattern, &items, &scarce);
            program.add_constraint(row, ComparisonOp::Le, share(problem.price(pattern.kind), dearest));
        }
        let solution = program.solve().ok()?.into_solution().ok()?;
        Some(Dual { solution, items, scarce, dearest })
    }

    /// The prices of the items, rounded.
    fn prices(&self) -> Vec<i64> {
        let rounded = |value: f64| (value.clamp(0.0, WORTH_MAX) * PRICE_ONE as f64).round() as i64;
        let of =
            |variable: &Option<Variable>| variable.map_or(0, |variable| rounded(self.solution.var_value(variable)));
        self.items.iter().map(of).collect()
    }

    /// What no bound can exceed that rests on the relaxation, as far as the solver is right, without the gap.
    fn rounded_up(&self, gap_ppm: u32) -> i64 {
        let gap = TOLERANCE.max(f64::from(gap_ppm) / 1e6);
        (self.solution.objective() * self.dearest as f64 * (1.0 - gap)).ceil() as i64
    }

    /// The patterns that are worth more than their bins, those that are known left aside.
    fn better(&self, problem: &Problem, priced: Vec<Priced>, known: &[Filled]) -> Vec<Filled> {
        let is_better = |best: &Priced| {
            let scarcity = self.scarce[best.pattern.kind].map_or(0.0, |variable| self.solution.var_value(variable));
            let price = share(problem.price(best.pattern.kind), self.dearest) + scarcity;
            best.value as f64 / PRICE_ONE as f64 > price + TOLERANCE && !known.contains(&best.pattern)
        };
        priced.into_iter().filter(is_better).map(|best| best.pattern).collect()
    }

    /// With more patterns; nothing where the solver fails.
    fn with(self, problem: &Problem, patterns: &[Filled]) -> Option<Dual> {
        let Dual { mut solution, items, scarce, dearest } = self;
        for pattern in patterns {
            let row = row(pattern, &items, &scarce);
            let price = share(problem.price(pattern.kind), dearest);
            solution = solution.add_constraint(row, ComparisonOp::Le, price).ok()?.into_solution().ok()?;
        }
        Some(Dual { solution, items, scarce, dearest })
    }
}

/// The price of a bin in dearest bins.
fn share(price: i64, dearest: i64) -> f64 {
    price as f64 / dearest as f64
}

fn row(pattern: &Filled, items: &[Option<Variable>], scarce: &[Option<Variable>]) -> LinearExpr {
    let mut row = LinearExpr::empty();
    for (variable, count) in items.iter().zip(&pattern.items) {
        if let Some(variable) = variable.filter(|_| *count > 0) {
            row.add(variable, f64::from(*count));
        }
    }
    if let Some(variable) = scarce[pattern.kind] {
        row.add(variable, -1.0);
    }
    row
}

/// The patterns of known packings, and for each item and kind of bin the one that holds as many of it as fit.
fn first_patterns(problem: &Problem, known: &[Packing]) -> Vec<Filled> {
    let of_known = known.iter().flat_map(|packing| &packing.bins).map(|bin| Filled { times: 1, ..bin.clone() });
    let alone = (0..problem.items.len()).flat_map(|item| {
        problem.homes(item).map(move |kind| {
            let mut items = vec![0; problem.items.len()];
            items[item] = problem.most(item, kind);
            Filled { kind, items, times: 1 }
        })
    });
    let mut patterns: Vec<Filled> = alone.chain(of_known).collect();
    patterns.sort();
    patterns.dedup();
    patterns
}

/// The bound that follows from prices of items and from what no pattern is worth more than.
///
/// Prices times any factor are prices, as long as no pattern of a kind of which there is any number is worth more than
/// its bin. Bins of a kind of which there are `limit` earn at most `limit` times what their best pattern is worth beyond
/// its bin. What remains of all items' worth has to be paid. The best factor is one at which some kind's best pattern
/// is worth exactly its bin.
fn bound_of(problem: &Problem, prices: &[i64], priced: &[Priced]) -> i64 {
    let limits = problem.limits();
    let worth: i128 =
        problem.items.iter().zip(prices).map(|(item, price)| i128::from(item.count) * i128::from(*price)).sum();
    // Bin price and worth of the best pattern, by kind.
    let pairs: Vec<(i128, i128)> =
        priced.iter().map(|best| (i128::from(problem.price(best.pattern.kind)), i128::from(best.at_most))).collect();
    let unlimited = (0..pairs.len()).filter(|kind| problem.bins[*kind].at_most.is_none());
    let allowed = |(price, best): (i128, i128)| {
        let within = |kind: usize| price * pairs[kind].1 <= pairs[kind].0 * best;
        best > 0 && unlimited.clone().all(within)
    };
    let with_factor = |(price, best): (i128, i128)| {
        let beyond = |(kind, limit): (usize, &u32)| {
            let beyond = (pairs[kind].1 * price - pairs[kind].0 * best).max(0);
            if problem.bins[kind].at_most.is_some() { beyond.saturating_mul(i128::from(*limit)) } else { 0 }
        };
        let earned: i128 = limits.iter().enumerate().map(beyond).sum();
        (worth * price - earned + best - 1).div_euclid(best)
    };
    let best = pairs.iter().copied().filter(|pair| allowed(*pair)).map(with_factor).max().unwrap_or(0);
    i64::try_from(best.max(0)).unwrap_or(i64::MAX)
}
