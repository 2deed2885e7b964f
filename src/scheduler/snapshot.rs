//! A cluster at one instant and the pods that wait for a node in it: what is decided without a simulation around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Cluster, Cycle, Decision, ExtensionPoint, NodeIndex, Nomination, Profile, Reservation, Reserve, SeenPods};
use crate::api::{Kind, Name, Obj, Object, ObjectId, Pod, Uid};

/// A cluster and its pending pods. Pods that are placed are taken as bound from then on.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Nodes, bound pods, and what else decisions read.
    pub cluster: Cluster,
    /// The pods without a node, in the order in which they were given.
    pub pending: Vec<Arc<Obj<Pod>>>,
}

impl Snapshot {
    /// Takes objects in any order. Pods that have ended count for nothing; bound ones are taken as they are, whether
    /// they fit or not. Of two objects of one kind and name the later counts, in the place of the earlier. What has no
    /// uid gets one that follows from its name.
    pub fn of(objects: impl IntoIterator<Item = Object>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for mut object in unique(objects) {
            if object.meta().uid == Uid(0) {
                let meta = object.meta_mut();
                meta.uid = made_up(meta.id.kind, &meta.key());
            }
            match object {
                Object::Pod(pod) if pod.body.status.phase.is_finished() => {}
                Object::Pod(pod) if pod.body.node_name.is_empty() => snapshot.pending.push(pod),
                object => snapshot.cluster.apply(&object),
            }
        }
        for pod in &snapshot.pending {
            let nominated = &pod.body.status.nominated_node_name;
            if !nominated.is_empty() {
                snapshot.cluster.nominate(pod, nominated);
            }
        }
        snapshot.cluster.nodes.refresh();
        snapshot
    }

    /// Counts all pods, for a profile whose policy wants to know which are typical.
    pub fn count_pods(&mut self) {
        let mut seen = SeenPods::default();
        let bound = self.cluster.pods.iter().map(|entry| &entry.pod);
        bound.chain(&self.pending).for_each(|pod| seen.count(pod));
        seen.renew();
        self.cluster.seen = Some(Box::new(seen));
        self.cluster.version += 1;
    }

    /// The pod runs on a node from now on, with the annotations that plugins of its profile give it. Returns it as it is
    /// there.
    pub fn bind(&mut self, profile: &Profile, pod: &Arc<Obj<Pod>>, node: NodeIndex) -> Arc<Obj<Pod>> {
        let mut bound = pod.clone();
        Arc::make_mut(&mut bound).body.node_name = self.cluster.nodes.name(node).clone();
        self.cluster.nominated.remove(pod.meta.id.slot);
        self.cluster.set_pod(&bound);
        let mut reservation = Reservation::default();
        for (_, enabled) in profile.at(ExtensionPoint::Reserve) {
            let cycle = Cycle { pod, cluster: &self.cluster, args: &profile.args };
            if let Reserve::Annotations(annotations) = enabled.entry.plugin.reserve(&cycle, node) {
                let meta = &mut Arc::make_mut(&mut bound).meta;
                meta.annotations = reservation.annotate(&meta.annotations, annotations);
                self.cluster.annotate(&bound);
            }
        }
        bound
    }

    /// Carries out a decision: binds the pod to the chosen node, or removes the victims of a preemption and binds the
    /// pod to the nominated node. Returns where it is now, if anywhere.
    pub fn carry_out(
        &mut self,
        profile: &Profile,
        pod: &Arc<Obj<Pod>>,
        decision: &Decision,
        chosen: Option<NodeIndex>,
    ) -> Option<NodeIndex> {
        let nomination = decision.nomination();
        for victim in nomination.iter().flat_map(|nomination| &nomination.victims) {
            self.cluster.remove_pod(victim.meta.id.slot);
        }
        let node = chosen.or(nomination.map(|nomination| nomination.node))?;
        self.bind(profile, pod, node);
        Some(node)
    }
}

impl Decision {
    /// The node that preemption has nominated, and its victims.
    pub fn nomination(&self) -> Option<&Nomination> {
        self.failure.as_ref()?.nominated.as_ref()
    }
}

/// The last object of each kind and name, in the place of the first, with numbers as the API server would give them
/// out. What has no name yet is an object of its own.
fn unique(objects: impl IntoIterator<Item = Object>) -> Vec<Object> {
    let mut places: BTreeMap<(Kind, Name, Name), usize> = BTreeMap::new();
    let mut counts: BTreeMap<Kind, u32> = BTreeMap::new();
    let mut kept: Vec<Object> = Vec::new();
    for mut object in objects {
        let meta = object.meta_mut();
        let kind = meta.id.kind;
        let key = (kind, meta.namespace.clone(), meta.name.clone());
        if let Some(place) = places.get(&key).filter(|_| !meta.name.is_empty()) {
            meta.id = kept[*place].meta().id;
            kept[*place] = object;
            continue;
        }
        let slot = counts.entry(kind).or_default();
        meta.id = ObjectId { kind, slot: *slot };
        *slot += 1;
        places.insert(key, kept.len());
        kept.push(object);
    }
    kept
}

fn made_up(kind: Kind, key: &str) -> Uid {
    let path = format!("{kind:?}/{key}");
    Uid(xxhash_rust::xxh3::xxh3_128(path.as_bytes()))
}
