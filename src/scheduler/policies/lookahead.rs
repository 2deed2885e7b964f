//! Lookahead: a few pods are gathered, and a mixed-integer program says which goes where.
//!
//! As many of them as possible are placed, on nodes where they score most together. The score is that of
//! [`Fgd`](super::fgd::Fgd) where the cluster has cards, and that of [`BestFit`](super::bestfit::BestFit) else; each pod's
//! counts as if it came alone. Nodes in question are, for each kind of pod, as many of the best as there are pods in the
//! batch, so that none is crowded out. A wish that does not come true (the program adds up what is taken of idle cards and
//! does not look at each) is placed by score, as is everything where the solver gives up; it counts nodes of its search,
//! not time, so that it always says the same.
//!
//! Source: the assignment program of vector bin packing, on a batch, by branch and bound; no paper in particular.

use std::collections::BTreeMap;

use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOptions, Variable};

use super::bestfit::BestFit;
use super::fgd::Fgd;
use super::first_fit_decreasing::largest_first;
use super::{CARD, Demand, NodeState, Policy, RESOURCES, Setting, Step};

/// How many pods are gathered.
const BATCH: usize = 8;
/// What a placed pod counts for: more than all scores of a batch together.
const PLACED: f64 = 1_000.0;
/// How many nodes the search may have.
const SEARCH_NODES: u64 = 100;

/// See the file's text.
pub(super) struct Lookahead;

impl Policy for Lookahead {
    fn name(&self) -> &'static str {
        "lookahead"
    }

    fn doc(&self) -> &'static str {
        "of every 8 pods as many as fit, each by least fragmentation or least left over, by a mixed-integer program"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        inner(setting).score(pod, node, setting)
    }

    fn card(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> usize {
        inner(setting).card(pod, node, setting)
    }

    fn batch(&self) -> usize {
        BATCH
    }

    fn arrange(&self, batch: &[Demand], nodes: &[NodeState], setting: &Setting) -> Vec<Step> {
        // The pods of each kind, the largest first; the kinds too.
        let mut kinds: Vec<(Demand, Vec<usize>)> = Vec::new();
        for pod in largest_first(batch, setting) {
            match kinds.iter_mut().find(|(kind, _)| *kind == batch[pod]) {
                Some((_, pods)) => pods.push(pod),
                None => kinds.push((batch[pod], vec![pod])),
            }
        }
        let places = assign(&kinds, nodes, setting, batch.len()).unwrap_or_default();
        let (mut wishes, mut others) = (Vec::new(), Vec::new());
        for (kind, (_, pods)) in kinds.iter().enumerate() {
            let mut of_kind = places.iter().filter(|place| place.kind == kind).map(|place| place.node);
            for pod in pods {
                match of_kind.next() {
                    Some(node) => wishes.push(Step::PlaceOn(*pod, node)),
                    None => others.push(Step::Place(*pod)),
                }
            }
        }
        wishes.append(&mut others);
        wishes
    }
}

/// The policy whose score counts.
fn inner(setting: &Setting) -> &'static dyn Policy {
    if setting.largest_cards > 0 { &Fgd } else { &BestFit }
}

/// Pods of a kind on a node: as they may be, or as they are wished to be.
#[derive(Clone, Copy, Debug)]
struct Place {
    kind: usize,
    node: usize,
    score: i32,
}

/// The nodes where a kind of pods would be best, so many at most: by score, then in order.
fn best_places(kind: usize, pod: &Demand, nodes: &[NodeState], setting: &Setting, count: usize) -> Vec<Place> {
    let policy = inner(setting);
    let mut best: Vec<Place> = Vec::with_capacity(count + 1);
    for (node, state) in nodes.iter().enumerate().filter(|(_, node)| node.fits(pod)) {
        let score = policy.score(pod, state, setting);
        if best.len() == count && best[count - 1].score >= score {
            continue;
        }
        let at = best.partition_point(|place| place.score >= score);
        best.insert(at, Place { kind, node, score });
        best.truncate(count);
    }
    best
}

/// A place for each pod that finds one; nothing where the solver fails.
fn assign(kinds: &[(Demand, Vec<usize>)], nodes: &[NodeState], setting: &Setting, pods: usize) -> Option<Vec<Place>> {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let mut options: Vec<(Place, Variable)> = Vec::new();
    for (kind, (pod, of_kind)) in kinds.iter().enumerate() {
        let from = options.len();
        for place in best_places(kind, pod, nodes, setting, pods) {
            let most = of_kind.len() as i32;
            options.push((place, problem.add_integer_var(PLACED + f64::from(place.score), (0, most))));
        }
        let all = options[from..].iter().map(|(_, variable)| (*variable, 1.0));
        problem.add_constraint(all, ComparisonOp::Le, of_kind.len() as f64);
    }
    let mut by_node: BTreeMap<usize, Vec<(&Demand, usize, Variable)>> = BTreeMap::new();
    for (place, variable) in &options {
        let (pod, of_kind) = &kinds[place.kind];
        by_node.entry(place.node).or_default().push((pod, of_kind.len(), *variable));
    }
    for (node, takers) in &by_node {
        limit(&mut problem, &nodes[*node], takers, setting);
    }
    let mut limits = SolveOptions::default();
    limits.node_limit = Some(SEARCH_NODES);
    let outcome = problem.solve_with(limits).ok()?;
    let solution = outcome.solution()?;
    let times = |variable: Variable| solution.var_value(variable).round() as usize;
    Some(options.iter().flat_map(|(place, variable)| std::iter::repeat_n(*place, times(*variable))).collect())
}

