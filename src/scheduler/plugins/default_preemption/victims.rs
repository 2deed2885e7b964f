//! Which pods of a node must go. Upstream: `SelectVictimsOnNode` in
//! `pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go`.
//!
//! All pods of lower priority leave the node in thought; if the pod fits then, they come back one by one, the most
//! important first, as long as it still does. Filters that look at the Node alone are asked once; where the others read
//! only the sums in the node's row, the row is all that changes.

use std::sync::Arc;

use super::candidates::Candidate;
use crate::api::{Obj, Pod};
use crate::scheduler::{
    Ahead, Cluster, Code, Cycle, Filters, NodeDraft, NodeFilter, NodeIndex, NodeRow, NodeView, Reach, Status, Unplaced,
};

const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

/// What became of a trial on one node.
pub(super) enum Trial<'a> {
    /// The pod fits once some are gone.
    Fits(Candidate<'a>),
    /// It does not, or none can go.
    Rejected(Status),
    /// A filter fails, or it seems to fit without anybody's going though it was rejected.
    Fails(String),
}

/// What all trials of a pod have in common.
pub(super) struct Trials<'a> {
    cluster: &'a Cluster,
    priority: i32,
    filters: &'a Filters,
    ahead: &'a Ahead<'a>,
    /// Whether pods must be taken off one by one.
    is_thorough: bool,
    /// The pods that could go, used again on each node.
    lower: Vec<&'a Arc<Obj<Pod>>>,
}

/// When a pod started, in seconds; one that has not starts now, later than all others.
pub(super) fn start_of(pod: &Obj<Pod>) -> i64 {
    pod.body.status.start_time.map_or(i64::MAX, |start| start.0)
}

/// By falling importance. Upstream: `MoreImportantPod`. Upstream leaves pods that are equal in no certain order, but of
/// two that start now it takes the one that it sees later for the more important one, as the clock goes on between.
fn rank(pod: &Obj<Pod>) -> (i64, i64, i64) {
    let (start, slot) = (start_of(pod), i64::from(pod.meta.id.slot));
    (-i64::from(pod.body.spec.priority), start, if start == i64::MAX { -slot } else { slot })
}

impl<'a> Trials<'a> {
    pub(super) fn new(cycle: &Cycle<'a>, unplaced: &Unplaced<'a>) -> Trials<'a> {
        let reads_more = |filter: &dyn NodeFilter| filter.reach() != Reach::Object && !filter.reads_sums_only();
        Trials {
            cluster: cycle.cluster,
            priority: cycle.pod.body.spec.priority,
            filters: unplaced.filters,
            ahead: unplaced.ahead,
            is_thorough: unplaced.filters.list.iter().any(|(_, filter)| reads_more(&**filter)),
            lower: Vec::new(),
        }
    }

    /// Finds out who must go from a node.
    pub(super) fn select_victims_on(&mut self, node: NodeIndex) -> Trial<'a> {
        let mut lower = std::mem::take(&mut self.lower);
        lower.clear();
        let pods = &self.cluster.nodes.info(node).pods;
        lower.extend(pods.iter().filter(|pod| pod.body.spec.priority < self.priority));
        let trial = self.try_without(&mut lower, node);
        self.lower = lower;
        trial
    }

    fn try_without(&self, lower: &mut [&'a Arc<Obj<Pod>>], node: NodeIndex) -> Trial<'a> {
        if lower.is_empty() {
            return Trial::Rejected(Status::fixed(Code::UnschedulableAndUnresolvable, NO_VICTIMS));
        }
        let mut thought = Thought::new(self, node);
        for pod in &*lower {
            thought.remove_pod(pod);
        }
        match thought.rejection(true) {
            None => {}
            Some(status) if status.code == Code::Error => return Trial::Fails(status.message()),
            Some(status) => return Trial::Rejected(status),
        }
        lower.sort_by_cached_key(|pod| rank(pod));
        let mut victims = Vec::new();
        let mut violations = 0;
        let mut reprieve = |pod: &'a Arc<Obj<Pod>>| {
            thought.add_pod(pod);
            let stays = thought.rejection(false).is_none();
            if !stays {
                thought.remove_pod(pod);
                victims.push(pod);
            }
            stays
        };
        if self.cluster.budgets.is_empty() {
            for pod in &*lower {
                reprieve(pod);
            }
        } else {
            let violates = self.cluster.budgets.violations(lower);
            for (pod, _) in lower.iter().zip(&violates).filter(|(_, violates)| **violates) {
                violations += usize::from(!reprieve(pod));
            }
            for (pod, _) in lower.iter().zip(&violates).filter(|(_, violates)| !**violates) {
                reprieve(pod);
            }
            victims.sort_by_cached_key(|pod| rank(pod));
        }
        if victims.is_empty() {
            let name = self.cluster.nodes.name(node);
            return Trial::Fails(format!("expected at least one victim pod on node {name:?}"));
        }
        Trial::Fits(Candidate { node, victims, violations })
    }
}

