//! What the pods of each node request of it: now, over time, and its idleness summed up exactly.
//!
//! A pod counts from its binding until it has ended or is gone, as for the scheduler, with the requests of its spec. The
//! share of a node that is taken is that of its dominant resource: the largest of requested over allocatable among CPU,
//! memory, ephemeral storage and extended resources, 1 at most; the number of pods is no resource here. A node without a
//! Node object has no pods: all of it is idle. What containers use plays no part.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::api::resources::Resources;
use crate::api::{Name, Node, Obj, Pod};
use crate::kernel::{Chunks, Span, Time};
use crate::record::Series;

/// How many columns of loads are kept at most.
const COLUMNS: usize = 240;
/// A share of one, in the unit in which shares are counted.
const WHOLE: u64 = 1_000_000_000;

/// A node and what is requested of it.
#[derive(Clone, Debug, Default)]
pub struct NodeUse {
    /// The name.
    pub name: Name,
    /// Whether there is a Node of this name.
    pub is_present: bool,
    /// `status.allocatable`.
    pub allocatable: Resources,
    /// What its pods request; `pods` is how many there are.
    pub requested: Resources,
    /// The share that is taken, in billionths, since `since`.
    share: u64,
    since: Time,
    /// The share times nanoseconds, up to `since`.
    taken: u128,
}

/// What is requested of a node, in whole percent of what is allocatable, cut off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// CPU.
    pub cpu: u8,
    /// Memory.
    pub memory: u8,
}

impl Load {
    /// Stands where there is no Node.
    pub const NONE: Load = Load { cpu: u8::MAX, memory: u8::MAX };
    /// The largest percentage; more is shown as this.
    pub const MOST: u8 = 250;
}

/// All nodes that there ever were, numbered as they came.
#[derive(Clone, Debug)]
pub struct Usage {
    nodes: Chunks<NodeUse>,
    /// Looked up and never iterated; changes only with a new name.
    numbers: Arc<FxHashMap<Name, u32>>,
    loads: Series<Arc<[Load]>>,
    /// When the loads changed last, if that is not in `loads` yet.
    changed: Option<Time>,
}

impl Default for Usage {
    fn default() -> Usage {
        Usage { nodes: Chunks::default(), numbers: Arc::default(), loads: Series::new(COLUMNS), changed: None }
    }
}

impl NodeUse {
    /// For how long the whole node would have had to be taken to come to the same, up to an instant.
    pub fn taken_until(&self, now: Time) -> Span {
        Span((self.taken_at(now) / u128::from(WHOLE)) as u64)
    }

    fn taken_at(&self, now: Time) -> u128 {
        self.taken + u128::from(self.share) * u128::from(now.since(self.since).as_nanos())
    }

    fn settle(&mut self, now: Time) {
        self.taken = self.taken_at(now);
        self.since = now;
        self.share = if self.is_present { dominant_share(&self.requested, &self.allocatable) } else { 0 };
    }

    fn load(&self) -> Load {
        if !self.is_present {
            return Load::NONE;
        }
        Load {
            cpu: percent(self.requested.milli_cpu, self.allocatable.milli_cpu),
            memory: percent(self.requested.memory, self.allocatable.memory),
        }
    }
}

impl Usage {
    /// All nodes in the order in which they came.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeUse> {
        self.nodes.iter()
    }

    /// The node of a name, if there ever was one.
    pub fn node_of(&self, name: &str) -> Option<&NodeUse> {
        self.nodes.get(*self.numbers.get(name)?)
    }

    /// The loads of all nodes over time: each column holds until the next, its entries in the order of
    /// [`Usage::nodes`]. Nodes that a column has no entry for had not come yet.
    pub fn loads(&self) -> Vec<(Time, Arc<[Load]>)> {
        let mut loads = self.loads.clone();
        if let Some(changed) = self.changed {
            loads.set(changed, self.column());
        }
        loads.points().to_vec()
    }

    fn column(&self) -> Arc<[Load]> {
        self.nodes.iter().map(NodeUse::load).collect()
    }

    pub(super) fn node(&mut self, now: Time, node: &Obj<Node>, is_gone: bool) {
        let number = self.number(&node.meta.name);
        let allocatable = if is_gone { Resources::default() } else { node.body.allocatable() };
        let Some(row) = self.nodes.get(number) else { return };
        if row.is_present != is_gone && row.allocatable == allocatable {
            return;
        }
        self.change(now, number, |row| {
            row.is_present = !is_gone;
            row.allocatable = allocatable;
        });
    }

    pub(super) fn pod(&mut self, now: Time, before: Option<&Arc<Obj<Pod>>>, after: Option<&Arc<Obj<Pod>>>) {
        let counts = |pod: &&Arc<Obj<Pod>>| !pod.body.node_name.is_empty() && !pod.body.status.phase.is_finished();
        let (before, after) = (before.filter(counts), after.filter(counts));
        if let (Some(before), Some(after)) = (before, after)
            && Arc::ptr_eq(&before.body.spec, &after.body.spec)
        {
            return;
        }
        if let Some(before) = before {
            let number = self.number(&before.body.node_name);
            self.change(now, number, |row| {
                row.requested.subtract(&before.body.spec.requests);
                row.requested.pods -= 1;
            });
        }
        if let Some(after) = after {
            let number = self.number(&after.body.node_name);
            self.change(now, number, |row| {
                row.requested.add(&after.body.spec.requests);
                row.requested.pods += 1;
            });
        }
    }

    fn number(&mut self, name: &Name) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.nodes.len() as u32;
        self.nodes.set(number, NodeUse { name: name.clone(), ..NodeUse::default() });
        Arc::make_mut(&mut self.numbers).insert(name.clone(), number);
        number
    }

    fn change(&mut self, now: Time, number: u32, change: impl FnOnce(&mut NodeUse)) {
        // What a cell ended with is kept once the next begins: a column is made once a cell, not once a change.
        if let Some(changed) = self.changed
            && changed.nanos() / self.loads.width().as_nanos() != now.nanos() / self.loads.width().as_nanos()
        {
            let column = self.column();
            self.loads.set(changed, column);
        }
        self.changed = Some(now);
        if let Some(row) = self.nodes.get_mut(number) {
            change(row);
            row.settle(now);
        }
    }
}

