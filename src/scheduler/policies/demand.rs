//! What a pod asks for, as policies see it.

use super::{CARD, ResourceVector};

/// The pod takes cards of any model.
pub const ANY_MODEL: u32 = u32::MAX;

/// What a pod asks for. Pods that ask for the same are one class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Demand {
    /// Its resources, in the order of the cluster's: CPU in millicores, memory in bytes, others.
    pub asks: ResourceVector,
    /// How many cards (GPUs).
    pub cards: u8,
    /// How much of each of them, in thousandths; below 1000 it shares one card with others.
    pub milli_per_card: i16,
    /// The models of cards that it takes, a bit each; [`ANY_MODEL`] for all.
    pub models: u32,
}

impl Demand {
    /// CPU in millicores.
    pub fn milli_cpu(&self) -> i64 {
        self.asks[0]
    }

    /// All that it asks of cards, in thousandths.
    pub fn card_milli(&self) -> i64 {
        i64::from(self.cards) * i64::from(self.milli_per_card)
    }

    /// Whether it takes a part of one card.
    pub fn shares_card(&self) -> bool {
        self.cards == 1 && self.milli_per_card < CARD
    }
}
