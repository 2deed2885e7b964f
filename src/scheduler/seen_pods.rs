//! The pods that the scheduler has seen, by what they ask for: which of them are typical.

use std::collections::BTreeMap;

use super::cards::{CardAsk, CardModels};
use super::policies::{Demand, RESOURCES, Typical};
use crate::api::{Obj, Pod};

/// What a pod asks for, as far as fragmentation counts it: CPU and cards.
type Asked = (i64, Option<CardAsk>);

/// Counts pods, where somebody wants to know. What is typical is worked out anew each time that their number has doubled:
/// after 1, 2, 4, 8, … pods. So it is a function of the pods and the order in which they were seen.
#[derive(Clone, Debug, Default)]
pub struct SeenPods {
    counts: BTreeMap<Asked, u32>,
    number: u64,
    typical: Vec<(Asked, u32)>,
}

impl SeenPods {
    /// Counts a pod.
    pub(super) fn count(&mut self, pod: &Obj<Pod>) {
        let ask = CardAsk::of(&pod.meta.annotations).ok().flatten();
        *self.counts.entry((pod.body.requests(false).milli_cpu, ask)).or_default() += 1;
        self.number += 1;
    }

    /// Works out what is typical among the pods so far; whether it is another than before.
    pub(super) fn renew(&mut self) -> bool {
        let typical: Vec<(Asked, u32)> = self.counts.iter().map(|(asked, count)| (asked.clone(), *count)).collect();
        let is_other = typical != self.typical;
        self.typical = typical;
        is_other
    }

    /// Counts a pod as it comes; whether what is typical is another than before.
    pub(super) fn see(&mut self, pod: &Obj<Pod>) -> bool {
        self.count(pod);
        self.number.is_power_of_two() && self.renew()
    }

    /// The pods that are typical.
    pub fn typical(&self, models: &CardModels) -> Typical {
        Typical::commonest(self.typical.iter().map(|((milli_cpu, ask), count)| {
            let mut asks = [0; RESOURCES];
            asks[0] = *milli_cpu;
            let (cards, milli_per_card) = ask.as_ref().map_or((0, 0), |ask| (ask.cards, ask.milli));
            let models = models.bits(ask.as_ref().map_or("", |ask| &ask.models));
            (Demand { asks, cards, milli_per_card, models }, *count)
        }))
    }
}
