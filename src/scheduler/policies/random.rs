//! Random: any node that has room, and any card of it that has.

use super::{Demand, NodeState, Policy, Setting, Ties};

/// See the file's text.
pub(super) struct Random;

impl Policy for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn doc(&self) -> &'static str {
        "any node with room, any card with room: what every other policy must beat"
    }

    fn score(&self, _pod: &Demand, _node: &NodeState, _setting: &Setting) -> i32 {
        0
    }

    fn ties(&self) -> Ties {
        Ties::Draw
    }
}
