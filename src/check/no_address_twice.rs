//! No two live pods have one address.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::invariant::{By, Finding, Invariant, InvariantEntry, Look, Sight};
use crate::api::{Kind, Name, Node, Obj, Object, ObjectId, Pod};
use crate::event::{ChangeKind, PartId};
use crate::store::{Commit, Store};

pub(super) static ENTRY: InvariantEntry = InvariantEntry {
    name: "no-address-twice",
    doc: "No two pods that have not finished have one IP address: the ranges of nodes differ, and a node gives an address \
          to one pod at a time. Between two pods of one node it is judged when the kubelet has written the status of the \
          one that had the address first twice more: the node may have taken it back without having said so yet, and \
          one write may have been under way.",
    leaves_out: "Pods on the host's network. Pods of nodes that were deleted at any time, whose ranges may be given to \
                 others while kubelets go on. Nodes to which one range was given twice, as two controller-managers may \
                 when one takes over from the other. Second addresses.",
    source: "pkg/controller/nodeipam, the host-local plugin of CNI",
    needs: None,
    kinds: &[Kind::Pod, Kind::Node],
    build: || Box::new(NoAddressTwice::default()),
};

#[derive(Clone, Debug, Default)]
struct NoAddressTwice {
    /// Which pod has an address. Looked up, never iterated.
    holders: FxHashMap<IpAddr, u32>,
    /// Pods that were given an address which another pod of their node had, by that other. Looked up, never iterated.
    waiting: FxHashMap<u32, Waiting>,
    /// The nodes that were deleted at any time. Looked up, never iterated.
    deleted: FxHashMap<Name, ()>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// The pod that was given the address.
    pod: u32,
    /// Whether the status of the pod that had it has been written since.
    written: bool,
}

impl Invariant for NoAddressTwice {
    fn observe(&mut self, sight: &Sight<'_>, look: Look<'_>, found: &mut Vec<Finding>) {
        match *sight {
            Sight::Commit(commit, by) => match &commit.object {
                Object::Pod(_) => self.pod(commit, by, look, found),
                Object::Node(node) => {
                    if commit.kind == ChangeKind::Deleted {
                        self.deleted.insert(node.meta.name.clone(), ());
                    }
                }
                Object::Namespace(_)
                | Object::Deployment(_)
                | Object::ReplicaSet(_)
                | Object::Event(_)
                | Object::Lease(_)
                | Object::Untyped(_) => {}
            },
            Sight::PodStarts { .. }
            | Sight::PodStops { .. }
            | Sight::PowerOff { .. }
            | Sight::PartStops(_)
            | Sight::AnswerLost { .. }
            | Sight::Rest => {}
        }
    }

    fn boxed_clone(&self) -> Box<dyn Invariant> {
        Box::new(self.clone())
    }
}

/// The address of a pod that has not finished and has one of its own.
fn address(object: &Object) -> Option<IpAddr> {
    object.get::<Pod>().and_then(|pod| address_of(pod))
}

fn address_of(pod: &Obj<Pod>) -> Option<IpAddr> {
    let status = &pod.body.status;
    let address = status.pod_ips.first?;
    let shared = pod.body.spec.full.host_network == Some(true);
    (!status.phase.is_finished() && !shared).then_some(address)
}

impl NoAddressTwice {
    fn pod(&mut self, commit: &Commit, by: By, look: Look<'_>, found: &mut Vec<Finding>) {
        let before = commit.before.as_ref().and_then(address);
        let after = if commit.kind == ChangeKind::Deleted { None } else { address(&commit.object) };
        let slot = commit.object.meta().id.slot;
        if before != after {
            if let Some(before) = before {
                self.release(before, slot);
            }
            if let Some(after) = after {
                self.take(after, slot, look, found);
            }
        }
        if let (Some(address), PartId::Kubelet(_), false) = (after, by.part, by.outlived) {
            self.confirmed(address, slot, look, found);
        }
    }

    /// A kubelet says that a pod has its address still.
    fn confirmed(&mut self, address: IpAddr, slot: u32, look: Look<'_>, found: &mut Vec<Finding>) {
        if self.waiting.is_empty() || self.holders.get(&address) != Some(&slot) {
            return;
        }
        match self.waiting.get_mut(&slot) {
            Some(waiting) if waiting.written => {
                let second = waiting.pod;
                self.waiting.remove(&slot);
                self.judge(address, slot, second, look, found);
            }
            Some(waiting) => waiting.written = true,
            None => {}
        }
    }

    fn release(&mut self, address: IpAddr, slot: u32) {
        if self.holders.get(&address) == Some(&slot) {
            match self.waiting.remove(&slot) {
                Some(next) => self.holders.insert(address, next.pod),
                None => self.holders.remove(&address),
            };
        }
    }

