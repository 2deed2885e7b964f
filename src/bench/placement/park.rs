//! The nodes of a run and what is placed on them, with the sums that measures need, kept as they change.

use super::Plan;
use crate::scheduler::policies::{Demand, NodeState, RESOURCES, ResourceVector, Typical};

/// Where a pod is: its node, and its cards, a bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spot {
    /// The number of the node in the park.
    pub node: u32,
    /// Its cards.
    pub cards: u16,
}

/// All nodes.
#[derive(Clone, Debug)]
pub struct Park {
    nodes: Vec<NodeState>,
    /// The nodes that changed, one entry a change, the latest last.
    changes: Vec<u32>,
    /// The number of the latest change of each node.
    changed: Vec<usize>,
    /// The fragmentation of each node.
    fragmentation: Vec<i64>,
    /// What an hour of each node costs, in millionths of a dollar.
    micro_dollars: Vec<i64>,
    totals: Totals,
}

/// Sums over all nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// What nodes have.
    pub capacity: ResourceVector,
    /// What pods have been given.
    pub allocated: ResourceVector,
    /// The milli of cards that nodes have.
    pub card_capacity: i64,
    /// The milli of cards that pods have been given.
    pub card_allocated: i64,
    /// The sum of the nodes' fragmentation, times the number of typical pods.
    pub fragmentation: i64,
    /// How many nodes run a pod.
    pub nodes_used: u32,
    /// What an hour of these nodes costs, in millionths of a dollar.
    pub micro_dollars_used: i64,
    /// How many pods run.
    pub pods: u32,
}

impl Park {
    /// The nodes of a plan, which are empty.
    pub fn new(plan: &Plan) -> Park {
        let (nodes, typical) = (plan.nodes.clone(), &plan.setting.typical);
        let mut totals = Totals::default();
        for node in &nodes {
            (0..RESOURCES).for_each(|r| totals.capacity[r] += node.capacity[r]);
            totals.card_capacity += node.card_capacity();
        }
        let of = |node: &NodeState| typical.fragmentation(&node.cards, node.free[0], node.model);
        let fragmentation: Vec<i64> = nodes.iter().map(of).collect();
        totals.fragmentation = fragmentation.iter().sum();
        let changed = vec![0; nodes.len()];
        let micro_dollars = plan.micro_dollars.clone();
        Park { nodes, changes: Vec::new(), changed, fragmentation, micro_dollars, totals }
    }

    /// The nodes, in the order that decides between equals.
    pub fn nodes(&self) -> &[NodeState] {
        &self.nodes
    }

    /// The sums.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// How many changes there were.
    pub fn changes(&self) -> usize {
        self.changes.len()
    }

    /// The nodes that changed since there were so many changes, each once.
    pub fn changed_since(&self, changes: usize) -> impl Iterator<Item = usize> + '_ {
        let later = self.changes.iter().enumerate().skip(changes);
        later.filter(|(place, node)| self.changed[**node as usize] == *place).map(|(_, node)| *node as usize)
    }

    /// Puts a pod on a node.
    pub fn add(&mut self, pod: &Demand, spot: Spot, typical: &Typical) {
        let node = &mut self.nodes[spot.node as usize];
        if node.pods == 0 {
            self.totals.nodes_used += 1;
            self.totals.micro_dollars_used += self.micro_dollars[spot.node as usize];
        }
        node.add(pod, spot.cards);
        self.count(pod, 1);
        self.note_change(spot.node, typical);
    }

    /// Takes a pod off its node.
    pub fn remove(&mut self, pod: &Demand, spot: Spot, typical: &Typical) {
        let node = &mut self.nodes[spot.node as usize];
        node.remove(pod, spot.cards);
        if node.pods == 0 {
            self.totals.nodes_used -= 1;
            self.totals.micro_dollars_used -= self.micro_dollars[spot.node as usize];
        }
        self.count(pod, -1);
        self.note_change(spot.node, typical);
    }

    /// Lets a node take pods, or not.
    pub fn set_open(&mut self, node: u32, is_open: bool, typical: &Typical) {
        self.nodes[node as usize].is_open = is_open;
        self.note_change(node, typical);
    }

    fn count(&mut self, pod: &Demand, sign: i64) {
        for (allocated, asked) in self.totals.allocated.iter_mut().zip(pod.asks) {
            *allocated += sign * asked;
        }
        self.totals.card_allocated += sign * pod.card_milli();
        self.totals.pods = self.totals.pods.wrapping_add_signed(sign as i32);
    }

    fn note_change(&mut self, node: u32, typical: &Typical) {
        let place = node as usize;
        self.changed[place] = self.changes.len();
        self.changes.push(node);
        let state = &self.nodes[place];
        let fragmentation = typical.fragmentation(&state.cards, state.free[0], state.model);
        self.totals.fragmentation += fragmentation - self.fragmentation[place];
        self.fragmentation[place] = fragmentation;
    }
}
