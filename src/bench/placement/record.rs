//! What is kept of a run beside its samples, as JSON between shards.

use serde::{Deserialize, Serialize};

use super::curve::bins;
use super::{Bin, Case, Conditions, Outcome};

/// What is kept of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    /// The number of the run in its study.
    pub run: usize,
    /// Its seed.
    pub seed: u64,
    /// Its figures, by the names of [`super::Figures::NAMES`].
    pub figures: Vec<f64>,
    /// Its samples in bins.
    pub bins: Vec<Bin>,
    /// How full each node was at the chosen moment, of the first seed of a study; empty for others.
    pub nodes_at_moment: Vec<f64>,
}

impl Record {
    /// The record of a run.
    pub fn new(run: usize, case: Case, conditions: &Conditions, outcome: &Outcome, is_first_seed: bool) -> Record {
        Record {
            run,
            seed: case.seed,
            figures: outcome.figures.values.clone(),
            bins: bins(&outcome.samples, conditions.arrivals),
            nodes_at_moment: if is_first_seed { outcome.nodes_at_moment.clone() } else { Vec::new() },
        }
    }
}
