//! The rules that faults impose on messages.

use std::sync::Arc;

use crate::api::Kind;
use crate::event::{NetEffect, NetRule, PartId, Way};
use crate::kernel::{Chance, Purpose, Span, object_hash};

const DELAY: Purpose = Purpose::new("fault-delay");

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It arrives, later than usual by this.
    Deliver(Span),
    /// It is lost.
    Drop,
    /// Nobody listens.
    Refuse,
}

/// The rules in force, each with the strike that imposed it, in order.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<(u32, Arc<NetRule>)>);

impl Rules {
    /// Adds a rule of a strike.
    pub fn impose(&mut self, strike: u32, rule: Arc<NetRule>) {
        self.0.push((strike, rule));
    }

    /// Takes the rules of a strike away. False where there were none.
    pub fn lift(&mut self, strike: u32) -> bool {
        let before = self.0.len();
        self.0.retain(|(of, _)| *of != strike);
        self.0.len() != before
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one is about a part.
    pub fn concern(&self, part: PartId) -> bool {
        self.0.iter().any(|(_, rule)| rule.parts.contains(part))
    }

    /// The rules in force.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Arc<NetRule>)> {
        self.0.iter().map(|(strike, rule)| (*strike, rule))
    }

    /// How a message fares. A delay is drawn once for a part, a way and a strike, so that messages of one watch stay in
    /// order.
    pub fn fate(&self, part: PartId, replica: u8, way: Way, kind: Kind, chance: Chance) -> Fate {
        let mut late = Span::ZERO;
        for (strike, rule) in &self.0 {
            if !rule.concerns(part, replica, way, kind) {
                continue;
            }
            match rule.effect {
                NetEffect::Drop => return Fate::Drop,
                NetEffect::Delay(low, high) => {
                    let draw = chance.draw(DELAY, object_hash(&format!("{part:?}/{way:?}")), u64::from(*strike));
                    late += draw.span_between(low, high);
                }
            }
        }
        Fate::Deliver(late)
    }
}