/// No more of a node is taken than there is: of each resource, of each shared card, and of idle cards together.
fn limit(problem: &mut Problem, node: &NodeState, takers: &[(&Demand, usize, Variable)], setting: &Setting) {
    let mut at_most = |free: i64, taken: &dyn Fn(&Demand) -> i64| {
        let most: i64 = takers.iter().map(|(pod, count, _)| taken(pod) * *count as i64).sum();
        if most > free {
            let terms = takers.iter().filter(|(pod, ..)| taken(pod) > 0);
            let terms = terms.map(|(pod, _, variable)| (*variable, taken(pod) as f64 / free as f64));
            problem.add_constraint(terms, ComparisonOp::Le, 1.0);
        }
    };
    for resource in 0..RESOURCES {
        at_most(node.free[resource], &|pod| pod.asks[resource]);
    }
    let policy = inner(setting);
    let card_of = |pod: &Demand| pod.shares_card().then(|| policy.card(pod, node, setting));
    let is_idle = |card: usize| node.cards.free[card] == CARD;
    for card in (0..usize::from(node.cards.count)).filter(|card| !is_idle(*card)) {
        at_most(i64::from(node.cards.free[card]), &|pod| if card_of(pod) == Some(card) { pod.card_milli() } else { 0 });
    }
    let idle = i64::from(node.cards.idle_count()) * i64::from(CARD);
    at_most(idle, &|pod| if card_of(pod).is_none_or(is_idle) { pod.card_milli() } else { 0 });
}

#[cfg(test)]
mod tests {
    use super::super::{ANY_MODEL, Cards};
    use super::*;

    /// A pod of so many CPUs, cards, and thousandths of each.
    fn pod(cpus: i64, cards: u8, milli_per_card: i16) -> Demand {
        let mut asks = [0; RESOURCES];
        asks[0] = cpus * 1_000;
        Demand { asks, cards, milli_per_card, models: ANY_MODEL }
    }

    fn node(cpus: i64, free: &[i16]) -> NodeState {
        let mut node = NodeState::new([cpus * 1_000, 0, 0, 0, 0, 0], free.len() as u8, 1);
        node.cards = Cards { free: [0; 16], count: free.len() as u8 };
        node.cards.free[..free.len()].copy_from_slice(free);
        node
    }

    #[track_caller]
    fn check(batch: &[Demand], nodes: &[NodeState], expected: &[Step]) {
        let most = |of: &dyn Fn(&NodeState) -> i64| nodes.iter().map(of).max().unwrap_or(0);
        let setting = Setting {
            largest: [most(&|node| node.capacity[0]), 0, 0, 0, 0, 0],
            largest_cards: most(&NodeState::card_capacity),
            ..Setting::default()
        };
        assert_eq!(Lookahead.arrange(batch, nodes, &setting), expected);
    }

    #[test]
    fn all_pods_are_placed_where_one_by_one_some_would_not_be() {
        // Best fit would put 4 and 3 on the first node, and 5 on the second, where 5 more do not fit.
        let batch = [pod(3, 0, 0), pod(4, 0, 0), pod(5, 0, 0), pod(5, 0, 0)];
        let nodes = [node(8, &[]), node(9, &[])];
        check(&batch, &nodes, &[Step::PlaceOn(2, 0), Step::PlaceOn(3, 1), Step::PlaceOn(1, 1), Step::PlaceOn(0, 0)]);
    }

    #[test]
    fn cards_are_not_taken_twice() {
        let batch = [pod(1, 1, 600), pod(1, 1, 600), pod(1, 2, 1_000)];
        let nodes = [node(9, &[700, 1_000, 1_000]), node(9, &[600])];
        let expected = [Step::PlaceOn(2, 0), Step::PlaceOn(0, 0), Step::PlaceOn(1, 1)];
        check(&batch, &nodes, &expected);
    }

    #[test]
    fn what_fits_nowhere_is_left_to_the_score() {
        check(&[pod(9, 0, 0), pod(1, 0, 0)], &[node(8, &[])], &[Step::PlaceOn(1, 0), Step::Place(0)]);
        check(&[pod(9, 0, 0)], &[], &[Step::Place(0)]);
    }
}