/// A node with other pods than it has, and the filters to match.
struct Thought<'t, 'a> {
    trials: &'t Trials<'a>,
    node: NodeIndex,
    row: NodeRow,
    /// The whole node, where its row is not enough.
    draft: Option<Box<NodeDraft>>,
    /// Copies of the filters that reach beyond the node, in their order.
    copies: Vec<Box<dyn NodeFilter>>,
}

impl<'t, 'a> Thought<'t, 'a> {
    fn new(trials: &'t Trials<'a>, node: NodeIndex) -> Thought<'t, 'a> {
        let nodes = &trials.cluster.nodes;
        let is_thorough = trials.is_thorough || !trials.ahead.on(node).is_empty();
        let far = trials.filters.list.iter().filter(|(_, filter)| filter.reach() == Reach::Cluster);
        Thought {
            trials,
            node,
            row: *nodes.row(node),
            draft: is_thorough.then(|| Box::new(nodes.draft(node))),
            copies: if is_thorough { far.map(|(_, filter)| filter.copy()).collect() } else { Vec::new() },
        }
    }

    fn view(&self) -> NodeView<'_> {
        match &self.draft {
            Some(draft) => draft.view(),
            None => NodeView { index: self.node, row: &self.row, info: self.trials.cluster.nodes.info(self.node) },
        }
    }

    fn remove_pod(&mut self, pod: &Arc<Obj<Pod>>) {
        let cluster = self.trials.cluster;
        let Some(draft) = &mut self.draft else { return self.row.count(&pod.body, -1) };
        if let Some(entry) = cluster.pods.get(pod.meta.id.slot) {
            draft.remove_pod(pod, entry.class);
        }
        for copy in &mut self.copies {
            copy.remove_pod(cluster, pod, draft.view());
        }
    }

    fn add_pod(&mut self, pod: &Arc<Obj<Pod>>) {
        let cluster = self.trials.cluster;
        let Some(draft) = &mut self.draft else { return self.row.count(&pod.body, 1) };
        if let Some(entry) = cluster.pods.get(pod.meta.id.slot) {
            draft.add_pod(pod, entry.class);
        }
        for copy in &mut self.copies {
            copy.add_pod(cluster, pod, draft.view());
        }
    }

    /// Why the pod does not fit now. Filters that look at the Node alone need be asked only once (`all`).
    fn rejection(&self, all: bool) -> Option<Status> {
        let Trials { cluster, filters, ahead, .. } = self.trials;
        let ahead = ahead.on(self.node);
        let mut copies = self.copies.iter();
        let mut current = filters.list.iter().map(|(plugin, filter)| match filter.reach() {
            Reach::Cluster => (*plugin, copies.next().unwrap_or(filter)),
            Reach::Object | Reach::Node => (*plugin, filter),
        });
        if ahead.is_empty() {
            let view = self.view();
            return current
                .filter(|(_, filter)| all || filter.reach() != Reach::Object)
                .find_map(|(_, filter)| filter.check(cluster, view));
        }
        let list = current.by_ref().map(|(plugin, filter)| (plugin, filter.copy())).collect();
        Filters { list }.check_behind(cluster, ahead, self.view()).map(|(_, status)| status)
    }
}
