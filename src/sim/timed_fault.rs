//! Faults of a set-up, with what makes them strike, and strikes as they are told.

use std::sync::Arc;

use crate::check::Claim;
use crate::fault::Fault;
use crate::kernel::{Span, Time};

/// A fault and when it strikes.
#[derive(Clone, Debug)]
pub struct TimedFault {
    /// What makes it strike.
    pub trigger: Trigger,
    /// How long a strike lasts, drawn between the two; `None`: for ever.
    pub lasts: Option<(Span, Span)>,
    /// The fault.
    pub fault: Arc<dyn Fault>,
}

impl TimedFault {
    /// The last instant that it names: the end of its last strike, as far as that is certain beforehand.
    pub fn reaches(&self) -> Time {
        let lasts = self.lasts.map_or(Span::ZERO, |(_, high)| high);
        match self.trigger {
            Trigger::At(at) => at + lasts,
            Trigger::Every { first, until, .. } => until.unwrap_or(first) + lasts,
            Trigger::When { from, after, .. } => from + after + lasts,
        }
    }
}

/// What makes a fault strike.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// An instant.
    At(Time),
    /// Again and again: `period` apart, each time off by a drawn span of at most `jitter` either way.
    Every {
        /// The instant of the first, before jitter.
        first: Time,
        /// From one to the next, before jitter; not zero.
        period: Span,
        /// How far each is off at most.
        jitter: Span,
        /// The last instant at which one may strike; `None`: none.
        until: Option<Time>,
    },
    /// The instant at which a claim comes to hold.
    When {
        /// The claim.
        claim: Claim,
        /// It is not looked at before this.
        from: Time,
        /// From then to the strike.
        after: Span,
        /// How often it may strike: each time that the claim comes to hold anew.
        times: u32,
    },
}

/// A strike as the report shows it.
#[derive(Clone, PartialEq, Debug)]
pub struct StrikeRecord {
    /// The fault, by its number in the set-up.
    pub fault: u32,
    /// Its name.
    pub name: &'static str,
    /// Whom it hit.
    pub hits: Vec<String>,
    /// When it struck.
    pub from: Time,
    /// When it ended.
    pub until: Option<Time>,
}
