//! A name stands for one live pod: no two nodes run containers of pods of one name at once.

use rustc_hash::FxHashMap;

use super::invariant::{By, Finding, Invariant, InvariantEntry, Look, Sight};
use crate::api::{Kind, Name, ObjectId, Pod};
use crate::event::{ChangeKind, PartId};
use crate::store::Commit;

pub(super) static ENTRY: InvariantEntry = InvariantEntry {
    name: "one-live-pod-per-name",
    doc: "No two nodes run containers of pods of the same namespace and name at once: a pod is removed from the API only \
          when its kubelet has stopped it, and what bears its name comes after it.",
    leaves_out: "Pods that were removed while they ran by somebody else than their kubelet: deleted without grace, by a \
                 user, or by the pod garbage collector where the node is gone. Two lives of one name on one node.",
    source: "pkg/kubelet/status/status_manager.go (canBeDeleted)",
    needs: None,
    kinds: &[Kind::Pod],
    build: || Box::new(OneLivePodPerName::default()),
};

#[derive(Clone, Debug, Default)]
struct OneLivePodPerName {
    /// Who runs containers of the pod of a number, which stands for a namespace and name. Looked up, never iterated.
    runs: FxHashMap<u32, Run>,
    /// How often each machine has lost its power; what ran before runs no more.
    outages: FxHashMap<u32, u32>,
    /// The names of the nodes that have run a pod, by number. Looked up, never iterated.
    names: FxHashMap<u32, Name>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    node: u32,
    outages: u32,
}

impl Invariant for OneLivePodPerName {
    fn observe(&mut self, sight: &Sight<'_>, look: Look<'_>, found: &mut Vec<Finding>) {
        match *sight {
            Sight::Commit(commit, by) => self.commit(commit, by),
            Sight::PodStarts { node, name, pod } => self.starts(node, name, pod, look, found),
            Sight::PodStops { node, pod } => {
                if self.runs.get(&pod.slot).is_some_and(|run| run.node == node) {
                    self.runs.remove(&pod.slot);
                }
            }
            Sight::PowerOff { node } => *self.outages.entry(node).or_default() += 1,
            Sight::PartStops(_) | Sight::AnswerLost { .. } | Sight::Rest => {}
        }
    }

    fn boxed_clone(&self) -> Box<dyn Invariant> {
        Box::new(self.clone())
    }
}

impl OneLivePodPerName {
    fn outages(&self, node: u32) -> u32 {
        self.outages.get(&node).copied().unwrap_or(0)
    }

    /// What goes without its kubelet's word is nobody's promise.
    fn commit(&mut self, commit: &Commit, by: By) {
        if commit.kind == ChangeKind::Deleted {
            let slot = commit.object.meta().id.slot;
            let own = |run: &Run| by.part == PartId::Kubelet(run.node);
            if self.runs.get(&slot).is_some_and(|run| !own(run)) {
                self.runs.remove(&slot);
            }
        }
    }

    fn starts(&mut self, node: u32, name: &Name, pod: ObjectId, look: Look<'_>, found: &mut Vec<Finding>) {
        // A kubelet that has not heard yet of a removal by others may still start the pod.
        let Some(object) = look.store.by_id(pod).and_then(|object| object.get::<Pod>()) else { return };
        if object.body.node_name != *name {
            return;
        }
        self.names.entry(node).or_insert_with(|| name.clone());
        let run = Run { node, outages: self.outages(node) };
        let Some(before) = self.runs.insert(pod.slot, run) else { return };
        if before.node != node && before.outages == self.outages(before.node) {
            let elsewhere = &self.names[&before.node];
            let message = format!("it starts on {name} while containers of a pod of its name run on {elsewhere}");
            found.push(Finding { object: format!("pod/{}", object.meta.key()), message });
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::bench::{Bench, SCHEDULER, node, pod};

    /// A pod runs on node a, and is deleted by somebody; a pod of its name starts on node b.
    fn story(deleted_by: PartId, between: impl Fn(&mut Bench, ObjectId)) -> Bench {
        let mut bench = Bench::new(&ENTRY);
        bench.create(PartId::User, node("a", "10.0.0.0/24"));
        bench.create(PartId::User, node("b", "10.0.1.0/24"));
        for (number, at) in [(0, "a"), (1, "b")] {
            bench.create(PartId::User, pod("p", json!({})));
            bench.bind(SCHEDULER, "p", at);
            let id = bench.id(Kind::Pod, "p");
            bench.show(&Sight::PodStarts { node: number, name: &at.into(), pod: id });
            if number == 0 {
                between(&mut bench, id);
                bench.delete(deleted_by, Kind::Pod, "p");
            }
        }
        bench
    }

    #[test]
    fn a_kubelet_that_lets_go_of_a_running_pod_is_caught() {
        let own = PartId::Kubelet(0);
        story(own, |_, _| {}).expect("pod/default/p: it starts on b while containers of a pod of its name run on a");
        story(own, |bench, pod| bench.show(&Sight::PodStops { node: 0, pod })).expect("");
        story(own, |bench, _| bench.show(&Sight::PowerOff { node: 0 })).expect("");
    }

    #[test]
    fn what_is_removed_by_force_may_still_run() {
        let mut bench = story(PartId::User, |_, _| {});
        bench.expect("");
        let id = bench.id(Kind::Pod, "p");
        bench.show(&Sight::PodStarts { node: 0, name: &"a".into(), pod: id });
        bench.expect("");
    }
}
