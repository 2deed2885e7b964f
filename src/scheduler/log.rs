//! What has changed on nodes, in order, for those who keep answers about them.

use std::collections::VecDeque;

use super::{ClassIndex, NodeIndex};

/// What changed of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeChange {
    /// A pod of a class came (1) or went (-1).
    Pod {
        /// The class.
        class: ClassIndex,
        /// How many came.
        count: i8,
    },
    /// Something of the Node object that its labels, images and presence do not tell.
    Object,
}

/// The changes of late. Those that touch labels, images or the set of nodes are not told one by one: they begin a new
/// epoch.
#[derive(Clone, Debug, Default)]
pub struct ChangeLog {
    first: u64,
    entries: VecDeque<(NodeIndex, NodeChange)>,
    latest: Vec<u64>,
    epoch: u64,
}

impl ChangeLog {
    /// How many changes are kept for each node.
    const KEPT: usize = 8;

    pub(super) fn push(&mut self, node: NodeIndex, change: NodeChange) {
        let node_index = node as usize;
        if self.latest.len() <= node_index {
            self.latest.resize(node_index + 1, 0);
        }
        self.latest[node_index] = self.end();
        self.entries.push_back((node, change));
        if self.entries.len() > Self::KEPT * self.latest.len().max(128) {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    pub(super) fn begin_epoch(&mut self) {
        self.epoch += 1;
        self.first = self.end();
        self.entries.clear();
    }

    /// The number of the epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of the next change.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// The changes from a number on, with theirs; nothing where the first of them are forgotten.
    pub fn since(&self, number: u64) -> Option<impl Iterator<Item = (u64, NodeIndex, NodeChange)> + '_> {
        let skipped = number.checked_sub(self.first)? as usize;
        let entries = self.entries.range(skipped.min(self.entries.len())..);
        Some(entries.zip(number..).map(|((node, change), number)| (number, *node, *change)))
    }

    /// Whether a change of a node is its latest.
    pub fn is_latest(&self, number: u64, node: NodeIndex) -> bool {
        self.latest[node as usize] == number
    }
}
