//! Round robin: each node in turn, as far as it has room.

use super::{Demand, NodeState, Policy, Setting, Ties};

/// See the file's text.
pub(super) struct RoundRobin;

impl Policy for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn doc(&self) -> &'static str {
        "the first node with room after the one that was taken last: each in turn"
    }

    fn score(&self, _pod: &Demand, _node: &NodeState, _setting: &Setting) -> i32 {
        0
    }

    fn ties(&self) -> Ties {
        Ties::AfterLast
    }
}
