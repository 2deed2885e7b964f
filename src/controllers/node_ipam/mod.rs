//! The node IPAM controller: each node gets a range of the pod network of its own.
//!
//! Follows the range allocator of Kubernetes 1.34 (`pkg/controller/nodeipam/ipam/range_allocator.go`). As upstream does,
//! it may give a node a second range while its cache does not show the first; the API server refuses that, and the
//! range goes back. Left out: the cloud allocators; Events come from `node-ipam-controller`, upstream's from
//! `cidrAllocator`.

mod cidr_set;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use cidr_set::CidrSet;

use crate::api::{Cidr, EventType, Kind, Name, Node, Obj, ObjectId};
use crate::client::{
    Controller, ControllerEntry, Flag, FlagValue, Flags, Observed, Outcome, Plan, View, Watches, WorkQueue,
};
use crate::event::{ChangeKind, ErrorReason, Patch, PatchKind, Reply, Request, Subresource, Target};

/// `--allocate-node-cidrs`.
pub const ALLOCATE_NODE_CIDRS: Flag = Flag {
    name: "allocate-node-cidrs",
    default: FlagValue::Bool(false),
    doc: "whether nodes get ranges of the pod network in spec.podCIDRs",
};
/// `--cluster-cidr`.
pub const CLUSTER_CIDR: Flag = Flag {
    name: "cluster-cidr",
    default: FlagValue::Text("10.244.0.0/16"),
    doc: "the range of the pod network, or one IPv4 and one IPv6 range with a comma between",
};
/// `--node-cidr-mask-size-ipv4`.
pub const NODE_CIDR_MASK_SIZE_IPV4: Flag = Flag {
    name: "node-cidr-mask-size-ipv4",
    default: FlagValue::Int(24),
    doc: "bits that all IPv4 addresses of a node's range share",
};
/// `--node-cidr-mask-size-ipv6`.
pub const NODE_CIDR_MASK_SIZE_IPV6: Flag = Flag {
    name: "node-cidr-mask-size-ipv6",
    default: FlagValue::Int(64),
    doc: "bits that all IPv6 addresses of a node's range share",
};
/// `--service-cluster-ip-range`.
pub const SERVICE_CLUSTER_IP_RANGE: Flag = Flag {
    name: "service-cluster-ip-range",
    default: FlagValue::Text(""),
    doc: "the range of Services, or two with a comma between, which no node gets a part of",
};
/// How many nodes are worked on at a time. Upstream: the constant `cidrUpdateWorkers`.
pub const CIDR_UPDATE_WORKERS: Flag = Flag {
    name: "cidr-update-workers",
    default: FlagValue::Int(30),
    doc: "nodes that get their ranges at a time; a constant upstream",
};

/// The controller's line in the registry.
pub static ENTRY: ControllerEntry = ControllerEntry {
    name: "node-ipam-controller",
    doc: "gives each node a range of the pod network, where --allocate-node-cidrs is set",
    source: "pkg/controller/nodeipam",
    watches: Watches::Kinds(&[Kind::Node]),
    workers: &CIDR_UPDATE_WORKERS,
    flags: &[
        &ALLOCATE_NODE_CIDRS,
        &CLUSTER_CIDR,
        &NODE_CIDR_MASK_SIZE_IPV4,
        &NODE_CIDR_MASK_SIZE_IPV6,
        &SERVICE_CLUSTER_IP_RANGE,
    ],
    build: |flags| Box::new(NodeIpamController::new(flags)),
};

/// How often a node's patch is tried. Upstream: `cidrUpdateRetries`.
const PATCH_TRIES: u32 = 3;
/// The label of that step.
const PATCHED: u32 = 0;

/// The node IPAM controller's memory.
#[derive(Clone, Debug)]
pub struct NodeIpamController {
    /// One set a cluster range; none at all where nodes get no ranges; an error where the flags make no sense.
    sets: Result<Vec<CidrSet>, Name>,
    running: BTreeMap<ObjectId, Work>,
}

/// The patch of a node that is under way.
#[derive(Clone, Debug)]
struct Work {
    node: Arc<Obj<Node>>,
    ranges: Vec<Cidr>,
    tries: u32,
}

