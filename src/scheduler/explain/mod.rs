//! Why a pod is where it is, or nowhere: what would have tipped the choice, and the smallest change that would place it.
//!
//! Nothing here knows what a plugin looks at. A change of the pod is tried: the plugins are asked about the changed pod,
//! and what is told as a remedy has been decided again with that change made. Nothing is told that was not tried.
//!
//! Left out: changes of nodes and of other pods, but for cordons and for what preemption would remove; more than a few
//! dozen different taints.

mod change;
mod obstacles;
mod placed;
mod remedies;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use serde::Serialize;

use super::{Cluster, Decision, NodeIndex, Profile};
use crate::api::{Name, Obj, Pod};

pub use change::Change;
pub use obstacles::Obstacle;
pub use placed::{Rival, ScoreGap, Tip, WhyHere};

/// What no node would have taken, and what would change that.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyNowhere {
    /// The smallest changes that place it, the cheapest first.
    pub remedies: Vec<Remedy>,
    /// What is in the way, on most nodes first.
    pub obstacles: Vec<Obstacle>,
}

/// Changes that together place the pod: it has been decided again with them.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remedy {
    /// What is changed, mostly one thing.
    pub changes: Vec<Change>,
    /// The nodes that can take the pod then, by name.
    pub nodes: Vec<Name>,
    /// The pods that preemption removes for it, by name; mostly none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub victims: Vec<String>,
    /// The same as a sentence.
    pub text: String,
    /// How much of what was asked for is given up, in thousandths.
    #[serde(skip)]
    cost: i64,
}

/// Why a pod is where it is, or nowhere.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Explanation {
    /// It has a node.
    Placed(WhyHere),
    /// It has none.
    Unplaced(WhyNowhere),
}

impl Explanation {
    /// Explains a decision that was made with [`super::Scope::Everything`] in a cluster that has not changed since.
    pub fn of(
        cluster: &Cluster,
        profile: &Profile,
        pod: &Arc<Obj<Pod>>,
        decision: &Decision,
        chosen: Option<NodeIndex>,
    ) -> Explanation {
        match chosen {
            Some(node) => Explanation::Placed(WhyHere::of(cluster, profile, decision, node)),
            None => Explanation::Unplaced(remedies::find(cluster, profile, pod, decision.nomination().is_some())),
        }
    }
}

impl WhyNowhere {
    /// The same as lines, each of which begins with `help:` or `note:`.
    pub fn sentences(&self) -> Vec<String> {
        const OBSTACLES_MAX: usize = 8;
        const NAMES: usize = 3;
        let help = self.remedies.iter().map(|remedy| format!("help: {}", remedy.text));
        let note = self.obstacles.iter().take(OBSTACLES_MAX).map(|obstacle| {
            let Obstacle { plugin, reasons, nodes: count, alone_on } = obstacle;
            let of = nodes(*count);
            match alone_on.len() {
                0 => format!("note: {reasons} ({plugin}) is in the way on {of}, nowhere alone"),
                alone if alone == *count => {
                    format!("note: {reasons} ({plugin}) alone is in the way on {of}: {}", listed(alone_on, NAMES))
                }
                alone => {
                    let names = listed(alone_on, NAMES);
                    format!("note: {reasons} ({plugin}) is in the way on {of}, on {alone} of them alone: {names}")
                }
            }
        });
        help.chain(note).collect()
    }
}

/// `a, b, c and 5 more`.
pub(super) fn listed<T: AsRef<str>>(names: &[T], shown: usize) -> String {
    let first: Vec<&str> = names.iter().take(shown).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(shown) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// `1 node`, `2 nodes`.
pub(super) fn nodes(count: usize) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}
