//! The search for mixes.

use super::room::{Room, micro_dollars};
use super::stage::{Stage, Verdict};
use super::{Headroom, NodeType, Question, Workloads};
use crate::bench::bounds::{Effort, Objective, Packing, Problem, bracket, cheapest, components, first_fit};

/// How often nodes are added before a mix is given up.
const TRIES: usize = 50;
/// How often more nodes may leave as many pods without one.
const PATIENCE: usize = 10;

/// What is known of the workloads and the types.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// How many pods there are, those of DaemonSets aside.
    pub pods: u64,
    /// What no fleet of these types does with less than: nodes, or millionths of a dollar an hour.
    pub bound: i64,
    /// The mixes, the best first.
    pub mixes: Vec<Mix>,
    /// What cannot be.
    pub refused: Vec<Refused>,
}

/// Nodes that hold everything.
#[derive(Clone, PartialEq, Debug)]
pub struct Mix {
    /// How many nodes of each type.
    pub counts: Vec<u32>,
    /// How many nodes.
    pub nodes: u32,
    /// What they cost an hour, in millionths of a dollar; nothing where a price is missing.
    pub micro_dollars: Option<i64>,
    /// What no fleet of the types that it may be of does with less than: nodes, or millionths of a dollar.
    pub bound: i64,
    /// The types that it may be of.
    pub types: Vec<usize>,
    /// What was tried.
    pub checked: Checked,
}

impl Mix {
    /// What is to be small.
    pub fn price(&self, objective: Objective) -> i64 {
        match objective {
            Objective::Nodes => i64::from(self.nodes),
            Objective::Cost => self.micro_dollars.unwrap_or(0),
        }
    }

    /// How far it is above the bound, in percent of the bound.
    pub fn gap_percent(&self, objective: Objective) -> f64 {
        match self.bound {
            0 => 0.0,
            bound => (self.price(objective) - bound) as f64 * 100.0 / bound as f64,
        }
    }
}

/// Which losses a mix was seen to bear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Checked {
    /// How many.
    pub losses: usize,
    /// Whether there are no others of the kind.
    pub all: bool,
}

/// Types of which no mix holds everything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The types.
    pub types: Vec<usize>,
    /// Why.
    pub why: String,
}

/// Works it out: the best mix of all types, and for each type the best of it and of those that hold what it cannot.
///
/// # Errors
/// A price that is missing where cost is to be small, and zones that are missing where one is to be lost.
pub fn answer(workloads: &Workloads, types: &[NodeType], question: Question) -> Result<Answer, String> {
    let unpriced = types.iter().find(|kind| kind.price_per_hour.is_none());
    if let Some(kind) = unpriced.filter(|_| question.objective == Objective::Cost) {
        return Err(format!("the node type {} has no pricePerHour, by which mixes are compared", kind.name));
    }
    if question.headroom == Headroom::Zone && question.zones < 2 {
        return Err("there must be two zones or more for one to be lost".to_owned());
    }
    let room = Room::of(workloads, types, question.objective);
    let mut answer = Answer { pods: workloads.pods(), bound: 0, mixes: Vec::new(), refused: Vec::new() };
    let everything: Vec<usize> = (0..types.len()).collect();
    if let Some(why) = room.refusal() {
        answer.refused.push(Refused { types: everything, why });
        return Ok(answer);
    }
    let stage = Stage::new(workloads, types, &room, question.zones);
    let search = Search { types, room: &room, stage, question };
    answer.bound = search.bracket(&room.problem).0;
    let mut sets = vec![everything];
    for kind in 0..types.len() {
        let set = room.around(kind);
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    for set in sets {
        match search.mix_of(set.clone()) {
            Ok(mix) if answer.mixes.iter().any(|known| known.counts == mix.counts) => {}
            Ok(mix) => answer.mixes.push(mix),
            Err(why) => answer.refused.push(Refused { types: set, why }),
        }
    }
    answer.mixes.sort_by_key(|mix| (mix.price(question.objective), mix.nodes));
    Ok(answer)
}

struct Search<'a> {
    types: &'a [NodeType],
    room: &'a Room,
    stage: Stage<'a>,
    question: Question,
}

