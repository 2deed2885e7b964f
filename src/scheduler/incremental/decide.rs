//! A decision by groups of nodes.

use std::sync::Arc;

use super::Outcome;
use super::board::Position;
use super::template::Template;
use crate::api::{Obj, Pod};
use crate::scheduler::decide::unplaced_after;
use crate::scheduler::spanning::{Place, Reading};
use crate::scheduler::{Cluster, Decision, Profile, Scope, Status, Tie, wanted_feasible};

/// What a decision works on, kept to save its allocations.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// What each group reads, counter by counter.
    readings: Vec<Reading>,
    /// Why each group cannot take the pod.
    rejections: Vec<Option<(u8, Status)>>,
    /// How many nodes of each group are in question.
    nodes: Vec<u32>,
    /// What each group earns; nothing where it cannot take the pod.
    offsets: Vec<Option<i64>>,
    /// Groups that can take the pod.
    open: Vec<usize>,
    scores: Vec<i64>,
}

impl Template {
    /// Decides about a pod of the template.
    pub(super) fn decide(
        &self,
        cluster: &Cluster,
        profile: &Profile,
        pod: &Arc<Obj<Pod>>,
        scope: Scope,
        (tie, draw): (Tie, impl FnOnce(u64) -> u64),
        scratch: &mut Scratch,
    ) -> Outcome {
        self.judge(scratch);
        let all = cluster.nodes.order().len();
        let (start, wanted) = match scope {
            Scope::Everything => (0, all),
            Scope::Sampled { start, percentage, luck: _ } => {
                (start % all, wanted_feasible(all, profile.percentage_of_nodes_to_score.unwrap_or(percentage)))
            }
        };
        let feasible: u64 = scratch.nodes.iter().map(|nodes| u64::from(*nodes)).sum();
        if feasible == 0 {
            let rejected = self.rejected(cluster.nodes.order(), start, &scratch.rejections);
            let decision = Decision { rejected, next_start: start % all, ..Decision::default() };
            return Outcome::Unplaced(Box::new(unplaced_after(cluster, profile, pod, scope, decision)));
        }
        let window = match wanted < all {
            true => self.board.until(start, wanted, &mut scratch.nodes),
            false => self.board.everything(start),
        };
        self.score(scratch);
        let offsets = &scratch.offsets;
        let best = self.board.best(&window, offsets).expect("a group that has nodes has a best one");
        let position = match tie {
            _ if best.ties == 1 => self.board.tie(&window, offsets, best.total, 0),
            Tie::Draw => self.board.tie(&window, offsets, best.total, draw(best.ties)),
            Tie::First => {
                let name = |position: &Position| cluster.nodes.name(cluster.nodes.order()[*position as usize]);
                self.board.ties(&window, offsets, best.total).min_by_key(name)
            }
        };
        let position = position.expect("there are as many ties as were counted") as usize;
        Outcome::Placed { node: cluster.nodes.order()[position], next_start: (start + window.length) % all }
    }

    /// Reads the counters for each group, and lets the filters that reach beyond a node judge it.
    fn judge(&self, scratch: &mut Scratch) {
        let groups = self.board.groups();
        let counters = self.counters.len();
        scratch.readings.clear();
        scratch.rejections.clear();
        scratch.rejections.resize(groups.len(), None);
        scratch.nodes.clear();
        for (number, group) in groups.iter().enumerate() {
            let coordinates = &group.key[self.grouped.len()..];
            let from = scratch.readings.len();
            scratch.readings.extend(self.counters.iter().zip(coordinates).map(|(counter, at)| counter.read(*at)));
            debug_assert_eq!(scratch.readings.len() - from, counters);
            scratch.nodes.push(group.nodes);
            if group.nodes == 0 {
                continue;
            }
            let readings = &scratch.readings[from..];
            for span in self.spans.iter().filter(|span| span.filters) {
                if let Some(status) = span.form.check(&readings[span.counters.0..span.counters.1]) {
                    scratch.rejections[number] = Some((span.plugin, status));
                    scratch.nodes[number] = 0;
                    break;
                }
            }
        }
    }

    /// What each group earns beside the base scores of its nodes.
    fn score(&self, scratch: &mut Scratch) {
        let Scratch { readings, nodes, offsets, open, scores, .. } = scratch;
        open.clear();
        open.extend((0..nodes.len()).filter(|group| nodes[*group] > 0));
        offsets.clear();
        offsets.resize(nodes.len(), None);
        open.iter().for_each(|group| offsets[*group] = Some(0));
        if open.len() == 1 && nodes[open[0]] == 1 {
            return;
        }
        let groups = self.board.groups();
        for (index, grouped) in self.grouped.iter().enumerate() {
            scores.clear();
            scores.extend(open.iter().map(|group| groups[*group].key[index]));
            grouped.score.normalize(scores);
            add(offsets, open, scores, grouped.weight);
        }
        let counters = self.counters.len();
        for span in self.spans.iter().filter(|span| span.weight != 0) {
            let places: Vec<Place> = (open.iter())
                .map(|group| {
                    let from = group * counters;
                    Place { readings: &readings[from + span.counters.0..from + span.counters.1], nodes: nodes[*group] }
                })
                .collect();
            scores.clear();
            span.form.score(&places, scores);
            add(offsets, open, scores, span.weight);
        }
    }
}

fn add(offsets: &mut [Option<i64>], open: &[usize], scores: &[i64], weight: i64) {
    for (group, score) in open.iter().zip(scores) {
        if let Some(offset) = &mut offsets[*group] {
            *offset += weight * score;
        }
    }
}
