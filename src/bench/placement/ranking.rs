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
    /// The best score of each block of nodes, and how many nodes of the block have it.
    best: Vec<(i64, u32)>,
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
            let (best, count) = self.best[block];
            if new > best {
                self.best[block] = (new, 1);
            } else if new == best {
                self.best[block].1 += u32::from(old != best);
            } else if old == best && count > 1 {
                self.best[block].1 -= 1;
            } else if old == best {
                let end = self.scores.len().min((block + 1) * BLOCK);
                self.best[block] = best_of(&self.scores[block * BLOCK..end]);
            }
        }
        self.seen = park.changes();
    }

    /// The best score; nothing where the pod fits nowhere.
    fn best(&self) -> Option<i64> {
        self.best.iter().map(|(best, _)| *best).max().filter(|best| *best > NOT_HERE)
    }

    /// The first node from a place on that has the best score, round the end.
    pub(super) fn first_from(&self, place: usize) -> Option<usize> {
        let best = self.best()?;
        let find = |from: usize, to: usize| {
            let mut at = from;
            while at < to {
                let block_end = ((at / BLOCK + 1) * BLOCK).min(to);
                if self.best[at / BLOCK].0 == best
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
        self.best.iter().filter(|(of_block, _)| *of_block == best).map(|(_, count)| *count as usize).sum()
    }

    /// The node number n among those with the best score.
    pub(super) fn nth_of_best(&self, n: usize) -> Option<usize> {
        let best = self.best()?;
        let mut left = n;
        for (block, (of_block, count)) in self.best.iter().enumerate().filter(|(_, (of_block, _))| *of_block == best) {
            if left >= *count as usize {
                left -= *count as usize;
                continue;
            }
            let end = self.scores.len().min((block + 1) * BLOCK);
            let scores = self.scores[block * BLOCK..end].iter().enumerate();
            return scores.filter(|(_, score)| *score == of_block).map(|(at, _)| block * BLOCK + at).nth(left);
        }
        None
    }
}

fn best_of(scores: &[i64]) -> (i64, u32) {
    let best = scores.iter().copied().max().unwrap_or(NOT_HERE);
    (best, scores.iter().filter(|score| **score == best).count() as u32)
}

fn score(policy: &dyn Policy, pod: &Demand, park: &Park, node: usize, setting: &Setting) -> i64 {
    let node = &park.nodes()[node];
    if node.fits(pod) { i64::from(policy.score(pod, node, setting)) } else { NOT_HERE }
}
