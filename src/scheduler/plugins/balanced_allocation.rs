//! NodeResourcesBalancedAllocation: the node whose resources would be used evenly is better.

use crate::scheduler::plugins::node_resources_fit::Scored;
use crate::scheduler::{
    Cluster, Cycle, ExtensionPoint, NodeIndex, NodeScore, NodeView, Plugin, PluginEntry, PreScore, Reach,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "NodeResourcesBalancedAllocation",
    points: &[ExtensionPoint::PreScore, ExtensionPoint::Score],
    weight: 1,
    doc: "prefers nodes whose resources would be used in equal shares; says nothing about pods that ask for none of them",
    source: "pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go",
    events: &[],
    plugin: &BalancedAllocation,
};

/// `NodeResourcesBalancedAllocationArgs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    /// `resources`. Upstream allows no weight but 1.
    pub resources: Vec<Scored>,
}

impl Args {
    /// CPU and memory.
    pub fn upstream() -> Args {
        Args { resources: vec![Scored::Cpu, Scored::Memory] }
    }
}

#[derive(Debug)]
struct BalancedAllocation;

impl Plugin for BalancedAllocation {
    fn pre_score(&self, cycle: &Cycle, _feasible: &[NodeIndex]) -> PreScore {
        let requests = &cycle.pod.body.spec.requests;
        let resources = cycle.args.balanced.resources.iter();
        let mut asked: Vec<_> = resources.map(|resource| (resource.clone(), resource.of(requests))).collect();
        if asked.iter().all(|(_, amount)| *amount == 0) {
            return PreScore::Skip;
        }
        asked.retain(|(resource, amount)| resource.counts(*amount));
        PreScore::Score(Box::new(Balanced { asked }))
    }
}

/// Each resource with what the pod asks for.
#[derive(Debug)]
struct Balanced {
    asked: Vec<(Scored, i64)>,
}

impl NodeScore for Balanced {
    fn score(&self, _cluster: &Cluster, node: NodeView) -> i64 {
        let share = |(resource, asked): &(Scored, i64)| share(resource.on_node(node, *asked, false));
        match self.asked.as_slice() {
            [one, other] => score_of_two(share(one), share(other)),
            several => score(&several.iter().filter_map(share).collect::<Vec<f64>>()),
        }
    }

    fn reach(&self) -> Reach {
        Reach::Node
    }
}

/// Which part of what is offered of a resource would be used; nothing where none is offered.
fn share((offered, used): (i64, i64)) -> Option<f64> {
    (offered != 0).then(|| (used as f64 / offered as f64).min(1.0))
}

/// The score of a node by what is offered and what would be used of two resources.
pub fn score_of_pair(resources: [(i64, i64); 2]) -> i64 {
    let [one, other] = resources.map(share);
    score_of_two(one, other)
}

fn score_of_two(one: Option<f64>, other: Option<f64>) -> i64 {
    match (one, other) {
        (Some(one), Some(other)) => score(&[one, other]),
        (_, _) => score(&[]),
    }
}

fn score(shares: &[f64]) -> i64 {
    ((1.0 - deviation(shares)) * 100.0) as i64
}

/// The standard deviation, in the order of operations of upstream: each step is exact IEEE arithmetic.
fn deviation(shares: &[f64]) -> f64 {
    match shares {
        [] | [_] => 0.0,
        [one, other] => ((one - other) / 2.0).abs(),
        several => {
            let count = several.len() as f64;
            let mean = several.iter().fold(0.0, |sum, share| sum + share) / count;
            let squares = several.iter().fold(0.0, |sum, share| sum + (share - mean) * (share - mean));
            libm::sqrt(squares / count)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::scheduler::testing::check_scores;

    #[track_caller]
    fn check(requests: &str, expected: Option<&[i64]>) {
        let pod = format!("{{containers: [{{name: c, resources: {{requests: {{{requests}}}}}}}]}}");
        let nodes = [
            "{status: {allocatable: {cpu: '4', memory: '4000'}}}",
            "{status: {allocatable: {cpu: '4', memory: '1000'}}}",
            "{status: {allocatable: {cpu: '4'}}}",
        ];
        check_scores("NodeResourcesBalancedAllocation", &pod, &nodes, expected);
    }

    #[test]
    fn even_use_scores_highest() {
        check("cpu: '1', memory: '1000'", Some(&[100, 62, 100]));
        check("cpu: '4'", Some(&[50, 50, 100]));
        check("cpu: '8', memory: '1'", Some(&[50, 50, 100]));
    }

    #[test]
    fn a_pod_that_asks_for_nothing_is_not_scored() {
        check("", None);
        check("example.com/gpu: '1'", None);
    }
}
