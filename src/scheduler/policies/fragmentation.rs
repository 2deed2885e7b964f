//! How much of a node's free cards is of no use to the pods that are typical.
//!
//! Source: Weng et al., 'Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent',
//! USENIX ATC 2023. Integers: a frequency is a count of pods, so that sums are exact in any order.

use std::cmp::Reverse;

use super::{CARD, Cards, Demand};

/// The part of all pods, in percent, that the typical ones cover.
const TYPICAL_PERCENT: u64 = 95;

/// Pods that are typical, with how often they come.
#[derive(Clone, Debug, Default)]
pub struct Typical {
    /// How many pods that is.
    pub total: u64,
    /// Pods that ask for the same of each card, the smallest share first.
    shares: Vec<SameShare>,
}

/// The typical pods that take the same part of each of their cards.
#[derive(Clone, Debug)]
struct SameShare {
    milli_per_card: i16,
    /// The smallest CPU first.
    pods: Vec<Needs>,
}

/// What else they need.
#[derive(Clone, Copy, Debug)]
struct Needs {
    milli_cpu: i64,
    cards: u8,
    models: u32,
    count: i64,
}

impl Typical {
    /// Pods by how many of them there are. Pods without cards count in the total: no card is of use to them.
    pub fn new(pods: &[(Demand, u32)]) -> Typical {
        let mut shares: Vec<SameShare> = Vec::new();
        for (pod, count) in pods.iter().filter(|(pod, _)| pod.cards > 0) {
            let needs =
                Needs { milli_cpu: pod.milli_cpu(), cards: pod.cards, models: pod.models, count: i64::from(*count) };
            match shares.iter_mut().find(|share| share.milli_per_card == pod.milli_per_card) {
                Some(share) => share.pods.push(needs),
                None => shares.push(SameShare { milli_per_card: pod.milli_per_card, pods: vec![needs] }),
            }
        }
        shares.sort_by_key(|share| share.milli_per_card);
        shares.iter_mut().for_each(|share| share.pods.sort_by_key(|needs| needs.milli_cpu));
        Typical { total: pods.iter().map(|(_, count)| u64::from(*count)).sum(), shares }
    }

    /// The typical ones among pods that were counted: requests of CPU, cards and models by falling count until they cover
    /// 95 % of all pods. The one that crosses is in. Equal counts go by falling CPU, part of a card and number of cards.
    pub fn commonest(counts: impl IntoIterator<Item = (Demand, u32)>) -> Typical {
        let mut pods: Vec<(Demand, u32)> = counts.into_iter().collect();
        pods.sort_by_key(|(pod, count)| Reverse((*count, pod.milli_cpu(), pod.milli_per_card, pod.cards, pod.models)));
        let all: u64 = pods.iter().map(|(_, count)| u64::from(*count)).sum();
        let mut covered = 0;
        let is_needed = |(_, count): &&(Demand, u32)| {
            let before = covered;
            covered += u64::from(*count);
            before * 100 < TYPICAL_PERCENT * all
        };
        let needed = pods.iter().take_while(is_needed).count();
        Typical::new(&pods[..needed])
    }

    /// The fragmentation of a node with these cards, this free CPU and this model, times [`Self::total`]: the free milli of
    /// cards that a typical pod cannot use, summed over all of them. For a pod that does not fit or takes no card that is
    /// all that is free; else what is free on the cards that are too small for it. Memory does not count, as published.
    pub fn fragmentation(&self, cards: &Cards, milli_cpu: i64, model: u32) -> i64 {
        let all = cards.free_milli();
        if all == 0 {
            return 0;
        }
        let most = cards.free.iter().copied().max().unwrap_or(0);
        let idle = cards.idle_count();
        let mut useful = 0;
        for share in &self.shares {
            if share.milli_per_card > most {
                break;
            }
            let cards_needed_at_most = if share.milli_per_card < CARD { u8::MAX } else { idle };
            let pods = share.pods.iter().take_while(|needs| needs.milli_cpu <= milli_cpu);
            let fit = pods.filter(|needs| needs.models & model != 0 && needs.cards <= cards_needed_at_most);
            let count: i64 = fit.map(|needs| needs.count).sum();
            if count > 0 {
                let large = cards.free.iter().map(|free| if *free >= share.milli_per_card { *free } else { 0 });
                useful += count * i64::from(large.sum::<i16>());
            }
        }
        self.total as i64 * all - useful
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ANY_MODEL, RESOURCES};
    use super::*;

    fn pod(milli_cpu: i64, cards: u8, milli_per_card: i16) -> Demand {
        let mut asks = [0; RESOURCES];
        asks[0] = milli_cpu;
        Demand { asks, cards, milli_per_card, models: ANY_MODEL }
    }

    /// Of 10 typical pods: 4 ask for half a card, 3 for two, 1 for more CPU than any node has, 2 for none.
    #[track_caller]
    fn check(free: &[i16], milli_cpu: i64, expected: i64) {
        let typical = Typical::new(&[
            (pod(1_000, 1, 500), 4),
            (pod(4_000, 2, 1_000), 3),
            (pod(900_000, 1, 100), 1),
            (pod(8_000, 0, 0), 2),
        ]);
        let mut cards = Cards::idle(free.len() as u8);
        cards.free[..free.len()].copy_from_slice(free);
        assert_eq!(typical.fragmentation(&cards, milli_cpu, 1), expected);
    }

    #[test]
    fn fragmentation_is_what_typical_pods_cannot_use() {
        check(&[], 8_000, 0);
        check(&[0, 0], 8_000, 0);
        // All fit but those of 900 CPUs and those without cards.
        check(&[1_000, 1_000], 8_000, 3 * 2_000);
        // Two cards are not idle: half a card fits on one of them.
        check(&[600, 400], 8_000, 4 * 400 + 6 * 1_000);
        // One idle card is not enough for two.
        check(&[1_000, 400], 8_000, 4 * 400 + 6 * 1_400);
        // Without CPU nothing fits.
        check(&[1_000, 1_000], 500, 10 * 2_000);
    }
}
