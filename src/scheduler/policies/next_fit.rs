//! Next fit: the node that was taken last as long as it has room, then the ones after it.
//!
//! Source: Johnson, 'Near-Optimal Bin Packing Algorithms' (1973). There a bin that was left is closed for good; here the
//! search goes round, since there are only so many nodes, and pods may have left them.

use super::{Demand, NodeState, Policy, Setting, Ties};

/// See the file's text.
pub(super) struct NextFit;

impl Policy for NextFit {
    fn name(&self) -> &'static str {
        "next-fit"
    }

    fn doc(&self) -> &'static str {
        "the node that was taken last, or the first after it with room (Johnson 1973, going round)"
    }

    fn score(&self, _pod: &Demand, _node: &NodeState, _setting: &Setting) -> i32 {
        0
    }

    fn ties(&self) -> Ties {
        Ties::FromLast
    }
}
