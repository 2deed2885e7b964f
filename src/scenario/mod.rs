//! Scenario files: what was typed, what it means, and a run of it with its expectations judged.
//!
//! Three steps, never mixed. [`mod@file`] holds the format: strict serde types, every field documented. [`load`] works out
//! what they mean: a [`Scenario`] of plain values, with every mistake at its line and column. [`run`] builds the
//! simulation, runs it and judges the expectations.
//!
//! This room does no I/O: whoever loads a scenario hands in how paths are read ([`ReadPath`]). It knows flags,
//! controllers and kinds only through their registries. What it lowers into never sees a file.

mod api_server;
mod axes;
mod behaviours;
mod checks;
mod components;
mod draft;
mod expect;
mod faults;
pub mod file;
mod load;
mod manifests;
mod node_types;
mod nodes;
mod overrides;
mod resource;
mod run;
#[cfg(feature = "cli")]
mod schema;
#[cfg(test)]
mod tests;
mod timeline;
mod trace;
mod traffic;
mod webhooks;

use std::sync::Arc;

pub use api_server::API_SERVER_FLAGS;
pub use axes::Axis;
pub use components::{CONTROLLERS, controller_manager_flags};
pub use draft::Draft;
pub use load::{DEFAULT_SEED, load};
pub use manifests::{Found, ReadPath};
pub use node_types::node_types;
pub use nodes::{NodeType, Pool};
pub use run::{EVENTS_PER_CALL, Ended, FailedAction, RunResult, UNTIL_QUIET_AT_MOST, run, run_with};
#[cfg(feature = "cli")]
pub use schema::schema;

use crate::api::KindInfo;
use crate::check::Expectation;
use crate::kernel::Span;
use crate::sim::Setup;

/// Where an action of the set-up's timeline stands in the scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// `timeline[2].setImage`, or `manifests` for what is applied at time zero.
    pub place: String,
    /// Whether its failure is no failure of the run.
    pub may_fail: bool,
}

/// What a scenario means: a set-up, what is expected of it, and how long it runs.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// `metadata.name`.
    pub name: String,
    /// What it shows, for people.
    pub description: Option<String>,
    /// What the simulation starts from. The journal is only digested unless the caller says otherwise.
    pub setup: Setup,
    /// Where the actions of the set-up's timeline come from, one each, in its order.
    pub origins: Vec<Origin>,
    /// The pools as declared; the set-up has one pool for each zone of each.
    pub pools: Vec<Pool>,
    /// What must come true.
    pub expectations: Vec<Expectation>,
    /// How long it runs; `None`: until nothing is going to happen any more, within limits.
    pub duration: Option<Span>,
    /// Whether it ends as soon as every expectation is decided.
    pub stop_when_met: bool,
    /// The seed where the command line gives none.
    pub seed: u64,
    /// The kinds of its CRDs, by the number in `Kind::Custom`.
    pub custom_kinds: Vec<Arc<KindInfo>>,
}
