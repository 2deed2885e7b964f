//! PlacementPolicy: a placement policy as a score plugin.

use std::fmt;
use std::sync::Arc;

use crate::api::Name;
use crate::scheduler::cards::{self, CardAsk};
use crate::scheduler::policies::{Demand, Policy, Setting, Typical};
use crate::scheduler::{
    Cluster, Cycle, ExtensionPoint, NodeIndex, NodeScore, NodeView, Plugin, PluginEntry, PreScore, Reach,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "PlacementPolicy",
    points: &[ExtensionPoint::Score],
    weight: 1,
    doc: "scores nodes by the placement policy that its arguments name, as in {policy: fgd}, with the policy's numbers as \
          they are (mostly 0 to 100); ties are the scheduler's, also for a policy with a rule of its own for them (next \
          fit, round robin, random), and pods come one at a time, also for a policy that wants batches; pods are typical \
          by the arguments (typical), or else among all that were seen, anew each time that their number has doubled; \
          percentageOfNodesToScore: 100 lets it see all nodes; not part of the default profile",
    source: "none: see the policies, wavetank list policies",
    events: &[],
    plugin: &PlacementPolicy,
};

/// A policy, which is equal to itself.
#[derive(Clone, Copy)]
pub struct Chosen(pub &'static dyn Policy);

impl fmt::Debug for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl PartialEq for Chosen {
    fn eq(&self, other: &Chosen) -> bool {
        self.0.name() == other.0.name()
    }
}

/// Pods that are typical: how many ask for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypicalPods {
    /// CPU in millicores.
    pub milli_cpu: i64,
    /// Cards, if any.
    pub cards: Option<CardAsk>,
    /// How many.
    pub count: u32,
}

/// What the plugin is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args {
    /// The policy. There is no default.
    pub policy: Option<Chosen>,
    /// Pods that are typical; `None`: those that were seen.
    pub typical: Option<Arc<[TypicalPods]>>,
}

impl Args {
    /// Whether pods must be counted as they come.
    pub fn learns(&self) -> bool {
        self.policy.is_some() && self.typical.is_none()
    }

    /// What policies know beside the node and the pod. Whatever changes it begins an epoch of the nodes or a version of
    /// the cluster.
    pub fn setting(&self, cluster: &Cluster) -> Setting {
        let models = &cluster.nodes.card_models;
        let (largest, largest_cards) = cluster.nodes.largest();
        let listed = |pods: &TypicalPods| {
            let mut demand = Demand {
                asks: Default::default(),
                cards: pods.cards.as_ref().map_or(0, |ask| ask.cards),
                milli_per_card: pods.cards.as_ref().map_or(0, |ask| ask.milli),
                models: models.bits(pods.cards.as_ref().map_or("", |ask| &ask.models)),
            };
            demand.asks[0] = pods.milli_cpu;
            (demand, pods.count)
        };
        let typical = match (&self.typical, &cluster.seen) {
            (Some(pods), _) => Typical::new(&pods.iter().map(listed).collect::<Vec<_>>()),
            (None, Some(seen)) => seen.typical(models),
            (None, None) => Typical::default(),
        };
        Setting { largest, largest_cards, typical }
    }
}

#[derive(Debug)]
struct PlacementPolicy;

impl Plugin for PlacementPolicy {
    fn pre_score(&self, cycle: &Cycle, _feasible: &[NodeIndex]) -> PreScore {
        let Some(policy) = cycle.args.placement.policy else {
            return PreScore::Fail("no policy is named in its arguments".to_owned());
        };
        let ask = match CardAsk::of(&cycle.pod.meta.annotations) {
            Ok(ask) => ask,
            Err(message) => return PreScore::Fail(Name::into(message)),
        };
        let demand = cards::demand(&cycle.pod.body, ask.as_ref(), &cycle.cluster.nodes.card_models);
        let setting = cycle.args.placement.setting(cycle.cluster);
        PreScore::Score(Box::new(Score { policy, demand, setting }))
    }
}

#[derive(Debug)]
struct Score {
    policy: Chosen,
    demand: Demand,
    setting: Setting,
}

impl NodeScore for Score {
    fn score(&self, _cluster: &Cluster, node: NodeView) -> i64 {
        i64::from(self.policy.0.score(&self.demand, &cards::node_state(node), &self.setting))
    }

    fn reach(&self) -> Reach {
        Reach::Node
    }
}
