//! No node is over-committed by the scheduler.
//!
//! Judged at each binding, for the node that it names: the requests of its pods that have not finished against what it
//! offers, for the resources that the pod asks for, as upstream's filter `NodeResourcesFit` does.

use rustc_hash::FxHashMap;

use super::invariant::{By, Finding, Invariant, InvariantEntry, Look, Sight};
use crate::api::resources::Resources;
use crate::api::{Kind, Name, Node, Obj, Object, ObjectId, Pod};
use crate::event::{ChangeKind, PartId};
use crate::kernel::{Span, Time};
use crate::store::{Commit, Store};

/// For how long a scheduler may not know of a binding that it was not told of.
const DOUBT: Span = Span::from_hours(1);

pub(super) static ENTRY: InvariantEntry = InvariantEntry {
    name: "node-not-overcommitted",
    doc: "A scheduler binds no pod to a node where the requests of the pods that have not finished, number of pods and \
          extended resources included, are then more than what the node offers of something that the pod asks for.",
    leaves_out: "A node that shrinks is judged by the most that it has ever offered. Pods of which the scheduler may not \
                 know do not count for an hour: bound by hand or by another scheduler, by a process that has ended \
                 since, or with an answer that was lost. What was bound by hand is not judged, nor what a process had \
                 asked for before it ended.",
    source: "pkg/scheduler/framework/plugins/noderesources/fit.go",
    needs: None,
    kinds: &[Kind::Pod, Kind::Node],
    build: || Box::new(NodeNotOvercommitted::default()),
};

#[derive(Clone, Debug, Default)]
struct NodeNotOvercommitted {
    /// By node. Looked up, never iterated.
    rooms: FxHashMap<Name, Room>,
    /// The pods of which the scheduler may not know, by number, and since when. Looked up, never iterated.
    doubtful: FxHashMap<u32, Time>,
    /// Which scheduler bound last.
    binder: Option<PartId>,
}

#[derive(Clone, Debug, Default)]
struct Room {
    offered: Resources,
    used: Resources,
}

impl Invariant for NodeNotOvercommitted {
    fn observe(&mut self, sight: &Sight<'_>, look: Look<'_>, found: &mut Vec<Finding>) {
        match *sight {
            Sight::Commit(commit, by) => match &commit.object {
                Object::Pod(pod) => self.pod(commit, pod, by, look, found),
                Object::Node(node) => self.node(commit, node),
                Object::Namespace(_)
                | Object::Deployment(_)
                | Object::ReplicaSet(_)
                | Object::Event(_)
                | Object::Lease(_)
                | Object::Untyped(_) => {}
            },
            Sight::PartStops(PartId::Scheduler(_)) => self.doubt_all(look),
            Sight::AnswerLost { to: PartId::Scheduler(_), object: ObjectId { kind: Kind::Pod, slot } } => {
                self.doubtful.insert(slot, look.now);
            }
            Sight::PartStops(_)
            | Sight::AnswerLost { .. }
            | Sight::PodStarts { .. }
            | Sight::PodStops { .. }
            | Sight::PowerOff { .. }
            | Sight::Rest => {}
        }
    }

    fn boxed_clone(&self) -> Box<dyn Invariant> {
        Box::new(self.clone())
    }
}

/// The pod, if it takes room of a node.
fn taking(object: &Object) -> Option<&Obj<Pod>> {
    let Object::Pod(pod) = object else { return None };
    (!pod.body.node_name.is_empty() && !pod.body.status.phase.is_finished()).then_some(pod)
}

impl NodeNotOvercommitted {
    fn node(&mut self, commit: &Commit, node: &Obj<Node>) {
        let offers = |object: &Object| object.get::<Node>().map(|node| node.body.status.clone());
        let before = commit.before.as_ref().and_then(offers);
        if before.is_none_or(|before| before.allocatable != node.body.status.allocatable) {
            self.rooms.entry(node.meta.name.clone()).or_default().offered.raise_to(&node.body.allocatable());
        }
    }

