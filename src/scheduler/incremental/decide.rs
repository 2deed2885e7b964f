//! A decision by groups of nodes.

use std::sync::Arc;

use super::Outcome;
use super::board::{Best, Position};
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

/// Which nodes a decision looks at: so many from a place in the order on.
#[derive(Clone, Copy, Debug)]
struct Window {
    start: usize,
    length: usize,
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
            Scope::Sampled { start, percentage } => {
                (start, wanted_feasible(all, profile.percentage_of_nodes_to_score.unwrap_or(percentage)))
            }
        };
        let feasible: u64 = scratch.nodes.iter().map(|nodes| u64::from(*nodes)).sum();
        if feasible == 0 {
            let rejected = self.rejected(cluster.nodes.order(), start, &scratch.rejections);
            let decision = Decision { rejected, next_start: start, ..Decision::default() };
            return Outcome::Unplaced(Box::new(unplaced_after(cluster, profile, pod, decision)));
        }
        // As many as are wanted, or more: the window may be smaller than everything.
        let window = match wanted < all {
            true => Some(self.window(start, wanted, scratch)),
            false => None,
        };
        let looked_at = window.map_or(all, |window| window.length);
        self.score(scratch);
        let best = match window {
            Some(window) => self.best_in(window, scratch),
            None => self.board.best(&scratch.offsets),
        };
        let best = best.expect("a group that has nodes has a best one");
        let position = match (tie, window) {
            (Tie::First, window) => self.first_by_name(cluster, window, best, scratch),
            (Tie::Draw, window) => {
                let which = if best.ties == 1 { 0 } else { draw(best.ties) };
                match window {
                    Some(window) => self.tie_in(window, best.total, which, scratch),
                    None => {
                        // The order of ties is that in which nodes are looked at.
                        let turned = self.turned(start, best, which, scratch);
                        self.board.tie(&scratch.offsets, best.total, turned)
                    }
                }
            }
        };
        let position = position.expect("there are as many ties as were counted") as usize;
        Outcome::Placed { node: cluster.nodes.order()[position], next_start: (start + looked_at) % all }
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

    /// Finds where enough feasible nodes have been seen, and counts those of each group on the way.
    fn window(&self, start: usize, wanted: usize, scratch: &mut Scratch) -> Window {
        let all = self.board_len();
        let mut seen = vec![0u32; scratch.nodes.len()];
        let mut found = 0;
        let mut length = 0;
        while length < all && found < wanted {
            let position = (start + length) % all;
            length += 1;
            if let Some(group) = self.board.group_of(position as Position)
                && scratch.nodes[group as usize] > 0
            {
                seen[group as usize] += 1;
                found += 1;
            }
        }
        scratch.nodes = seen;
        Window { start, length }
    }

    fn board_len(&self) -> usize {
        self.board.len()
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

    fn totals<'a>(&'a self, window: Window, scratch: &'a Scratch) -> impl Iterator<Item = (Position, i64)> + 'a {
        let all = self.board_len();
        (0..window.length).filter_map(move |offset| {
            let position = ((window.start + offset) % all) as Position;
            let offset = scratch.offsets[self.board.group_of(position)? as usize]?;
            Some((position, self.board.base_of(position) + offset))
        })
    }

    fn best_in(&self, window: Window, scratch: &Scratch) -> Option<Best> {
        self.totals(window, scratch).fold(None, |best: Option<Best>, (_, total)| match best {
            Some(best) if best.total > total => Some(best),
            Some(best) if best.total == total => Some(Best { total, ties: best.ties + 1 }),
            Some(_) | None => Some(Best { total, ties: 1 }),
        })
    }

    fn tie_in(&self, window: Window, total: i64, which: u64, scratch: &Scratch) -> Option<Position> {
        let ties = self.totals(window, scratch).filter(|(_, of_node)| *of_node == total);
        ties.map(|(position, _)| position).nth(which as usize)
    }

    /// The number among the ties from the first node on, of the tie with this number among those from `start` on.
    fn turned(&self, start: usize, best: Best, which: u64, scratch: &Scratch) -> u64 {
        if start == 0 || best.ties == 1 {
            return which;
        }
        let before = self.totals(Window { start: 0, length: start }, scratch);
        let before = before.filter(|(_, total)| *total == best.total).count() as u64;
        (which + before) % best.ties
    }

    fn first_by_name(
        &self,
        cluster: &Cluster,
        window: Option<Window>,
        best: Best,
        scratch: &Scratch,
    ) -> Option<Position> {
        let window = window.unwrap_or(Window { start: 0, length: self.board_len() });
        let ties = self.totals(window, scratch).filter(|(_, total)| *total == best.total);
        let name = |position: &Position| cluster.nodes.name(cluster.nodes.order()[*position as usize]);
        ties.map(|(position, _)| position).min_by_key(name)
    }
}

fn add(offsets: &mut [Option<i64>], open: &[usize], scores: &[i64], weight: i64) {
    for (group, score) in open.iter().zip(scores) {
        if let Some(offset) = &mut offsets[*group] {
            *offset += weight * score;
        }
    }
}