/// Says what is wrong with the flags of this controller, if anything is.
///
/// # Errors
/// A range that is none, more than one of a family, or one that cannot be cut as wanted. Upstream's process does not
/// start then; here the controller fails for every node.
pub fn check_flags(flags: &Flags) -> Result<(), String> {
    sets(flags).map(|_| ())
}

fn sets(flags: &Flags) -> Result<Vec<CidrSet>, String> {
    if !flags.bool(&ALLOCATE_NODE_CIDRS) {
        return Ok(Vec::new());
    }
    let clusters = ranges(flags, &CLUSTER_CIDR)?;
    let one_family = clusters.len() == 2 && clusters[0].is_ipv6() == clusters[1].is_ipv6();
    if clusters.is_empty() || clusters.len() > 2 || one_family {
        return Err(format!("--{}: one range is needed, or one of each family", CLUSTER_CIDR.name));
    }
    let mut sets = Vec::new();
    for cluster in clusters {
        let flag = if cluster.is_ipv6() { &NODE_CIDR_MASK_SIZE_IPV6 } else { &NODE_CIDR_MASK_SIZE_IPV4 };
        let bits = u8::try_from(flags.int(flag)).map_err(|_| format!("--{}: not a number of bits", flag.name))?;
        sets.push(CidrSet::new(cluster, bits)?);
    }
    for services in ranges(flags, &SERVICE_CLUSTER_IP_RANGE)? {
        for set in sets.iter_mut().filter(|set| set.overlaps(services)) {
            set.occupy(services)?;
        }
    }
    Ok(sets)
}

fn ranges(flags: &Flags, flag: &Flag) -> Result<Vec<Cidr>, String> {
    let words = flags.text(flag).split(',').map(str::trim).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|error| format!("--{}: {error}", flag.name))).collect()
}

impl NodeIpamController {
    fn new(flags: &Flags) -> NodeIpamController {
        NodeIpamController { sets: sets(flags).map_err(Name::from), running: BTreeMap::new() }
    }

    /// Marks what a node has as in use. Upstream: `occupyCIDRs`.
    fn occupy(&mut self, node: &Obj<Node>) -> Result<(), String> {
        self.each_range(node, |set, range| {
            set.occupy(range).map_err(|error| {
                format!("failed to mark cidr[{range}] as occupied for node: {}: {error}", node.meta.name)
            })
        })
    }

    /// Marks what a node has as free. Upstream: `ReleaseCIDR`.
    fn release(&mut self, node: &Obj<Node>) -> Result<(), String> {
        self.each_range(node, |set, range| {
            set.release(range).map_err(|error| format!("error when releasing CIDR {range}: {error}"))
        })
    }

    fn each_range(
        &mut self,
        node: &Obj<Node>,
        mut work: impl FnMut(&mut CidrSet, Cidr) -> Result<(), String>,
    ) -> Result<(), String> {
        let sets = self.sets.as_mut().map_err(|error| error.to_string())?;
        for (index, text) in pod_cidrs(node).iter().enumerate() {
            let name = &node.meta.name;
            let range = text.parse().map_err(|_| format!("failed to parse node {name}, CIDR {text}"))?;
            let set = sets.get_mut(index).ok_or_else(|| {
                format!(
                    "node:{name} has an allocated cidr: {text} at index:{index} that does not exist in cluster cidrs \
                     configuration"
                )
            })?;
            work(set, range)?;
        }
        Ok(())
    }

    /// Takes a range from each set. Upstream leaks those that were taken before one set had none, and so do we.
    fn allocate(&mut self, node: &Arc<Obj<Node>>, plan: &mut Plan) -> Option<Vec<Cidr>> {
        let mut ranges = Vec::new();
        for (index, set) in self.sets.as_mut().ok()?.iter_mut().enumerate() {
            let Some(range) = set.allocate_next() else {
                record(node, "CIDRNotAvailable", plan);
                plan.fail(ecow::eco_format!(
                    "failed to allocate cidr from cluster cidr at idx:{index}: CIDR allocation failed; there are no \
                     remaining CIDRs left to allocate in the accepted range"
                ));
                return None;
            };
            ranges.push(range);
        }
        Some(ranges)
    }