    fn pod(&mut self, commit: &Commit, pod: &Obj<Pod>, by: By, look: Look<'_>, found: &mut Vec<Finding>) {
        let before = commit.before.as_ref().and_then(taking);
        let after = if commit.kind == ChangeKind::Deleted { None } else { taking(&commit.object) };
        match (before, after) {
            (None, None) | (Some(_), Some(_)) => {}
            (Some(before), None) => {
                self.doubtful.remove(&before.meta.id.slot);
                if let Some(room) = self.rooms.get_mut(&before.body.node_name) {
                    room.used.subtract(&before.body.spec.requests);
                    room.used.pods -= 1;
                }
            }
            (None, Some(after)) => {
                let room = self.rooms.entry(after.body.node_name.clone()).or_default();
                room.used.add(&after.body.spec.requests);
                room.used.pods += 1;
                self.bound(pod, by, look, found);
            }
        }
    }

    fn bound(&mut self, pod: &Obj<Pod>, by: By, look: Look<'_>, found: &mut Vec<Finding>) {
        if !matches!(by.part, PartId::Scheduler(_)) || by.outlived {
            self.doubtful.insert(pod.meta.id.slot, look.now);
            return;
        }
        if self.binder.is_some_and(|binder| binder != by.part) {
            self.doubt_all(look);
            self.doubtful.remove(&pod.meta.id.slot);
        }
        self.binder = Some(by.part);
        let Some(room) = self.rooms.get(&pod.body.node_name) else { return };
        let asked = &pod.body.spec.requests;
        if excess(asked, &room.used, &room.offered).is_none() {
            return;
        }
        let mut known = room.used.clone();
        self.take_doubtful(&mut known, &pod.body.node_name, look);
        // A node that nobody has seen yet offers nothing: the binding was decided before it was deleted.
        if let Some(what) = excess(asked, &known, &room.offered).filter(|_| room.offered != Resources::default()) {
            let object = format!("node/{}", pod.body.node_name);
            found.push(Finding { object, message: format!("pod {} was bound to it: {what}", pod.meta.key()) });
        }
    }

    /// Takes the requests of those pods away of which the scheduler may not know. Looks at all pods: only where a node
    /// seems to hold too much.
    fn take_doubtful(&self, used: &mut Resources, node: &Name, look: Look<'_>) {
        let is_doubtful = |pod: &Obj<Pod>| {
            let since = self.doubtful.get(&pod.meta.id.slot);
            since.is_some_and(|since| look.now.since(*since) < DOUBT)
        };
        for pod in pods(look.store).filter(|pod| pod.body.node_name == *node && is_doubtful(pod)) {
            used.subtract(&pod.body.spec.requests);
            used.pods -= 1;
        }
    }

    fn doubt_all(&mut self, look: Look<'_>) {
        for pod in pods(look.store) {
            self.doubtful.insert(pod.meta.id.slot, look.now);
        }
    }
}

fn pods(store: &Store) -> impl Iterator<Item = &Obj<Pod>> {
    store.unordered(Kind::Pod).filter_map(taking)
}

