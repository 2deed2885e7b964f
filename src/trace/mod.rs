//! Traces: what machines there were, and which tasks came, when, and asked for what.
//!
//! Every format becomes one [`Trace`]: vectors of resources, cards, models and times, in integers. What a format has
//! beside these (labels, usage, constraints) is left out, and its reader says so. A family: a format a file.

pub mod openb;
mod rows;
pub mod synthetic;

use crate::api::Name;
use crate::kernel::Time;

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
