//! Filter and score over groups of nodes, from sums that are kept: one axis for each constraint.

use std::sync::Arc;

use super::constraints::{Action, Constraint, Counted, HOSTNAME, Judge, constraints, has_all};
use super::filter::{UNFILLED, rejection};
use super::requires_all;
use super::score::{IGNORED, normalize, share, weight_of};
use crate::scheduler::spanning::{Axis, Place, Reading, Spanning};
use crate::scheduler::{Cycle, NodeView, Status};

/// What the axes hold.
#[derive(Debug)]
pub(super) struct Form {
    /// The constraints that reject, each with one where it counts the pod itself.
    hard: Vec<(Constraint, i64)>,
    /// The constraints that score.
    soft: Vec<Constraint>,
    /// Whether nodes take part in scores only if they have the labels of all soft constraints.
    requires_all: bool,
    axes: Vec<Axis>,
}

impl Form {
    /// The form for a pod that has any constraints. Nodes whose label is empty are left to the other form: where labels
    /// may be missing they are one domain with the nodes that lack the label.
    pub(super) fn of(cycle: &Cycle) -> Option<Form> {
        let of_action = |action| constraints(cycle.pod, &cycle.cluster.owners, &cycle.args.spread, action);
        let (hard, soft) = (of_action(Action::DoNotSchedule).ok()?, of_action(Action::ScheduleAnyway).ok()?);
        if hard.is_empty() && soft.is_empty() {
            return None;
        }
        let requires_all = requires_all(cycle);
        let nodes = &cycle.cluster.nodes;
        let is_empty = |constraint: &Constraint| {
            let mut all = nodes.order().iter().map(|node| nodes.view(*node));
            all.any(|node| constraint.value(&node) == Some(""))
        };
        if !requires_all && soft.iter().any(is_empty) {
            return None;
        }
        let mut axes = axes_of(cycle, &hard, true, true);
        axes.extend(axes_of(cycle, &soft, requires_all, false));
        let own = |constraint: Constraint| {
            let own = i64::from(constraint.selects(&cycle.pod.meta.labels));
            (constraint, own)
        };
        Some(Form { hard: hard.into_iter().map(own).collect(), soft, requires_all, axes })
    }
}

impl Form {
    fn soft_of<'p>(&self, place: &Place<'p>) -> &'p [Reading] {
        &place.readings[self.hard.len()..]
    }
}

fn axes_of(cycle: &Cycle, constraints: &[Constraint], requires_all: bool, is_hard: bool) -> Vec<Axis> {
    let judge = Arc::new(Judge::of(cycle, constraints));
    let all: Arc<Vec<Constraint>> = Arc::new(constraints.to_vec());
    let axis = |constraint: &Constraint| {
        let by_node = !is_hard && constraint.topology_key == HOSTNAME;
        let counted = Counted::of(cycle, constraint);
        let (judge, all, own) = (judge.clone(), all.clone(), constraint.clone());
        let counts = move |node: NodeView| (!requires_all || has_all(&node, &all)) && own.counts(judge.judge(node));
        Axis {
            key: constraint.topology_key.clone(),
            eligible: if by_node { None } else { Some(Box::new(move |_, node| counts(node))) },
            by_node,
            with_min: is_hard,
            weigh: Box::new(move |_, class| i64::from(counted.has(class))),
        }
    };
    constraints.iter().map(axis).collect()
}

impl Spanning for Form {
    fn axes(&mut self) -> Vec<Axis> {
        std::mem::take(&mut self.axes)
    }

    fn check(&self, readings: &[Reading]) -> Option<Status> {
        self.hard.iter().zip(readings).find_map(|((constraint, own), reading)| {
            let least = if reading.domains == 0 { UNFILLED } else { reading.min };
            rejection(constraint, reading.domain.map(|_| reading.sum), *own, least, i64::from(reading.domains))
        })
    }

    fn scores(&self) -> bool {
        !self.soft.is_empty()
    }

    fn score(&self, places: &[Place], scores: &mut Vec<i64>) {
        let takes_part =
            |place: &Place| !self.requires_all || self.soft_of(place).iter().all(|reading| reading.domain.is_some());
        let scored: Vec<(&[Reading], u32)> =
            (places.iter().filter(|place| takes_part(place))).map(|place| (self.soft_of(place), place.nodes)).collect();
        let weights: Vec<f64> = (self.soft.iter().enumerate())
            .map(|(number, constraint)| weight_of(domains(constraint, number, &scored)))
            .collect();
        scores.extend(places.iter().map(|place| {
            let parts = self.soft.iter().zip(&weights).zip(self.soft_of(place));
            let with_label = parts.filter(|(_, reading)| reading.domain.is_some());
            let sum: f64 = with_label.map(|((c, weight), reading)| share(c.max_skew, reading.sum, *weight)).sum();
            if takes_part(place) { sum.round() as i64 } else { IGNORED }
        }));
        normalize(scores);
    }
}

/// How many domains of a constraint the nodes have that are to be scored: each a host, or a value of the label. Nodes
/// without the label are one domain more.
fn domains(constraint: &Constraint, number: usize, scored: &[(&[Reading], u32)]) -> usize {
    let hosts = |nodes: &(&[Reading], u32)| nodes.1 as usize;
    if constraint.topology_key == HOSTNAME {
        return scored.iter().map(hosts).sum();
    }
    let with_label = || scored.iter().filter(|nodes| nodes.0[number].domain.is_some());
    let lacking = scored.iter().any(|nodes| nodes.0[number].domain.is_none());
    let is_single = scored.first().is_some_and(|nodes| nodes.0[number].is_single);
    let present = if is_single {
        with_label().map(hosts).sum()
    } else {
        let mut numbers: Vec<u32> = with_label().filter_map(|nodes| nodes.0[number].domain).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len()
    };
    present + usize::from(lacking)
}
