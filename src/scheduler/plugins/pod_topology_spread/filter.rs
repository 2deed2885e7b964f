//! The filter: on no node may the pod make a domain exceed the least filled one by more than the skew.
//! Upstream: `pkg/scheduler/framework/plugins/podtopologyspread/filtering.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::constraints::{Constraint, Counter, Judge, Judged, has_all};
use crate::api::{Name, Obj, Pod};
use crate::scheduler::{Cluster, Code, Cycle, NodeFilter, NodeView, Reach, Status};

const REASON_SKEW: &str = "node(s) didn't match pod topology spread constraints";
const REASON_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";

/// The number of no domain.
const NONE: u32 = u32::MAX;
/// The fill of no domain. Upstream: `math.MaxInt32`.
pub(super) const UNFILLED: i64 = i32::MAX as i64;

/// Why a constraint rejects the nodes of a domain with so many pods, or those without the label: `least` is how many the
/// least filled domain has, `own` what the pod itself adds. With fewer domains than there should be, the least filled one
/// is one that is not there yet.
pub(super) fn rejection(
    constraint: &Constraint,
    pods: Option<i64>,
    own: i64,
    least: i64,
    domains: i64,
) -> Option<Status> {
    let Some(pods) = pods else { return Some(Status::fixed(Code::UnschedulableAndUnresolvable, REASON_LABEL)) };
    let least = if domains < constraint.min_domains { 0 } else { least };
    (pods + own - least > constraint.max_skew).then(|| Status::fixed(Code::Unschedulable, REASON_SKEW))
}

/// Where a node stands under one constraint.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The number of the domain; [`NONE`] where the node has no such label.
    domain: u32,
    /// Whether its pods count.
    counts: bool,
}

const NOWHERE: Place = Place { domain: NONE, counts: false };

/// One constraint on a cluster.
#[derive(Clone, Debug)]
struct Spread {
    constraint: Constraint,
    /// One where the constraint counts the pod itself.
    own: i64,
    /// By the number of a node.
    places: Vec<Place>,
    /// Pods by domain; nothing where none of its nodes counts.
    pods: Vec<Option<i64>>,
    /// How many domains have nodes that count.
    domains: i64,
}

/// The least filled domain, and another one. As pods come and go on one node only, the first stays the least filled.
/// Upstream: `criticalPaths`.
#[derive(Clone, Copy, Debug)]
struct Least([(u32, i64); 2]);

impl Least {
    fn of(pods: &[Option<i64>]) -> Least {
        let mut least = Least([(NONE, UNFILLED); 2]);
        for (domain, pods) in pods.iter().enumerate() {
            if let Some(pods) = pods {
                least.update(domain as u32, *pods);
            }
        }
        least
    }

    fn update(&mut self, domain: u32, pods: i64) {
        let [first, second] = &mut self.0;
        if first.0 == domain {
            first.1 = pods;
        } else if second.0 == domain {
            second.1 = pods;
        } else if pods < first.1 {
            (*second, *first) = (*first, (domain, pods));
        } else if pods < second.1 {
            *second = (domain, pods);
        }
        if first.1 > second.1 {
            std::mem::swap(first, second);
        }
    }
}

/// The filter for a pod with constraints. What pods that come and go in thought change is held beside what all copies
/// share.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    namespace: Name,
    spreads: Arc<Vec<Spread>>,
    least: Vec<Least>,
    /// Constraint, domain, and how many pods more it has.
    changes: Vec<(usize, u32, i64)>,
}

impl Filter {
    /// Counts the pods of all domains. Nodes that lack the label of any constraint count for none.
    pub(super) fn of(cycle: &Cycle, constraints: Vec<Constraint>) -> Filter {
        let nodes = &cycle.cluster.nodes;
        let judge = Judge::of(cycle, &constraints);
        let judged = |node: NodeView| has_all(&node, &constraints).then(|| judge.judge(node));
        let all = nodes.order().iter().map(|node| nodes.view(*node));
        let all: Vec<(NodeView, Option<Judged>)> = all.map(|node| (node, judged(node))).collect();
        let spreads: Vec<Spread> =
            constraints.into_iter().map(|constraint| Spread::of(cycle, constraint, &all)).collect();
        Filter {
            namespace: cycle.pod.meta.namespace.clone(),
            least: spreads.iter().map(|spread| Least::of(&spread.pods)).collect(),
            spreads: Arc::new(spreads),
            changes: Vec::new(),
        }
    }

    fn pods(&self, number: usize, domain: u32) -> i64 {
        let changed = self.changes.iter().filter(|change| (change.0, change.1) == (number, domain));
        self.spreads[number].pods[domain as usize].unwrap_or(0) + changed.map(|change| change.2).sum::<i64>()
    }

    /// Upstream: `updateWithPod`. A pod that is about to go is taken off like any other, though it was not counted, and
    /// so is one that a selector of everything selects.
    fn change(&mut self, pod: &Obj<Pod>, node: NodeView, more: i64) {
        if pod.meta.namespace != self.namespace {
            return;
        }
        let spreads = self.spreads.clone();
        for (number, spread) in spreads.iter().enumerate() {
            let place = spread.place(node);
            if !place.counts || !spread.constraint.selects(&pod.meta.labels) {
                continue;
            }
            match self.changes.iter_mut().find(|change| (change.0, change.1) == (number, place.domain)) {
                Some(change) => change.2 += more,
                None => self.changes.push((number, place.domain, more)),
            }
            let pods = self.pods(number, place.domain);
            self.least[number].update(place.domain, pods);
        }
    }
}

impl Spread {
    fn of(cycle: &Cycle, constraint: Constraint, all: &[(NodeView, Option<Judged>)]) -> Spread {
        let counter = Counter::of(cycle, &constraint);
        let mut places = vec![NOWHERE; cycle.cluster.nodes.rows().len()];
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let mut pods = Vec::new();
        for (node, judged) in all {
            let Some(value) = constraint.value(node) else { continue };
            let domain = *numbers.entry(value).or_insert_with(|| {
                pods.push(None);
                pods.len() as u32 - 1
            });
            let counts = judged.is_some_and(|judged| constraint.counts(judged));
            places[node.index as usize] = Place { domain, counts };
            if counts {
                *pods[domain as usize].get_or_insert(0) += counter.on(cycle.cluster, node.info);
            }
        }
        let domains = pods.iter().flatten().count() as i64;
        let own = i64::from(constraint.selects(&cycle.pod.meta.labels));
        Spread { constraint, own, places, pods, domains }
    }

    fn place(&self, node: NodeView) -> Place {
        self.places.get(node.index as usize).copied().unwrap_or(NOWHERE)
    }
}

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        for (number, spread) in self.spreads.iter().enumerate() {
            let domain = spread.place(node).domain;
            let pods = (domain != NONE).then(|| self.pods(number, domain));
            let rejection = rejection(&spread.constraint, pods, spread.own, self.least[number].0[0].1, spread.domains);
            if rejection.is_some() {
                return rejection;
            }
        }
        None
    }

    fn reach(&self) -> Reach {
        Reach::Cluster
    }

    fn add_pod(&mut self, _cluster: &Cluster, pod: &Obj<Pod>, node: NodeView) {
        self.change(pod, node, 1);
    }

    fn remove_pod(&mut self, _cluster: &Cluster, pod: &Obj<Pod>, node: NodeView) {
        self.change(pod, node, -1);
    }
}