impl Search<'_> {
    /// The best mix of some types.
    fn mix_of(&self, types: Vec<usize>) -> Result<Mix, String> {
        let problem = self.room.only(&types);
        let (bound, counts) = self.bracket(&problem);
        let (counts, checked) = self.grown(counts, &problem)?;
        let (counts, checked) = self.trimmed(counts, checked, bound);
        Ok(self.mix(counts, types, bound, checked))
    }

    fn mix(&self, counts: Vec<u32>, types: Vec<usize>, bound: i64, checked: Checked) -> Mix {
        let used = || self.types.iter().zip(&counts).filter(|(_, count)| **count > 0);
        let has_prices = used().all(|(kind, _)| kind.price_per_hour.is_some());
        let price = used().map(|(kind, count)| micro_dollars(kind.price_per_hour) * i64::from(*count)).sum();
        let nodes = counts.iter().sum();
        Mix { nodes, micro_dollars: has_prices.then_some(price), counts, bound, types, checked }
    }

    /// A bound and a first mix. What shares no nodes with the rest has to bear each loss by itself.
    fn bracket(&self, problem: &Problem) -> (i64, Vec<u32>) {
        let (mut bound, mut counts) = (0, vec![0; self.types.len()]);
        for part in components(problem) {
            let found = bracket(&part, Effort::USUAL);
            bound += self.with_headroom(found.bound, &part);
            let more = found.packing.unwrap_or_default().by_kind(&part);
            counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
        (bound, counts)
    }

    /// The bound of a part with what must be left: whatever is lost, the rest is not below the bound.
    fn with_headroom(&self, bound: i64, part: &Problem) -> i64 {
        let used = (0..self.types.len()).filter(|kind| part.bins[*kind].at_most != Some(0));
        let least = used.map(|kind| part.price(kind)).min().unwrap_or(0);
        match self.question.headroom {
            Headroom::None => bound,
            Headroom::Nodes(number) => bound + least * i64::from(number),
            // The zones' rests together hold everything as often as there are zones, and each zone is missing once.
            Headroom::Zone => {
                let zones = i64::from(self.question.zones.max(2));
                (bound * zones + zones - 2) / (zones - 1)
            }
        }
    }

    /// Adds nodes until all pods have one.
    fn grown(&self, mut counts: Vec<u32>, problem: &Problem) -> Result<(Vec<u32>, Checked), String> {
        let (mut least, mut patience) = (u64::MAX, PATIENCE);
        for _ in 0..TRIES {
            let (lacking, why) = match self.stage.judge(&counts, self.question.headroom) {
                Verdict::Holds { losses, all } => return Ok((counts, Checked { losses, all })),
                Verdict::Lacks { pods, why } => (pods, why),
            };
            let number: u64 = lacking.iter().map(|pods| u64::from(*pods)).sum();
            if number >= least {
                patience -= 1;
                if patience == 0 {
                    return Err(why);
                }
            } else {
                (least, patience) = (number, PATIENCE);
            }
            let more = self.more(&lacking, problem).by_kind(problem);
            counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
        }
        Err(format!("all pods have a node after {TRIES} additions of nodes at the earliest"))
    }

    /// Nodes for pods that have none.
    fn more(&self, lacking: &[u32], problem: &Problem) -> Packing {
        let mut rest = problem.clone();
        rest.items.iter_mut().for_each(|item| item.count = 0);
        for (pods, item) in lacking.iter().zip(&self.room.items) {
            item.iter().for_each(|item| rest.items[*item].count += pods);
        }
        cheapest(&rest, first_fit(&rest)).unwrap_or_default()
    }

    /// Takes nodes away as long as all pods still have one, those first that are dearest.
    fn trimmed(&self, mut counts: Vec<u32>, mut checked: Checked, bound: i64) -> (Vec<u32>, Checked) {
        let price = |kind: usize| self.room.problem.price(kind);
        let total =
            |counts: &[u32]| -> i64 { (0..counts.len()).map(|kind| price(kind) * i64::from(counts[kind])).sum() };
        let mut order: Vec<usize> = (0..counts.len()).collect();
        order.sort_by_key(|kind| std::cmp::Reverse(price(*kind)));
        for kind in order {
            while counts[kind] > 0 && total(&counts) - price(kind) >= bound {
                counts[kind] -= 1;
                match self.stage.judge(&counts, self.question.headroom) {
                    Verdict::Holds { losses, all } => checked = Checked { losses, all },
                    Verdict::Lacks { .. } => {
                        counts[kind] += 1;
                        break;
                    }
                }
            }
        }
        (counts, checked)
    }
}
