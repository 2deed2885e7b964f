//! What a run begins with: nodes in a drawn order, classes of pods, and the pods in the order in which they come.

use std::collections::BTreeMap;

use crate::api::Name;
use crate::kernel::{Chance, Purpose, Span, Time, object_hash};
use crate::scheduler::policies::{ANY_MODEL, Demand, NodeState, Setting, Typical};
use crate::trace::{Task, Trace};

const SHUFFLE_PODS: Purpose = Purpose::new("placement-shuffle-pods");
const SHUFFLE_NODES: Purpose = Purpose::new("placement-shuffle-nodes");
const COPY_POD: Purpose = Purpose::new("placement-copy-pod");
/// In which order pods come, and how many.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Arrivals {
    /// Shuffled; then copies of any of them until they ask for so many times what the cluster has of its scarce
    /// resource. Times do not count: nothing departs. As in FGD's evaluation.
    Inflated(f64),
    /// As the trace says, and they depart.
    AsRecorded,
}

/// A group of pods that come together and run all or none; nearly always one.
#[derive(Clone, PartialEq, Debug)]
pub struct Arrival {
    /// When they come.
    pub at: Time,
    /// How long they run once they run; for ever where nothing is said.
    pub lasts: Option<Span>,
    /// The class of each.
    pub classes: Vec<u32>,
    /// Their priority.
    pub priority: i32,
}

/// A cluster and the pods that come to it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The names of the resources.
    pub resources: Vec<Name>,
    /// The models of cards, by bit.
    pub models: Vec<Name>,
    /// The nodes, empty, in the order that decides between equals.
    pub nodes: Vec<NodeState>,
    /// The number of each node's machine in the trace.
    pub machines: Vec<u32>,
    /// What an hour of each node costs, in millionths of a dollar.
    pub micro_dollars: Vec<i64>,
    /// What pods ask for.
    pub classes: Vec<Demand>,
    /// How often each class comes.
    pub counts: Vec<u32>,
    /// The pods, the earliest first.
    pub arrivals: Vec<Arrival>,
    /// What policies know.
    pub setting: Setting,
    /// What the run draws from.
    pub chance: Chance,
}

impl Plan {
    /// The plan of a trace and a seed.
    ///
    /// # Errors
    /// What in the trace no study can be made of.
    pub fn new(trace: &Trace, arrivals: Arrivals, seed: u64) -> Result<Plan, String> {
        let chance = Chance { seed };
        let models = models(trace)?;
        let mut machines: Vec<u32> = (0..trace.machines.len() as u32).collect();
        shuffle(&mut machines, chance, SHUFFLE_NODES);
        let nodes: Vec<NodeState> = (machines.iter())
            .map(|index| {
                let machine = &trace.machines[*index as usize];
                NodeState::new(machine.capacity, machine.cards, bits(&models, std::slice::from_ref(&machine.model)))
            })
            .collect();
        let demands: Vec<Demand> = trace.tasks.iter().map(|task| demand(task, &models)).collect();
        let mut setting = Setting { typical: typical(&demands), ..Setting::default() };
        for node in &nodes {
            setting.largest_cards = setting.largest_cards.max(node.card_capacity());
            for (largest, has) in setting.largest.iter_mut().zip(node.capacity) {
                *largest = has.max(*largest);
            }
        }
        let (classes, class_of) = classes(&demands);
        let arrivals = match arrivals {
            Arrivals::Inflated(times) => inflated(&demands, &class_of, &nodes, times, chance),
            Arrivals::AsRecorded => recorded(trace, &class_of),
        };
        let mut counts = vec![0; classes.len()];
        for arrival in &arrivals {
            arrival.classes.iter().for_each(|class| counts[*class as usize] += 1);
        }
        let resources = trace.resources.clone();
        let price = |index: &u32| (trace.machines[*index as usize].price_per_hour * 1e6).round() as i64;
        let micro_dollars = machines.iter().map(price).collect();
        Ok(Plan { resources, models, nodes, machines, micro_dollars, classes, counts, arrivals, setting, chance })
    }
}

/// The models of cards in the trace, each for a bit.
fn models(trace: &Trace) -> Result<Vec<Name>, String> {
    let named = trace.machines.iter().map(|machine| &machine.model).filter(|model| !model.is_empty());
    let mut models: Vec<Name> = named.cloned().collect();
    models.sort();
    models.dedup();
    match models.len() {
        0..=30 => Ok(models),
        many => Err(format!("there are {many} models of cards; a study takes 30 at most")),
    }
}

