//! Nodes as decisions read them: a row of integers each, and the rest beside.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cards::{self, CardModels, NodeCards};
use super::policies::ResourceVector;
use super::{ChangeLog, ClassIndex, Images, NodeChange, NodeTree, TaintSets};
use crate::api::text::is_qualified_name;
use crate::api::{Name, Node, Obj, Pod, PodSpec};
use crate::kernel::Chunks;

/// The number of a node, given out by the scheduler in the order in which it first hears of the name.
pub type NodeIndex = u32;

/// What the loop over nodes reads: 96 bytes, no pointers. CPU in millicores, the rest in bytes or pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeRow {
    /// Allocatable CPU.
    pub milli_cpu: i64,
    /// Allocatable memory.
    pub memory: i64,
    /// Allocatable ephemeral storage.
    pub ephemeral_storage: i64,
    /// Allocatable pods.
    pub max_pods: i64,
    /// CPU that its pods ask for.
    pub used_milli_cpu: i64,
    /// Memory that its pods ask for.
    pub used_memory: i64,
    /// Ephemeral storage that its pods ask for.
    pub used_ephemeral_storage: i64,
    /// CPU that its pods count for in scores: 100m for a container that asks for nothing.
    pub scored_milli_cpu: i64,
    /// Memory that its pods count for in scores: 200 MiB for a container that asks for nothing.
    pub scored_memory: i64,
    /// Number of its pods.
    pub pods: i64,
    /// The number of its list of taints.
    pub taints: u32,
    /// Whether `spec.unschedulable` is set.
    pub unschedulable: bool,
    /// Whether the Node object is there; pods may be bound to a name without one.
    pub present: bool,
}

impl NodeRow {
    /// Counts a pod in, or out where `sign` is -1. Other resources are counted in [`NodeInfo`].
    pub fn count(&mut self, pod: &Pod, sign: i64) {
        let (asked, scored) = (pod.requests(false), pod.requests(true));
        self.used_milli_cpu += sign * asked.milli_cpu;
        self.used_memory += sign * asked.memory;
        self.used_ephemeral_storage += sign * asked.ephemeral_storage;
        self.scored_milli_cpu += sign * scored.milli_cpu;
        self.scored_memory += sign * scored.memory;
        self.pods += sign;
    }
}

/// A node as plugins see it: as it is, or as it would be with other pods.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    /// Its number.
    pub index: NodeIndex,
    /// Its row.
    pub row: &'a NodeRow,
    /// What else there is of it.
    pub info: &'a NodeInfo,
}

/// A node as it would be. Upstream: a clone of `NodeInfo`.
#[derive(Clone, Debug)]
pub struct NodeDraft {
    /// Its number.
    pub index: NodeIndex,
    /// Its row.
    pub row: NodeRow,
    /// What else there is of it.
    pub info: NodeInfo,
}

impl NodeDraft {
    /// A copy of a node as it is seen.
    pub fn of(node: NodeView) -> NodeDraft {
        NodeDraft { index: node.index, row: *node.row, info: node.info.clone() }
    }

    /// The node as plugins see it.
    pub fn view(&self) -> NodeView<'_> {
        NodeView { index: self.index, row: &self.row, info: &self.info }
    }

    /// Puts a pod of a class there.
    pub fn add_pod(&mut self, pod: &Arc<Obj<Pod>>, class: ClassIndex) {
        self.info.add_pod(&mut self.row, pod, class);
    }

    /// Takes a pod of a class off.
    pub fn remove_pod(&mut self, pod: &Obj<Pod>, class: ClassIndex) {
        self.info.remove_pod(&mut self.row, pod, class);
    }
}

/// A port of the host that a pod takes. Upstream: `framework.HostPortInfo`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPort {
    /// The address; `0.0.0.0` for all.
    pub ip: Name,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Name,
    /// The number.
    pub port: i32,
}

impl HostPort {
    const ANY: &'static str = "0.0.0.0";

    /// The host ports of a pod: of containers and sidecars. Upstream: `schedutil.GetHostPorts`.
    pub fn of_pod(spec: &PodSpec) -> Vec<HostPort> {
        let sidecars = spec.init_containers().iter().filter(|c| c.restart_policy.as_deref() == Some("Always"));
        let ports = sidecars.chain(spec.containers()).flat_map(|container| container.ports.iter().flatten());
        let filled = |text: &Option<String>, default: &str| -> Name {
            text.as_deref().filter(|text| !text.is_empty()).unwrap_or(default).into()
        };
        ports
            .filter_map(|port| {
                let number = port.host_port.filter(|number| *number > 0)?;
                Some(HostPort {
                    ip: filled(&port.host_ip, HostPort::ANY),
                    protocol: filled(&port.protocol, "TCP"),
                    port: number,
                })
            })
            .collect()
    }