    fn patched(&mut self, key: ObjectId, mut work: Work, reply: &Reply, plan: &mut Plan) {
        let Err(error) = reply else { return };
        work.tries += 1;
        if work.tries < PATCH_TRIES {
            plan.ask(PATCHED, patch(key, &work.ranges));
            self.running.insert(key, work);
            return;
        }
        record(&work.node, "CIDRAssignmentFailed", plan);
        plan.fail(error.message.clone());
        // After a time-out the node may have got its ranges all the same.
        if error.reason != ErrorReason::Timeout
            && let Ok(sets) = &mut self.sets
        {
            for (set, range) in sets.iter_mut().zip(work.ranges) {
                set.release(range).expect("the range came from this set");
            }
        }
    }
}

impl Controller for NodeIpamController {
    fn entry(&self) -> &'static ControllerEntry {
        &ENTRY
    }

    fn observe(&mut self, change: Observed, _view: &View, queue: &mut WorkQueue) {
        let Some(node) = change.new.get::<Node>() else { return };
        if self.sets.as_ref().is_ok_and(Vec::is_empty) {
            return;
        }
        match change.kind {
            ChangeKind::Added => {
                // Upstream's constructor occupies what all nodes have before the first one gets anything. What is
                // wrong with a node's ranges comes up when its key is worked on.
                let _ = self.occupy(node);
                queue.add(node.meta.id, change.cause);
            }
            ChangeKind::Modified => queue.add(node.meta.id, change.cause),
            ChangeKind::Deleted => {
                // Upstream logs what is wrong with the ranges of a node that is gone.
                let _ = self.release(node);
                queue.forget(node.meta.id);
            }
        }
    }

    fn reconcile(&mut self, key: ObjectId, view: &View, plan: &mut Plan) {
        let Some(node) = view.caches.nodes.get(key) else { return };
        let outcome = match &self.sets {
            Err(error) => Err(error.to_string()),
            Ok(_) if node.meta.is_terminating() => self.release(node),
            Ok(_) => self.occupy(node),
        };
        if let Err(error) = outcome {
            return plan.fail(error);
        }
        if node.meta.is_terminating() || !pod_cidrs(node).is_empty() {
            return;
        }
        if let Some(ranges) = self.allocate(node, plan) {
            plan.ask(PATCHED, patch(key, &ranges));
            self.running.insert(key, Work { node: node.clone(), ranges, tries: 0 });
        }
    }

    fn resume(&mut self, key: ObjectId, outcome: Outcome, _view: &View, plan: &mut Plan) {
        if let (Some(work), Some(reply)) = (self.running.remove(&key), outcome.replies.first()) {
            self.patched(key, work, reply, plan);
        }
    }

    fn boxed_clone(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn hash_memory(&self, hasher: &mut dyn std::hash::Hasher) {
        let mut hasher = hasher;
        for set in self.sets.iter().flatten() {
            set.state().hash(&mut hasher);
        }
        for (key, work) in &self.running {
            (key, &work.ranges, work.tries).hash(&mut hasher);
        }
    }
}

/// `spec.podCIDRs`.
fn pod_cidrs(node: &Obj<Node>) -> &[String] {
    node.body.spec.pod_cidrs.as_deref().unwrap_or_default()
}

/// Upstream: `PatchNodeCIDRs`.
fn patch(key: ObjectId, ranges: &[Cidr]) -> Request {
    let texts: Vec<String> = ranges.iter().map(Cidr::to_string).collect();
    let body = serde_json::json!({"spec": {"podCIDR": texts.first(), "podCIDRs": texts}});
    Request::Patch {
        target: Target::Id(key),
        subresource: Subresource::None,
        patch: Arc::new(Patch { kind: PatchKind::StrategicMerge, body }),
    }
}

/// Upstream: `RecordNodeStatusChange`.
fn record(node: &Obj<Node>, status: &'static str, plan: &mut Plan) {
    let message = ecow::eco_format!("Node {} status is now: {status}", node.meta.name);
    plan.record(node.meta.reference(), EventType::Normal, status, message);
}
