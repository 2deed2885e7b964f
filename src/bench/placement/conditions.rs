//! How a run goes, beside what comes: departures, a queue, nodes that fail or are drained.

use std::fmt;

use super::Arrivals;
use crate::kernel::Span;

/// The conditions of a run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Conditions {
    /// Which pods come, and when.
    pub arrivals: Arrivals,
    /// What becomes of pods for which there is no room.
    pub queue: Queue,
    /// Whether pods without room take that of pods of lower priority.
    pub preemption: bool,
    /// Nodes that fail; none where nothing is said.
    pub failures: Option<Failures>,
    /// Nodes that are drained in turn; none where nothing is said.
    pub drains: Option<Drains>,
}

impl Conditions {
    /// Pods that come in any order up to so many times what there is, and stay; no queue, no failures: FGD's evaluation.
    pub fn filling(times: f64) -> Conditions {
        let arrivals = Arrivals::Inflated(times);
        Conditions { arrivals, queue: Queue::None, preemption: false, failures: None, drains: None }
    }
}

impl fmt::Display for Conditions {
    /// As `arrive 1.3` or `as recorded, queue retry, failures every 10d for 4h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.arrivals {
            Arrivals::Inflated(times) => write!(f, "arrive {times}")?,
            Arrivals::AsRecorded => write!(f, "as recorded")?,
        }
        match self.queue {
            Queue::None => {}
            Queue::Retry => write!(f, "; queue retry")?,
            Queue::Fifo => write!(f, "; queue fifo")?,
        }
        if self.preemption {
            write!(f, "; preemption")?;
        }
        if let Some(Failures { mean_between, lasts }) = self.failures {
            write!(f, "; failures every {mean_between} for {lasts}")?;
        }
        if let Some(Drains { every, lasts }) = self.drains {
            write!(f, "; drains every {every} for {lasts}")?;
        }
        Ok(())
    }
}

/// What becomes of a pod for which there is no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// It is turned away.
    None,
    /// It waits; whenever something becomes free all that wait are tried, by priority and then by arrival.
    Retry,
    /// It waits, and nothing goes before the first that waits.
    Fifo,
}

/// Each node fails by itself. Its pods are evicted and come anew, to start over where they run a time; they are turned away
/// where there is no queue and no room.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Failures {
    /// The mean time between the return of a node and its next failure, exponentially distributed.
    pub mean_between: Span,
    /// How long it is away.
    pub lasts: Span,
}

/// Nodes are drained one after another, in their order. Their pods move and start over.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Drains {
    /// How long after the beginning of one the next begins.
    pub every: Span,
    /// How long a node stays closed.
    pub lasts: Span,
}
