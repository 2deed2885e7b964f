//! Who says where a pod goes.

use super::ranking::Ranking;
use super::{Park, Plan, Spot};
use crate::kernel::{Chance, Purpose, object_hash};
use crate::scheduler::policies::{Demand, MAX_CARDS, Policy, Step, Ties};

const NODE: Purpose = Purpose::new("placement-node");
const CARD: Purpose = Purpose::new("placement-card");
/// A class that comes less often than this is scored from scratch each time.
const RANKED_FROM: u32 = 2;

/// Says where pods go.
pub trait Placer {
    /// Where a pod of this class goes now; nothing where it fits nowhere.
    fn place(&mut self, plan: &Plan, park: &Park, class: u32) -> Option<Spot>;

    /// Where a pod of this class goes if it must be this node; nothing where it does not fit there.
    fn place_on(&mut self, plan: &Plan, park: &Park, class: u32, node: usize) -> Option<Spot> {
        let _ = (plan, park, class, node);
        None
    }

    /// How many pods it wants to see at once.
    fn batch(&self) -> usize {
        1
    }

    /// In which order the pods of a batch go, and on which node each is wished to be.
    fn arrange(&mut self, plan: &Plan, park: &Park, batch: &[u32]) -> Vec<(usize, Option<usize>)> {
        let _ = (plan, park);
        (0..batch.len()).map(|pod| (pod, None)).collect()
    }

    /// A pod was put there.
    fn placed(&mut self, plan: &Plan, class: u32, spot: Spot, pod: u32) {
        let _ = (plan, class, spot, pod);
    }

    /// A pod was taken off.
    fn removed(&mut self, plan: &Plan, class: u32, spot: Spot, pod: u32) {
        let _ = (plan, class, spot, pod);
    }
}

/// A policy that scores nodes.
pub struct Scored<'a> {
    policy: &'a dyn Policy,
    rankings: Vec<Option<Ranking>>,
    /// The node that was taken last.
    last: usize,
    /// How many decisions there were.
    decisions: u64,
}

impl<'a> Scored<'a> {
    /// A policy at the start of a run.
    pub fn new(policy: &'a dyn Policy, plan: &Plan) -> Scored<'a> {
        Scored { policy, rankings: vec![None; plan.classes.len()], last: 0, decisions: 0 }
    }

    fn spot(&mut self, plan: &Plan, park: &Park, pod: &Demand, node: usize) -> Spot {
        self.last = node;
        let state = &park.nodes()[node];
        let shared = match pod.shares_card() {
            true if self.policy.ties() == Ties::Draw => {
                let with_room = |card: &usize| state.cards.free[*card] >= pod.milli_per_card;
                let among = (0..MAX_CARDS).filter(with_room).count() as u64;
                let n = self.draw(plan.chance, CARD, among);
                (0..MAX_CARDS).filter(with_room).nth(n).unwrap_or(MAX_CARDS)
            }
            true => self.policy.card(pod, state, &plan.setting),
            false => MAX_CARDS,
        };
        Spot { node: node as u32, cards: state.cards_for(pod, shared) }
    }

    fn draw(&self, chance: Chance, purpose: Purpose, among: u64) -> usize {
        chance.draw(purpose, object_hash(""), self.decisions).below(among) as usize
    }
}

impl Placer for Scored<'_> {
    fn place(&mut self, plan: &Plan, park: &Park, class: u32) -> Option<Spot> {
        self.decisions += 1;
        let (place, pod) = (class as usize, &plan.classes[class as usize]);
        let ranking = match self.rankings[place].take() {
            Some(mut ranking) => {
                ranking.refresh(self.policy, pod, park, &plan.setting);
                ranking
            }
            None => Ranking::new(self.policy, pod, park, &plan.setting),
        };
        let node = match self.policy.ties() {
            Ties::First => ranking.first_from(0),
            Ties::FromLast => ranking.first_from(self.last),
            Ties::AfterLast => ranking.first_from((self.last + 1) % park.nodes().len()),
            Ties::Draw | Ties::DrawNode => match ranking.count_of_best() {
                0 => None,
                among => ranking.nth_of_best(self.draw(plan.chance, NODE, among as u64)),
            },
        };
        if plan.counts[place] >= RANKED_FROM {
            self.rankings[place] = Some(ranking);
        }
        node.map(|node| self.spot(plan, park, pod, node))
    }

    fn place_on(&mut self, plan: &Plan, park: &Park, class: u32, node: usize) -> Option<Spot> {
        let pod = &plan.classes[class as usize];
        park.nodes()[node].fits(pod).then(|| self.spot(plan, park, pod, node))
    }

    fn batch(&self) -> usize {
        self.policy.batch()
    }

    fn arrange(&mut self, plan: &Plan, park: &Park, batch: &[u32]) -> Vec<(usize, Option<usize>)> {
        let pods: Vec<Demand> = batch.iter().map(|class| plan.classes[*class as usize]).collect();
        let steps = self.policy.arrange(&pods, park.nodes(), &plan.setting);
        let step = |step| match step {
            Step::Place(pod) => (pod, None),
            Step::PlaceOn(pod, node) => (pod, Some(node)),
        };
        steps.into_iter().map(step).collect()
    }
}
