//! Preemption: a pod without room takes that of pods of lower priority.
//!
//! As kube-scheduler's DefaultPreemption chooses (`pkg/scheduler/framework/preemption`): on each node as many pods as can
//! stay do, those of high priority and long standing first; of the nodes the one whose highest victim is lowest, then
//! with the least sum of priorities, the fewest victims, the youngest of its highest victims. Left out: disruption budgets, which studies
//! do not know, and the time that victims take to end. Only pods that come alone preempt, and only when they come.

use std::cmp::Reverse;

use super::{Run, Spot};
use crate::kernel::Time;
use crate::scheduler::policies::NodeState;

/// What a node would lose: the lower the better.
type Loss = (i32, i64, usize, Reverse<Time>);

impl Run<'_> {
    /// Makes room for a pod that fits nowhere and puts it there. False where nothing helps.
    pub(super) fn preempt(&mut self, pod: u32) -> bool {
        let class = self.pods[pod as usize].class;
        let priority = self.priority(pod);
        let mut best: Option<(Loss, u32, Vec<u32>)> = None;
        for node in 0..self.park.nodes().len() as u32 {
            let Some(victims) = self.victims(class, priority, node) else { continue };
            let loss = self.loss(&victims);
            if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                best = Some((loss, node, victims));
            }
        }
        let Some((_, node, victims)) = best else { return false };
        for victim in &victims {
            self.take_off(*victim);
            self.tally.preempted += 1;
        }
        let spot = self.placer.place_on(self.plan, &self.park, class, node as usize);
        let spot = spot.unwrap_or_else(|| self.tightest(class, node));
        self.put(pod, spot);
        self.count_placed(pod);
        self.come_anew(&victims);
        true
    }

    /// The pods that have to leave a node for one of this class and priority; nothing where that does not help.
    fn victims(&self, class: u32, priority: i32, node: u32) -> Option<Vec<u32>> {
        let demand = &self.plan.classes[class as usize];
        let mut lower: Vec<u32> =
            self.pods_of[node as usize].iter().copied().filter(|pod| self.priority(*pod) < priority).collect();
        if lower.is_empty() {
            return None;
        }
        let mut state = self.park.nodes()[node as usize].clone();
        lower.iter().for_each(|pod| self.lift(&mut state, *pod));
        if !state.fits(demand) {
            return None;
        }
        lower.sort_by_key(|pod| (Reverse(self.priority(*pod)), self.pods[*pod as usize].placed_at, *pod));
        let mut victims = Vec::new();
        for pod in lower {
            let (class, spot) = (self.pods[pod as usize].class, self.pods[pod as usize].spot);
            let cards = spot.map_or(0, |spot| spot.cards);
            state.add(&self.plan.classes[class as usize], cards);
            if !state.fits(demand) {
                self.lift(&mut state, pod);
                victims.push(pod);
            }
        }
        Some(victims)
    }

    fn lift(&self, state: &mut NodeState, pod: u32) {
        let pod = &self.pods[pod as usize];
        let cards = pod.spot.map_or(0, |spot| spot.cards);
        state.remove(&self.plan.classes[pod.class as usize], cards);
    }

    fn loss(&self, victims: &[u32]) -> Loss {
        let priorities = || victims.iter().map(|pod| self.priority(*pod));
        let highest = priorities().max().unwrap_or(i32::MIN);
        // Upstream adds 2^31 to each, so that more victims are worse also where priorities are negative.
        let sum = priorities().map(|priority| i64::from(priority) + (1 << 31)).sum();
        let highest_ones = victims.iter().filter(|pod| self.priority(**pod) == highest);
        let earliest = highest_ones.map(|pod| self.pods[*pod as usize].placed_at).min().unwrap_or(Time::ZERO);
        (highest, sum, victims.len(), Reverse(earliest))
    }

    fn priority(&self, pod: u32) -> i32 {
        self.plan.arrivals[self.pods[pod as usize].arrival as usize].priority
    }

    /// Where a pod goes on a node of which its policy says nothing.
    fn tightest(&self, class: u32, node: u32) -> Spot {
        let (demand, state) = (&self.plan.classes[class as usize], &self.park.nodes()[node as usize]);
        Spot { node, cards: state.cards_for(demand, state.cards.tightest(demand.milli_per_card)) }
    }
}
