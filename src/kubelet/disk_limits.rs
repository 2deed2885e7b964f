//! How many disks a node can hold: its CSINode, which the scheduler reads.
//! Upstream: `pkg/volume/csi/nodeinfomanager`.
//!
//! Upstream every node has a CSINode, with an entry for each driver whose plugin runs there. Here a node has one where its
//! pool declares limits. A CSINode that is there already, or changed by others, is left alone.

use serde_json::{Value, json};

use super::Kubelet;
use crate::api::{Kind, Node, Obj, Object, convert};

impl Kubelet {
    /// The CSINode of a node; none where no limits are declared.
    pub fn disk_limits(&self, node: &Obj<Node>) -> Option<Object> {
        let limits = &self.fixed.template.disk_limits;
        if limits.is_empty() {
            return None;
        }
        let name = &*self.fixed.name;
        let driver = |(driver, count): (&crate::api::Name, &u32)| json!({"name": **driver, "nodeID": name, "topologyKeys": null, "allocatable": {"count": count}});
        let drivers: Vec<Value> = limits.iter().map(driver).collect();
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": node.meta.uid.to_string()});
        let metadata = json!({"name": name, "ownerReferences": [owner]});
        let made = convert::from_json(Kind::CSINode, json!({"metadata": metadata, "spec": {"drivers": drivers}}));
        Some(made.expect("a CSINode from names and numbers is well formed"))
    }
}