/// The largest share among the resources that are asked for, in billionths.
fn dominant_share(requested: &Resources, allocatable: &Resources) -> u64 {
    let standard = [
        (requested.milli_cpu, allocatable.milli_cpu),
        (requested.memory, allocatable.memory),
        (requested.ephemeral_storage, allocatable.ephemeral_storage),
    ];
    let scalar = requested.scalar.iter().filter_map(|(name, asked)| Some((*asked, *allocatable.scalar.get(name)?)));
    let share = |(asked, offered): (i64, i64)| match offered {
        ..=0 => 0,
        _ => (u128::from(asked.max(0) as u64) * u128::from(WHOLE) / u128::from(offered as u64)).min(u128::from(WHOLE)),
    };
    standard.into_iter().chain(scalar).map(share).max().unwrap_or(0) as u64
}

fn percent(asked: i64, offered: i64) -> u8 {
    if offered <= 0 || asked <= 0 {
        return 0;
    }
    (i128::from(asked) * 100 / i128::from(offered)).min(i128::from(Load::MOST)) as u8
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::api::core::v1;
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    use super::*;
    use crate::api::{Kind, Meta, PodPhase, PodSpec, PodStatus};

    fn list(amounts: &[(&str, &str)]) -> Option<BTreeMap<String, Quantity>> {
        Some(amounts.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned()))).collect())
    }

    fn node(amounts: &[(&str, &str)]) -> Obj<Node> {
        let status = v1::NodeStatus { allocatable: list(amounts), ..Default::default() };
        Obj { meta: Meta::new(Kind::Node, "", "n1"), body: Node { spec: Arc::default(), status: Arc::new(status) } }
    }

    fn pod(amounts: &[(&str, &str)], phase: PodPhase) -> Arc<Obj<Pod>> {
        let resources = v1::ResourceRequirements { requests: list(amounts), ..Default::default() };
        let container = v1::Container { resources: Some(resources), ..Default::default() };
        let spec = PodSpec::new(v1::PodSpec { containers: vec![container], ..Default::default() });
        let status = PodStatus { phase, ..PodStatus::default() };
        Arc::new(Obj { meta: Meta::new(Kind::Pod, "default", "a"), body: Pod { spec, node_name: "n1".into(), status } })
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Span::from_secs(seconds)
    }

    #[track_caller]
    fn check(usage: &Usage, now: u64, taken_ms: u64) {
        let taken = usage.node_of("n1").map(|node| node.taken_until(at(now)));
        assert_eq!(taken, Some(Span::from_millis(taken_ms)));
    }

    #[test]
    fn the_dominant_resource_says_how_much_of_a_node_is_taken() {
        let mut usage = Usage::default();
        usage.node(at(0), &node(&[("cpu", "4"), ("memory", "8Gi"), ("example.com/gpu", "2")]), false);
        let (small, large) = (
            pod(&[("cpu", "1"), ("memory", "1Gi")], PodPhase::Pending),
            pod(&[("cpu", "1"), ("example.com/gpu", "2")], PodPhase::Running),
        );
        usage.pod(at(10), None, Some(&small));
        check(&usage, 10, 0);
        check(&usage, 14, 1_000);
        usage.pod(at(14), None, Some(&large));
        check(&usage, 15, 2_000);
        let ended = pod(&[("cpu", "1"), ("example.com/gpu", "2")], PodPhase::Succeeded);
        usage.pod(at(16), Some(&large), Some(&ended));
        usage.pod(at(18), Some(&ended), None);
        check(&usage, 20, 4_000);
        usage.node(at(20), &node(&[]), true);
        check(&usage, 30, 4_000);
    }

    #[test]
    fn loads_are_columns_that_hold_until_the_next() {
        let mut usage = Usage::default();
        usage.node(at(0), &node(&[("cpu", "4"), ("memory", "8Gi")]), false);
        let one = pod(&[("cpu", "1"), ("memory", "1Gi")], PodPhase::Pending);
        usage.pod(at(5), None, Some(&one));
        usage.node(at(9), &node(&[]), true);
        let loads: Vec<(u64, Load)> = usage.loads().iter().map(|(at, column)| (at.seconds(), column[0])).collect();
        let load = |cpu, memory| Load { cpu, memory };
        assert_eq!(loads, [(0, load(0, 0)), (5, load(25, 12)), (9, Load::NONE)]);
    }

    #[test]
    fn what_is_not_offered_takes_nothing_and_no_share_is_above_one() {
        let share = |asked: &[(&str, &str)], offered: &[(&str, &str)]| {
            dominant_share(&Resources::of_list(list(asked).as_ref()), &Resources::of_list(list(offered).as_ref()))
        };
        assert_eq!(share(&[("cpu", "1")], &[]), 0);
        assert_eq!(share(&[("cpu", "9")], &[("cpu", "4")]), WHOLE);
        assert_eq!(share(&[("cpu", "1"), ("memory", "3Gi")], &[("cpu", "4"), ("memory", "4Gi")]), WHOLE / 4 * 3);
    }
}
