//! What the machines of a run cost, and how much of that sat idle.
//!
//! A machine of a pool with a price costs from the start of the run to its end, whether its node is ready, is registered
//! or has any pods: it is rented. Idle is the part of a machine that nobody asked for: one less the share of its dominant
//! resource (the largest of requested over allocatable among CPU, memory, ephemeral storage and extended resources),
//! over time. Requests change at instants, and between two of them the share is constant, so the sum is exact, not
//! sampled (shares are counted in billionths). What containers really use plays no part; nor do disks, traffic, load
//! balancers and the control plane.

use rustc_hash::FxHashMap;
use serde::Serialize;

use super::table::Table;
use crate::api::Name;
use crate::kernel::Time;
use crate::sim::{NodeUse, Sim, Usage};

/// The machines of one price.
#[derive(Clone, PartialEq, Debug)]
pub struct Machines {
    /// The pool's name.
    pub pool: Name,
    /// Their nodes' names.
    pub nodes: Vec<Name>,
    /// What one of them costs an hour; `None`: nothing is known of it.
    pub price_per_hour: Option<f64>,
}

/// All nodes that there ever were, each with its pool: by pool, in the order of the scenario; those that belong to none
/// at the end, with an empty name. The number is the node's place in [`Usage::nodes`].
pub(super) fn by_pool<'a>(usage: &'a Usage, machines: &'a [Machines]) -> Vec<(&'a str, usize, &'a NodeUse)> {
    let nodes: Vec<&NodeUse> = usage.nodes().collect();
    let mut places: FxHashMap<&str, usize> =
        nodes.iter().enumerate().map(|(n, node)| (node.name.as_str(), n)).collect();
    let mut found = Vec::new();
    for pool in machines {
        for name in &pool.nodes {
            if let Some(place) = places.remove(name.as_str()) {
                found.push((pool.pool.as_str(), place, nodes[place]));
            }
        }
    }
    for (place, node) in nodes.iter().enumerate() {
        if places.contains_key(node.name.as_str()) {
            found.push(("", place, *node));
        }
    }
    found
}

/// What a run cost.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CostReport {
    /// The currency of all amounts, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Name>,
    /// What all pools with a price cost together.
    pub total: f64,
    /// How much of that sat idle.
    pub idle: f64,
    /// The pools with a price, in the order of the scenario.
    pub pools: Vec<PoolCost>,
}

/// What the machines of a pool cost.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolCost {
    /// The pool's name.
    pub pool: Name,
    /// How many machines it has.
    pub machines: u64,
    /// What one of them costs an hour.
    pub price_per_hour: f64,
    /// For how many hours they ran, all together.
    pub machine_hours: f64,
    /// What they cost.
    pub cost: f64,
    /// How much of that sat idle.
    pub idle: f64,
    /// The same in percent.
    pub idle_percent: f64,
}

/// The cost of a simulation up to the instant that it has reached; `None` where no pool has a price.
pub fn cost_report(sim: &Sim, machines: &[Machines], currency: Option<Name>) -> Option<CostReport> {
    let now = sim.now();
    let taken =
        |name: &Name| sim.tally().usage.node_of(name).map_or(0.0, |node| hours(node.taken_until(now).as_nanos()));
    let pools: Vec<PoolCost> = machines
        .iter()
        .filter_map(|pool| {
            let taken: f64 = pool.nodes.iter().map(taken).sum();
            Some(pool_cost(pool, pool.price_per_hour?, hours(now.since(Time::ZERO).as_nanos()), taken))
        })
        .collect();
    if pools.is_empty() {
        return None;
    }
    let sum = |of: fn(&PoolCost) -> f64| pools.iter().map(of).sum();
    Some(CostReport { currency, total: sum(|pool| pool.cost), idle: sum(|pool| pool.idle), pools })
}

fn pool_cost(machines: &Machines, price_per_hour: f64, run_hours: f64, taken_hours: f64) -> PoolCost {
    let count = machines.nodes.len() as u64;
    let machine_hours = count as f64 * run_hours;
    let idle_hours = (machine_hours - taken_hours).max(0.0);
    PoolCost {
        pool: machines.pool.clone(),
        machines: count,
        price_per_hour,
        machine_hours,
        cost: machine_hours * price_per_hour,
        idle: idle_hours * price_per_hour,
        idle_percent: if machine_hours > 0.0 { idle_hours * 100.0 / machine_hours } else { 0.0 },
    }
}

fn hours(nanos: u64) -> f64 {
    nanos as f64 / 3.6e12
}

impl CostReport {
    /// An amount with its currency: two digits behind the point, four where it is below one.
    pub fn amount(&self, amount: f64) -> String {
        let number = if amount != 0.0 && amount < 1.0 { format!("{amount:.4}") } else { format!("{amount:.2}") };
        match &self.currency {
            Some(currency) => format!("{number} {currency}"),
            None => number,
        }
    }

    /// `cost 12.40, of which 5.00 (40%) sat idle`.
    pub fn sentence(&self) -> String {
        let percent = if self.total > 0.0 { self.idle * 100.0 / self.total } else { 0.0 };
        format!("cost {}, of which {} ({percent:.0}%) sat idle", self.amount(self.total), self.amount(self.idle))
    }

    /// A line a pool.
    pub fn table(&self) -> Table {
        let mut table = Table::new(["POOL", "MACHINES", "PRICE/H", "MACHINE-HOURS", "COST", "IDLE"]);
        for pool in &self.pools {
            table.add([
                pool.pool.to_string(),
                pool.machines.to_string(),
                pool.price_per_hour.to_string(),
                format!("{:.2}", pool.machine_hours),
                self.amount(pool.cost),
                format!("{} ({:.0}%)", self.amount(pool.idle), pool.idle_percent),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_sat_idle() {
        let machines =
            Machines { pool: "web".into(), nodes: vec!["web-0".into(), "web-1".into()], price_per_hour: None };
        let pool = pool_cost(&machines, 0.5, 3.0, 1.5);
        let idle = pool.idle;
        let report = CostReport { currency: Some("EUR".into()), total: pool.cost, idle, pools: vec![pool] };
        assert_eq!(report.sentence(), "cost 3.00 EUR, of which 2.25 EUR (75%) sat idle");
        assert_eq!(
            report.table().to_string(),
            "POOL   MACHINES   PRICE/H   MACHINE-HOURS   COST       IDLE\n\
             web    2          0.5       6.00            3.00 EUR   2.25 EUR (75%)\n"
        );
    }

    #[test]
    fn no_time_costs_nothing() {
        let machines = Machines { pool: "web".into(), nodes: vec!["web-0".into()], price_per_hour: None };
        let pool = pool_cost(&machines, 0.5, 0.0, 0.0);
        assert_eq!((pool.cost, pool.idle, pool.idle_percent), (0.0, 0.0, 0.0));
    }
}
