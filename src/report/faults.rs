//! The strikes of faults: as lines of the summary, and as bands under the plots of the page.

use serde::Serialize;

use crate::kernel::Time;
use crate::sim::{Sim, StrikeRecord};

/// How many names of those hit a line tells.
const NAMED_MAX: usize = 4;

/// A strike of a fault.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultLine {
    /// The fault, as scenario files name it.
    pub fault: &'static str,
    /// Whom it hit; empty: nobody was there to be hit.
    pub hits: Vec<String>,
    /// When it struck, in seconds since the start.
    pub from_seconds: f64,
    /// When it ended; absent where it has not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_seconds: Option<f64>,
}

impl FaultLine {
    /// Whom it hit, in a few words.
    pub fn hit(&self) -> String {
        hit(&self.hits)
    }
}

fn hit(hits: &[String]) -> String {
    match hits.len() {
        0 => "nobody".to_owned(),
        many if many > NAMED_MAX => format!("{} and {} more", hits[..NAMED_MAX - 1].join(", "), many + 1 - NAMED_MAX),
        _ => hits.join(", "),
    }
}

/// The strikes of a run, in order.
pub fn fault_lines(sim: &Sim) -> Vec<FaultLine> {
    let seconds = |at: Time| at.since(Time::ZERO).as_secs_f64();
    let line = |strike: &StrikeRecord| FaultLine {
        fault: strike.name,
        hits: strike.hits.clone(),
        from_seconds: seconds(strike.from),
        until_seconds: strike.until.map(seconds),
    };
    sim.strikes().iter().map(line).collect()
}