    /// Whether the two cannot be taken on one node. Upstream: `HostPortInfo.CheckConflict`.
    pub fn conflicts(&self, other: &HostPort) -> bool {
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || self.ip == HostPort::ANY || other.ip == HostPort::ANY)
    }
}

/// What is read of a node only where a pod asks for it. Upstream: `framework.NodeInfo`.
#[derive(Clone, Debug, Default)]
pub struct NodeInfo {
    /// The name.
    pub name: Name,
    /// The object, while it is there.
    pub node: Option<Arc<Obj<Node>>>,
    /// Its pods, assumed ones included, in no order that means anything.
    pub pods: Vec<Arc<Obj<Pod>>>,
    /// How many pods of each class it has, by rising class.
    pub classes: Vec<(ClassIndex, u32)>,
    /// Ports of the host that are taken, each once: as upstream, it is free again when the first of two pods that
    /// share it goes.
    pub ports: Vec<HostPort>,
    /// Its images by number, sorted.
    pub images: Vec<u32>,
    /// Other resources that it offers.
    pub scalar: BTreeMap<Name, i64>,
    /// Other resources that its pods ask for.
    pub used_scalar: BTreeMap<Name, i64>,
    /// Its cards, if it has any that are shared.
    pub cards: Option<Box<NodeCards>>,
}

impl NodeInfo {
    /// Upstream: `NodeInfo.AddPod`.
    fn add_pod(&mut self, row: &mut NodeRow, pod: &Arc<Obj<Pod>>, class: ClassIndex) {
        self.account(row, &pod.body, 1);
        self.count_cards(pod, 1);
        self.pods.push(pod.clone());
        match self.classes.binary_search_by_key(&class, |(class, _)| *class) {
            Ok(at) => self.classes[at].1 += 1,
            Err(at) => self.classes.insert(at, (class, 1)),
        }
        for port in HostPort::of_pod(&pod.body.spec) {
            if !self.ports.contains(&port) {
                self.ports.push(port);
            }
        }
    }

    /// Upstream: `NodeInfo.RemovePod`.
    fn remove_pod(&mut self, row: &mut NodeRow, pod: &Obj<Pod>, class: ClassIndex) {
        self.account(row, &pod.body, -1);
        self.count_cards(pod, -1);
        if let Some(at) = self.pods.iter().position(|other| other.meta.id == pod.meta.id) {
            self.pods.swap_remove(at);
        }
        if let Ok(at) = self.classes.binary_search_by_key(&class, |(class, _)| *class) {
            self.classes[at].1 -= 1;
            if self.classes[at].1 == 0 {
                self.classes.remove(at);
            }
        }
        for port in HostPort::of_pod(&pod.body.spec) {
            self.ports.retain(|taken| *taken != port);
        }
    }

    fn count_cards(&mut self, pod: &Obj<Pod>, sign: i32) {
        if let Some(cards) = &mut self.cards {
            cards.count(&pod.meta.annotations, sign);
        }
    }

    /// Takes in what its Node says of cards.
    fn set_cards(&mut self, offered: Option<Box<NodeCards>>) {
        let is_same = match (&self.cards, &offered) {
            (None, None) => true,
            (Some(cards), Some(offered)) => cards.is_as(offered),
            (_, _) => false,
        };
        if !is_same {
            self.cards = offered;
            if let Some(cards) = &mut self.cards {
                self.pods.iter().for_each(|pod| cards.count(&pod.meta.annotations, 1));
            }
        }
    }

    fn account(&mut self, row: &mut NodeRow, pod: &Pod, sign: i64) {
        row.count(pod, sign);
        for (name, amount) in &pod.requests(false).scalar {
            *self.used_scalar.entry(name.clone()).or_default() += sign * amount;
        }
    }
}

/// All nodes.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    rows: Vec<NodeRow>,
    infos: Chunks<NodeInfo>,
    numbers: BTreeMap<Name, NodeIndex>,
    tree: NodeTree,
    order: Vec<NodeIndex>,
    order_is_stale: bool,
    largest: (ResourceVector, i64),
    largest_is_stale: bool,
    /// What has changed of late.
    pub log: ChangeLog,
    /// Lists of taints.
    pub taints: TaintSets,
    /// Images.
    pub images: Images,
    /// Models of cards.
    pub card_models: CardModels,
}