/// What is used of something that a pod asks for beyond what is offered. Upstream: `fitsRequest`.
fn excess(asked: &Resources, used: &Resources, offered: &Resources) -> Option<String> {
    if used.pods > offered.pods {
        return Some(format!("{} pods of {}", used.pods, offered.pods));
    }
    let plain = [
        ("cpu", "m", asked.milli_cpu, used.milli_cpu, offered.milli_cpu),
        ("memory", "", asked.memory, used.memory, offered.memory),
        ("ephemeral-storage", "", asked.ephemeral_storage, used.ephemeral_storage, offered.ephemeral_storage),
    ];
    let over = plain.into_iter().find(|(_, _, asked, used, offered)| *asked > 0 && used > offered);
    if let Some((name, unit, _, used, offered)) = over {
        return Some(format!("{name} {used}{unit} of {offered}{unit} requested"));
    }
    let scalars = asked.scalar.iter().filter(|(_, asked)| **asked > 0).map(|(name, _)| {
        let of = |resources: &Resources| resources.scalar.get(name).copied().unwrap_or(0);
        (name, of(used), of(offered))
    });
    let over = scalars.into_iter().find(|(_, used, offered)| used > offered);
    over.map(|(name, used, offered)| format!("{name} {used} of {offered} requested"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::check::bench::{Bench, SCHEDULER, node, pod};

    const HAND: PartId = PartId::User;

    /// A node, and pods with these requests bound to it by these parts.
    fn bound(pods: &[(PartId, Value)]) -> Bench {
        let mut bench = Bench::new(&ENTRY);
        bench.create(HAND, node("n", "10.0.0.0/24"));
        for (index, (part, requests)) in pods.iter().enumerate() {
            let name = format!("p{index}");
            let mut requests = requests.clone();
            if let Some(device) = requests.get("example.com/device").cloned() {
                requests = json!({"example.com/device": device});
            }
            let mut manifest = pod(&name, requests.clone());
            manifest["spec"]["containers"][0]["resources"]["limits"] = requests;
            bench.create(HAND, manifest);
            bench.bind(*part, &name, "n");
        }
        bench
    }

    #[track_caller]
    fn check(requests: &[Value], expected: &str) {
        let pods: Vec<(PartId, Value)> = requests.iter().map(|requests| (SCHEDULER, requests.clone())).collect();
        bound(&pods).expect(expected);
    }

    #[test]
    fn a_scheduler_that_binds_too_much_is_caught() {
        check(&[json!({"cpu": "3"}), json!({"cpu": "1"}), json!({"memory": "8Gi"})], "");
        check(
            &[json!({"cpu": "3"}), json!({"cpu": "1001m"})],
            "node/n: pod default/p1 was bound to it: cpu 4001m of 4000m requested",
        );
        check(&[json!({}), json!({}), json!({}), json!({})], "node/n: pod default/p3 was bound to it: 4 pods of 3");
        check(
            &[json!({"example.com/device": "1"}), json!({"example.com/device": "2"})],
            "node/n: pod default/p1 was bound to it: example.com/device 3 of 2 requested",
        );
    }

    #[test]
    fn finished_and_deleted_pods_take_no_room() {
        let large = json!({"cpu": "3"});
        let mut bench = bound(&[(SCHEDULER, large.clone())]);
        bench.patch(PartId::Kubelet(0), Kind::Pod, "p0", json!({"status": {"phase": "Succeeded"}}));
        bench.create(HAND, pod("q", large.clone()));
        bench.bind(SCHEDULER, "q", "n");
        bench.delete(PartId::Kubelet(0), Kind::Pod, "q");
        bench.create(HAND, pod("r", large));
        bench.bind(SCHEDULER, "r", "n");
        bench.expect("");
    }

    #[test]
    fn what_the_scheduler_may_not_know_counts_after_an_hour() {
        let (large, small) = (json!({"cpu": "3"}), json!({"cpu": "2"}));
        let late = "node/n: pod default/q was bound to it: cpu 5000m of 4000m requested";
        let check = |mut bench: Bench, after: Span, expected: &str| {
            bench.now += after;
            bench.create(HAND, pod("q", small.clone()));
            bench.bind(SCHEDULER, "q", "n");
            bench.expect(expected);
        };
        check(bound(&[(HAND, large.clone())]), Span::ZERO, "");
        check(bound(&[(HAND, large.clone())]), DOUBT, late);
        check(bound(&[(PartId::Scheduler(1), large.clone())]), Span::ZERO, "");
        let mut restarted = bound(&[(SCHEDULER, large.clone())]);
        restarted.show(&Sight::PartStops(SCHEDULER));
        check(restarted, Span::ZERO, "");
        let mut lost = bound(&[(SCHEDULER, large.clone())]);
        let object = lost.id(Kind::Pod, "p0");
        lost.show(&Sight::AnswerLost { to: SCHEDULER, object });
        check(lost, Span::ZERO, "");
        let mut late_binding = bound(&[(SCHEDULER, large.clone())]);
        late_binding.outlived = true;
        check(late_binding, Span::ZERO, "");
        let mut shrunk = bound(&[(SCHEDULER, json!({"cpu": "1"}))]);
        shrunk.patch(PartId::Kubelet(0), Kind::Node, "n", json!({"status": {"allocatable": {"cpu": "2"}}}));
        check(shrunk, Span::ZERO, "");
        check(bound(&[(SCHEDULER, large.clone())]), Span::ZERO, late);
    }
}