/// The bits of models. Machines whose cards have no model have the last bit.
fn bits(models: &[Name], of: &[Name]) -> u32 {
    let bit = |model: &Name| match models.iter().position(|known| known == model) {
        Some(place) => 1 << place,
        None if model.is_empty() => 1 << 31,
        None => 0,
    };
    of.iter().map(bit).fold(0, |all, bit| all | bit)
}

fn demand(task: &Task, models: &[Name]) -> Demand {
    Demand {
        asks: task.asks,
        cards: task.cards,
        milli_per_card: task.milli_per_card as i16,
        models: if task.models.is_empty() { ANY_MODEL } else { bits(models, &task.models) },
    }
}

/// The typical pods ([`Typical::commonest`]).
pub fn typical(demands: &[Demand]) -> Typical {
    let mut counts: BTreeMap<(i64, i16, u8, u32), (Demand, u32)> = BTreeMap::new();
    for pod in demands {
        let same = (pod.milli_cpu(), pod.milli_per_card, pod.cards, pod.models);
        counts.entry(same).or_insert((*pod, 0)).1 += 1;
    }
    Typical::commonest(counts.into_values())
}

/// The distinct demands in the order of their first pods, and the class of each pod.
fn classes(demands: &[Demand]) -> (Vec<Demand>, Vec<u32>) {
    let mut numbers: BTreeMap<Demand, u32> = BTreeMap::new();
    let mut classes = Vec::new();
    let of_pods = demands.iter().map(|pod| {
        *numbers.entry(*pod).or_insert_with(|| {
            classes.push(*pod);
            classes.len() as u32 - 1
        })
    });
    let of_pods = of_pods.collect();
    (classes, of_pods)
}

/// Fisher and Yates, each step with a draw of its own.
fn shuffle(items: &mut [u32], chance: Chance, purpose: Purpose) {
    for last in (1..items.len()).rev() {
        let other = chance.draw(purpose, object_hash(""), last as u64).below(last as u64 + 1);
        items.swap(last, other as usize);
    }
}

/// All pods in a drawn order, then copies of any of them, a second apart.
fn inflated(demands: &[Demand], class_of: &[u32], nodes: &[NodeState], times: f64, chance: Chance) -> Vec<Arrival> {
    let has_cards = nodes.iter().any(|node| node.cards.count > 0);
    let (goal, asked): (i64, fn(&Demand) -> i64) = match has_cards {
        true => (nodes.iter().map(NodeState::card_capacity).sum(), Demand::card_milli),
        false => (nodes.iter().map(|node| node.capacity[0]).sum(), Demand::milli_cpu),
    };
    let goal = goal as f64 * times;
    let mut order: Vec<u32> = (0..demands.len() as u32).collect();
    shuffle(&mut order, chance, SHUFFLE_PODS);
    let mut demand: i64 = 0;
    let mut pods = Vec::new();
    for pod in order {
        if demand as f64 >= goal {
            break;
        }
        demand += asked(&demands[pod as usize]);
        pods.push(pod);
    }
    let can_grow = demands.iter().any(|pod| asked(pod) > 0);
    while can_grow && (demand as f64) < goal {
        let drawn = chance.draw(COPY_POD, object_hash(""), pods.len() as u64).below(demands.len() as u64) as u32;
        let next = &demands[drawn as usize];
        let more = if has_cards { i64::from(next.milli_per_card) } else { next.milli_cpu() };
        if (demand + more) as f64 > goal {
            break;
        }
        demand += asked(next);
        pods.push(drawn);
    }
    let arrival = |(place, pod): (usize, u32)| Arrival {
        at: Time::ZERO + Span::from_secs(place as u64),
        lasts: None,
        classes: vec![class_of[pod as usize]],
        priority: 0,
    };
    pods.into_iter().enumerate().map(arrival).collect()
}

/// The pods as recorded: those of a gang come together, with the last of them.
fn recorded(trace: &Trace, class_of: &[u32]) -> Vec<Arrival> {
    let mut gangs: BTreeMap<&Name, usize> = BTreeMap::new();
    let mut arrivals: Vec<Arrival> = Vec::new();
    for (task, class) in trace.tasks.iter().zip(class_of) {
        let lasts = task.leaves.map(|leaves| leaves.since(task.arrives));
        if !task.gang.is_empty() {
            if let Some(place) = gangs.get(&task.gang) {
                let gang = &mut arrivals[*place];
                gang.at = gang.at.max(task.arrives);
                gang.lasts = gang.lasts.max(lasts);
                gang.classes.push(*class);
                continue;
            }
            gangs.insert(&task.gang, arrivals.len());
        }
        arrivals.push(Arrival { at: task.arrives, lasts, classes: vec![*class], priority: task.priority });
    }
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}
