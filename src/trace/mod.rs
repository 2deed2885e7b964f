//! Traces: what machines there were, and which tasks came, when, and asked for what.
//!
//! Every format becomes one [`Trace`]: vectors of resources, cards, models and times, in integers. What a format has
//! beside these (labels, usage, constraints) is left out, and its reader says so. A family: a format a file,
//! listed in [`ALL`].

pub mod azure;
pub mod borg;
pub mod openb;
mod rows;
pub mod snapshot;
pub mod synthetic;

use crate::api::Name;
use crate::kernel::Time;

/// A format.
#[derive(Clone, Copy, Debug)]
pub struct FormatEntry {
    /// What files of commands and studies call it.
    pub name: &'static str,
    /// What it holds.
    pub doc: &'static str,
    /// The files that it wants, in the order in which they are given.
    pub files: &'static [&'static str],
    /// Where the format is described.
    pub source: &'static str,
    /// What the reader leaves out.
    pub leaves_out: &'static str,
}

/// Every format.
pub const ALL: &[&FormatEntry] = &[&openb::ENTRY, &borg::ENTRY, &azure::ENTRY, &snapshot::ENTRY, &synthetic::ENTRY];

/// A trace as it was read, and what was not taken.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Reading {
    /// The machines and tasks.
    pub trace: Trace,
    /// What was left out of these files, a sentence each.
    pub notes: Vec<String>,
}

/// So much of a normalised resource is one whole: where a format tells shares of a machine.
pub const UNIT: i64 = 1_000_000;

/// A share in the units of traces: to the nearest, but something where there is something.
fn units(share: f64) -> i64 {
    let units = libm::round(share * UNIT as f64) as i64;
    if share > 0.0 { units.max(1) } else { units }
}

/// How many kinds of resources a trace may have, cards aside.
pub const RESOURCES: usize = 6;

/// How many cards a machine may have.
pub const MAX_CARDS: u8 = 16;

/// Amounts of resources, in the order of [`Trace::resources`].
pub type Amounts = [i64; RESOURCES];

/// What was recorded, or made.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Trace {
    /// The names of the resources, as Kubernetes has them: `cpu` (in millicores) comes first, `memory` (in bytes) second.
    /// Others are in bytes or pieces. At most [`RESOURCES`].
    pub resources: Vec<Name>,
    /// The machines, in the order of the file.
    pub machines: Vec<Machine>,
    /// The tasks, in the order of the file.
    pub tasks: Vec<Task>,
}

/// A machine.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Machine {
    /// Its name.
    pub name: Name,
    /// What it has.
    pub capacity: Amounts,
    /// How many cards (GPUs) it has, of 1000 milli each.
    pub cards: u8,
    /// The model of its cards; empty where it has none.
    pub model: Name,
    /// Its zone; empty where none is told.
    pub zone: Name,
    /// Its type, which decides its price; empty where none is told.
    pub node_type: Name,
    /// What an hour of it costs, in dollars; zero where none is told.
    pub price_per_hour: f64,
}

/// A task: one pod.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Task {
    /// Its name.
    pub name: Name,
    /// What it asks for.
    pub asks: Amounts,
    /// How many cards it asks for.
    pub cards: u8,
    /// How much of each of them, in thousandths. Below 1000 only where it asks for one.
    pub milli_per_card: u16,
    /// The models that it takes; empty for any.
    pub models: Vec<Name>,
    /// When it comes; the start where the format has no times.
    pub arrives: Time,
    /// When it ends, had it started when it came; never where none is told.
    pub leaves: Option<Time>,
    /// Its gang, whose tasks run all or none; empty for none.
    pub gang: Name,
    /// Its priority.
    pub priority: i32,
}