impl Nodes {
    /// The row of a node.
    pub fn row(&self, node: NodeIndex) -> &NodeRow {
        &self.rows[node as usize]
    }

    /// All rows by number, nodes that are gone included.
    pub fn rows(&self) -> &[NodeRow] {
        &self.rows
    }

    /// What else there is of a node.
    pub fn info(&self, node: NodeIndex) -> &NodeInfo {
        self.infos.get(node).expect("a node that has a number has an info")
    }

    /// A node as plugins see it.
    pub fn view(&self, node: NodeIndex) -> NodeView<'_> {
        NodeView { index: node, row: self.row(node), info: self.info(node) }
    }

    /// A copy of a node, to be changed in thought.
    pub fn draft(&self, node: NodeIndex) -> NodeDraft {
        NodeDraft::of(self.view(node))
    }

    /// The name of a node.
    pub fn name(&self, node: NodeIndex) -> &Name {
        &self.info(node).name
    }

    /// The number of a node that is there.
    pub fn find(&self, name: &str) -> Option<NodeIndex> {
        let node = *self.numbers.get(name)?;
        self.row(node).present.then_some(node)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The nodes that are there, in the order in which they are looked at, as of the last [`Nodes::refresh`].
    pub fn order(&self) -> &[NodeIndex] {
        &self.order
    }

    /// Brings the order up to date. Upstream does so with the snapshot at the start of each cycle.
    pub fn refresh(&mut self) {
        if std::mem::take(&mut self.order_is_stale) {
            self.order = self.tree.list();
        }
        if std::mem::take(&mut self.largest_is_stale) {
            let before = std::mem::take(&mut self.largest);
            for node in 0..self.rows.len() {
                let offered = cards::capacity_of(&self.rows[node]);
                self.largest.0.iter_mut().zip(offered).for_each(|(largest, offered)| *largest = offered.max(*largest));
                let cards = self.info(node as NodeIndex).cards.as_ref().map_or(0, |cards| cards.capacity());
                self.largest.1 = self.largest.1.max(cards);
            }
            if before != self.largest {
                self.log.begin_epoch();
            }
        }
    }

    /// The most that any node offers, by resource and in thousandths of cards, as of the last [`Nodes::refresh`].
    pub fn largest(&self) -> (ResourceVector, i64) {
        self.largest
    }

    /// The number of a name, new where it was never heard of.
    pub fn number(&mut self, name: &Name) -> NodeIndex {
        if let Some(node) = self.numbers.get(name) {
            return *node;
        }
        let node = self.rows.len() as NodeIndex;
        self.rows.push(NodeRow::default());
        self.infos.set(node, NodeInfo { name: name.clone(), ..NodeInfo::default() });
        self.numbers.insert(name.clone(), node);
        node
    }

    fn parts(&mut self, node: NodeIndex) -> (&mut NodeRow, &mut NodeInfo) {
        let info = self.infos.get_mut(node).expect("a node that has a number has an info");
        (&mut self.rows[node as usize], info)
    }

    /// Takes in a new or changed Node.
    pub fn set(&mut self, object: &Arc<Obj<Node>>) -> NodeIndex {
        let node = self.number(&object.meta.name);
        let taints = self.taints.number(object.body.taints());
        let zone = NodeTree::zone_of(&object.meta);
        let before = self.info(node).node.clone();
        match before.as_ref().map(|before| NodeTree::zone_of(&before.meta)) {
            Some(old_zone) if old_zone == zone => {}
            old_zone => {
                if let Some(old_zone) = old_zone {
                    self.tree.remove(&old_zone, node);
                }
                self.tree.add(&zone, node);
                self.order_is_stale = true;
            }
        }
        let images = object.body.status.images.as_deref().unwrap_or_default();
        if before.as_ref().is_none_or(|before| before.body.status.images.as_deref().unwrap_or_default() != images) {
            let old = self.info(node).images.clone();
            self.images.remove(&old);
            let new = self.images.add(images);
            self.parts(node).1.images = new;
            self.log.begin_epoch();
        }
        if before.as_ref().is_none_or(|before| before.meta.labels != object.meta.labels) {
            self.log.begin_epoch();
        }
        let offers = object.body.allocatable();
        let offered_cards = NodeCards::of(object, &mut self.card_models);
        let (row, info) = self.parts(node);
        let old = *row;
        let same_scalar = info.scalar == offers.scalar;
        row.milli_cpu = offers.milli_cpu;
        row.memory = offers.memory;
        row.ephemeral_storage = offers.ephemeral_storage;
        row.max_pods = offers.pods;
        row.taints = taints;
        row.unschedulable = object.body.is_unschedulable();
        row.present = true;
        let is_changed = *row != old || !same_scalar;
        info.scalar = offers.scalar;
        info.node = Some(object.clone());
        info.set_cards(offered_cards);
        if is_changed {
            self.largest_is_stale = true;
            self.log.push(node, NodeChange::Object);
        }
        node
    }

    /// A Node is gone; pods that are bound to its name stay accounted for.
    pub fn remove(&mut self, name: &str) {
        let Some(node) = self.find(name) else { return };
        let images = std::mem::take(&mut self.parts(node).1.images);
        self.images.remove(&images);
        let (row, info) = self.parts(node);
        *row = NodeRow {
            milli_cpu: 0,
            memory: 0,
            ephemeral_storage: 0,
            max_pods: 0,
            taints: 0,
            unschedulable: false,
            present: false,
            ..*row
        };
        info.scalar.clear();
        info.cards = None;
        if let Some(object) = info.node.take() {
            self.tree.remove(&NodeTree::zone_of(&object.meta), node);
        }
        self.log.begin_epoch();
        self.order_is_stale = true;
        self.largest_is_stale = true;
    }

    /// Puts a pod of a class on a node.
    pub(super) fn add_pod(&mut self, node: NodeIndex, pod: &Arc<Obj<Pod>>, class: ClassIndex) {
        let (row, info) = self.parts(node);
        info.add_pod(row, pod, class);
        self.log.push(node, NodeChange::Pod { class, count: 1 });
    }

    /// Takes a pod of a class off a node.
    pub(super) fn remove_pod(&mut self, node: NodeIndex, pod: &Obj<Pod>, class: ClassIndex) {
        let (row, info) = self.parts(node);
        info.remove_pod(row, pod, class);
        self.log.push(node, NodeChange::Pod { class, count: -1 });
    }

    /// Replaces a pod by a newer state of itself that asks for the same.
    pub(super) fn replace_pod(
        &mut self,
        node: NodeIndex,
        pod: &Arc<Obj<Pod>>,
        class: ClassIndex,
        new_class: ClassIndex,
    ) {
        let info = self.parts(node).1;
        if let Some(old) = info.pods.iter_mut().find(|old| old.meta.id == pod.meta.id) {
            *old = pod.clone();
        }
        if class != new_class {
            let (row, info) = self.parts(node);
            info.remove_pod(row, pod, class);
            info.add_pod(row, pod, new_class);
            self.log.push(node, NodeChange::Pod { class, count: -1 });
            self.log.push(node, NodeChange::Pod { class: new_class, count: 1 });
        }
    }

    /// A pod of a node has been given cards there, as its annotations say now. What is kept of answers about the node
    /// is stale already: the pod has come since.
    pub(super) fn annotate_pod(&mut self, node: NodeIndex, pod: &Arc<Obj<Pod>>) {
        let info = self.parts(node).1;
        if let Some(at) = info.pods.iter().rposition(|old| old.meta.id == pod.meta.id) {
            let old = std::mem::replace(&mut info.pods[at], pod.clone());
            info.count_cards(&old, -1);
            info.count_cards(pod, 1);
        }
    }

    /// The labels of a node that is there.
    pub fn label(&self, node: NodeIndex, key: &str) -> Option<&str> {
        self.info(node).node.as_ref()?.meta.labels.get(key).map(Name::as_str)
    }
}

/// Whether a resource is one that the scheduler counts beside CPU, memory and ephemeral storage.
/// Upstream: `schedutil.IsScalarResourceName`.
pub(super) fn is_scalar_resource(name: &str) -> bool {
    is_extended_resource(name)
        || name.starts_with("hugepages-")
        || name.starts_with("attachable-volumes-")
        || name.contains("kubernetes.io/")
}

/// Upstream: `v1helper.IsExtendedResourceName`.
pub(super) fn is_extended_resource(name: &str) -> bool {
    name.contains('/')
        && !name.contains("kubernetes.io/")
        && !name.starts_with("requests.")
        && is_qualified_name(&format!("requests.{name}")).is_empty()
}