    fn take(&mut self, address: IpAddr, slot: u32, look: Look<'_>, found: &mut Vec<Finding>) {
        let has_it = |holder: u32| pod_of(look.store, holder).is_some_and(|pod| address_of(pod) == Some(address));
        let Some(holder) = self.holders.get(&address).copied().filter(|holder| *holder != slot && has_it(*holder))
        else {
            self.holders.insert(address, slot);
            return;
        };
        let node = |slot| pod_of(look.store, slot).map(|pod| pod.body.node_name.clone());
        if node(holder) == node(slot) {
            self.waiting.insert(holder, Waiting { pod: slot, written: false });
        } else {
            self.judge(address, holder, slot, look, found);
        }
    }

    /// Two pods have one address. It is wrong, unless their nodes may have one range.
    fn judge(&self, address: IpAddr, holder: u32, second: u32, look: Look<'_>, found: &mut Vec<Finding>) {
        let (Some(first), Some(second)) = (pod_of(look.store, holder), pod_of(look.store, second)) else { return };
        if address_of(second) != Some(address) {
            return;
        }
        let nodes = [&first.body.node_name, &second.body.node_name];
        let excused = nodes.iter().any(|node| self.deleted.contains_key(*node));
        let ranges = nodes.map(|node| range(look.store, node));
        if excused || (nodes[0] != nodes[1] && ranges[0] == ranges[1]) {
            return;
        }
        let message = format!("{address} belongs to it and to {} as well", first.meta.key());
        found.push(Finding { object: format!("pod/{}", second.meta.key()), message });
    }
}

fn pod_of(store: &Store, slot: u32) -> Option<&std::sync::Arc<Obj<Pod>>> {
    store.by_id(ObjectId { kind: Kind::Pod, slot }).and_then(|object| object.get::<Pod>())
}

fn range<'a>(store: &'a Store, node: &str) -> Option<&'a str> {
    store.by_name(Kind::Node, "", node).and_then(|node| node.get::<Node>())?.body.spec.pod_cidr.as_deref()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::bench::{Bench, SCHEDULER, node, pod};

    /// Pods `p0`, `p1`, … on these nodes, all with one address.
    fn with_one_address(nodes: &[&str]) -> Bench {
        let mut bench = Bench::new(&ENTRY);
        bench.create(PartId::User, node("a", "10.0.0.0/24"));
        bench.create(PartId::User, node("b", "10.0.1.0/24"));
        bench.create(PartId::User, node("c", "10.0.0.0/24"));
        for (index, at) in nodes.iter().enumerate() {
            let name = format!("p{index}");
            bench.create(PartId::User, pod(&name, json!({})));
            bench.bind(SCHEDULER, &name, at);
            report(&mut bench, &name, "10.0.0.2");
        }
        bench
    }

    #[track_caller]
    fn report(bench: &mut Bench, pod: &str, address: &str) {
        let ips = json!([{"ip": address}]);
        let status = json!({"status": {"phase": "Running", "podIP": address, "podIPs": ips}});
        bench.patch(PartId::Kubelet(0), Kind::Pod, pod, status);
    }

    const BOTH: &str = "pod/default/p1: 10.0.0.2 belongs to it and to default/p0 as well";

    #[test]
    fn two_nodes_that_give_one_address_are_caught() {
        with_one_address(&["a", "b"]).expect(BOTH);
        with_one_address(&["a", "c"]).expect("");
        with_one_address(&["a"]).expect("");
    }

    #[test]
    fn a_node_may_give_an_address_anew_before_it_has_said_that_it_is_free() {
        let mut bench = with_one_address(&["a", "a"]);
        bench.expect("");
        bench.patch(PartId::Kubelet(0), Kind::Pod, "p0", json!({"status": {"phase": "Failed"}}));
        bench.expect("");
        bench.create(PartId::User, pod("p2", json!({})));
        bench.bind(SCHEDULER, "p2", "b");
        report(&mut bench, "p2", "10.0.0.2");
        bench.expect("pod/default/p2: 10.0.0.2 belongs to it and to default/p1 as well");

        let mut bench = with_one_address(&["a", "a"]);
        bench.patch(PartId::Kubelet(0), Kind::Pod, "p0", json!({"status": {"message": "under way"}}));
        bench.expect("");
        bench.patch(PartId::Kubelet(0), Kind::Pod, "p0", json!({"status": {"message": "still here"}}));
        bench.expect(BOTH);
    }

    #[test]
    fn what_was_a_nodes_may_be_another_nodes_once_it_is_deleted() {
        let mut bench = with_one_address(&["a"]);
        bench.delete(PartId::User, Kind::Node, "a");
        bench.create(PartId::User, pod("p1", json!({})));
        bench.bind(SCHEDULER, "p1", "b");
        report(&mut bench, "p1", "10.0.0.2");
        bench.expect("");
    }
}
