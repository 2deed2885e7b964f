//! The scores of all nodes for the pods of one class, brought up to date by what has changed.

use super::Park;
use crate::scheduler::policies::{Demand, Policy, Setting};

/// How many nodes share one maximum.
const BLOCK: usize = 64;
/// The score of a node where the pod does not fit.
const NOT_HERE: i64 = i64::MIN;

/// The scores of one class.
#[derive(Clone, Debug)]
pub(super) struct Ranking {
    scores: Vec<i64>,
    /// The best score of each block of nodes.
    best: Vec<i64>,
    /// Up to which change of the park the scores are right.
    seen: usize,
}

impl Ranking {
    /// The scores as they are now.
    pub(super) fn new(policy: &dyn Policy, pod: &Demand, park: &Park, setting: &Setting) -> Ranking {
        let scores: Vec<i64> = (0..park.nodes().len()).map(|node| score(policy, pod, park, node, setting)).collect();
        let best = scores.chunks(BLOCK).map(best_of).collect();
        Ranking { scores, best, seen: park.changes() }
    }

    /// Looks again at nodes that have changed.
    pub(super) fn refresh(&mut self, policy: &dyn Policy, pod: &Demand, park: &Park, setting: &Setting) {
        for node in park.changed_since(self.seen) {
            let new = score(policy, pod, park, node, setting);
            let old = std::mem::replace(&mut self.scores[node], new);
            let block = node / BLOCK;
            if new >= self.best[block] {
                self.best[block] = new;
            } else if old == self.best[block] {
                let end = self.scores.len().min((block + 1) * BLOCK);
                self.best[block] = best_of(&self.scores[block * BLOCK..end]);
            }
        }
        self.seen = park.changes();
    }

    /// The best score; nothing where the pod fits nowhere.
    fn best(&self) -> Option<i64> {
        self.best.iter().copied().max().filter(|best| *best > NOT_HERE)
    }

    /// The first node from a place on that has the best score, round the end.
    pub(super) fn first_from(&self, place: usize) -> Option<usize> {
        let best = self.best()?;
        let find = |from: usize, to: usize| {
            let mut at = from;
            while at < to {
                let block_end = ((at / BLOCK + 1) * BLOCK).min(to);
                if self.best[at / BLOCK] == best
                    && let Some(found) = self.scores[at..block_end].iter().position(|score| *score == best)
                {
                    return Some(at + found);
                }
                at = block_end;
            }
            None
        };
        find(place, self.scores.len()).or_else(|| find(0, place))
    }

    /// How many nodes have the best score.
    pub(super) fn count_of_best(&self) -> usize {
        let Some(best) = self.best() else { return 0 };
        let blocks = self.scores.chunks(BLOCK).zip(&self.best).filter(|(_, block)| **block == best);
        blocks.map(|(scores, _)| scores.iter().filter(|score| **score == best).count()).sum()
    }

    /// The node number n among those with the best score.
    pub(super) fn nth_of_best(&self, n: usize) -> Option<usize> {
        let best = self.best()?;
        let blocks = self.scores.chunks(BLOCK).zip(&self.best).enumerate().filter(|(_, (_, block))| **block == best);
        let with_best = blocks.flat_map(|(block, (scores, _))| {
            let nodes = scores.iter().enumerate().filter(|(_, score)| **score == best);
            nodes.map(move |(at, _)| block * BLOCK + at)
        });
        with_best.into_iter().nth(n)
    }
}

fn best_of(scores: &[i64]) -> i64 {
    scores.iter().copied().max().unwrap_or(NOT_HERE)
}

fn score(policy: &dyn Policy, pod: &Demand, park: &Park, node: usize, setting: &Setting) -> i64 {
    let node = &park.nodes()[node];
    if node.fits(pod) { i64::from(policy.score(pod, node, setting)) } else { NOT_HERE }
}
