//! A placement policy of one's own in the comparison table, beside those that wavetank has:
//!
//! ```sh
//! cargo run --release --example placement_policy -- --nodes nodes.csv --pods pods.csv --policy bestfit,keep-whole,fgd
//! ```

use std::process::ExitCode;

use wavetank::scheduler::policies::{CARD, Demand, NodeState, Policy, Setting};

/// Best fit that keeps idle cards whole: a pod that shares a card goes to one in use wherever there is one.
struct KeepWhole;

impl Policy for KeepWhole {
    fn name(&self) -> &'static str {
        "keep-whole"
    }

    fn doc(&self) -> &'static str {
        "best fit, but no idle card is broken while one in use has room"
    }

    fn score(&self, pod: &Demand, node: &NodeState, setting: &Setting) -> i32 {
        let best_fit = (100.0 * (1.0 - setting.left_over(node, pod) / 2.0)) as i32;
        let breaks_a_card = pod.shares_card() && node.cards.free[node.cards.tightest(pod.milli_per_card)] == CARD;
        if breaks_a_card { best_fit - 100 } else { best_fit }
    }
}

fn main() -> ExitCode {
    wavetank::cli::placement_main(&[&KeepWhole])
}
