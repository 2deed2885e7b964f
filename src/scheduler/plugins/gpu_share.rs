//! GpuShare: a pod gets the cards that its annotations ask for, whole ones or a part of one.

use crate::api::{Labels, Obj, Pod};
use crate::scheduler::cards::{self, CARD_INDEX, CARD_MODEL, CardAsk};
use crate::scheduler::policies::{Demand, MAX_CARDS};
use crate::scheduler::{
    Cluster, ClusterEvent, Code, Cycle, EventKind, ExtensionPoint, NodeFilter, NodeIndex, NodeView, Plugin, PluginArgs,
    PluginEntry, PreFilter, Reach, Reserve, Status,
};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "GpuShare",
    points: &[ExtensionPoint::Filter, ExtensionPoint::Reserve],
    weight: 0,
    doc: "rejects nodes without room on the GPUs that the pod's annotations alibabacloud.com/gpu-count, gpu-milli and \
          gpu-card-model ask for, and binds the pod with those that it gets (gpu-index): a part of one GPU, the one that \
          the policy of PlacementPolicy says or else the fullest with room, or whole idle ones, the lowest numbers \
          first; not part of the default profile; GPUs are given out once, use of them is not simulated",
    source: "open-gpu-share of hkust-adsl/kubernetes-scheduler-simulator, pkg/simulator/plugin/open-gpu-share.go",
    events: &[EventKind::AssignedPodDelete, EventKind::NodeAdd, EventKind::NodeAllocatable, EventKind::NodeLabel],
    plugin: &GpuShare,
};

#[derive(Debug)]
struct GpuShare;

impl Plugin for GpuShare {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        match CardAsk::of(&cycle.pod.meta.annotations) {
            Ok(None) => PreFilter::Skip,
            Ok(Some(ask)) => {
                let demand = cards::demand(&cycle.pod.body, Some(&ask), &cycle.cluster.nodes.card_models);
                PreFilter::Filter(Box::new(Filter { demand }))
            }
            Err(message) => PreFilter::Reject(Status::text(Code::UnschedulableAndUnresolvable, message)),
        }
    }

    fn reserve(&self, cycle: &Cycle, node: NodeIndex) -> Reserve {
        let ask = match CardAsk::of(&cycle.pod.meta.annotations) {
            Ok(None) => return Reserve::Nothing,
            Ok(Some(ask)) => ask,
            Err(message) => return Reserve::Fail(message.into()),
        };
        let demand = cards::demand(&cycle.pod.body, Some(&ask), &cycle.cluster.nodes.card_models);
        let mut state = cards::node_state(cycle.cluster.nodes.view(node));
        if !state.has_cards(&demand) {
            return Reserve::Reject(Status::fixed(Code::Unschedulable, NO_ROOM));
        }
        // The pod is assumed there already, without cards; policies want to see the node as it was before.
        state.free.iter_mut().zip(demand.asks).for_each(|(free, asked)| *free += asked);
        state.pods = state.pods.saturating_sub(1);
        let card = match &cycle.args.placement.policy {
            _ if !demand.shares_card() => MAX_CARDS,
            Some(policy) => policy.0.card(&demand, &state, &cycle.args.placement.setting(cycle.cluster)),
            None => state.cards.tightest(demand.milli_per_card),
        };
        let index = cards::index_text(state.cards_for(&demand, card));
        Reserve::Annotations([(CARD_INDEX, index)].into_iter().collect::<Labels>())
    }

    fn hint(&self, event: &ClusterEvent, _pod: &Obj<Pod>, _args: &PluginArgs) -> bool {
        match event.pod() {
            (Some(gone), _) => gone.meta.annotations.get(CARD_INDEX).is_some(),
            (None, _) => true,
        }
    }
}

const NO_ROOM: &str = "Insufficient alibabacloud.com/gpu-milli";

#[derive(Clone, Debug)]
struct Filter {
    demand: Demand,
}

impl NodeFilter for Filter {
    fn check(&self, _cluster: &Cluster, node: NodeView) -> Option<Status> {
        let Some(cards) = &node.info.cards else {
            return Some(Status::fixed(Code::UnschedulableAndUnresolvable, "node(s) had no GPUs"));
        };
        let demand = &self.demand;
        if cards.model() & demand.models == 0 {
            let reason = ecow::eco_format!("node(s) didn't match the pod's {CARD_MODEL}");
            return Some(Status::text(Code::UnschedulableAndUnresolvable, reason));
        }
        let free = cards.free();
        let has_room = match demand.shares_card() {
            true => free.has_room(demand.milli_per_card),
            false => free.idle_count() >= demand.cards,
        };
        (!has_room).then(|| Status::fixed(Code::Unschedulable, NO_ROOM))
    }

    fn reach(&self) -> Reach {
        Reach::Node
    }
}
