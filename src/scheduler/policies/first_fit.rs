//! First fit: the first node in the drawn order that has room.
//!
//! Source: Johnson, 'Near-Optimal Bin Packing Algorithms' (1973).

use super::{Demand, NodeState, Policy, Setting};

/// See the file's text.
pub(super) struct FirstFit;

impl Policy for FirstFit {
    fn name(&self) -> &'static str {
        "first-fit"
    }

    fn doc(&self) -> &'static str {
        "the first node with room, always in the same order (Johnson 1973)"
    }

    fn score(&self, _pod: &Demand, _node: &NodeState, _setting: &Setting) -> i32 {
        0
    }
}
