//! Which disks the faults of disks strike.

use super::{Cluster, Parameter, ParameterKind, Parameters, Strike};
use crate::api::Name;
use crate::event::{DiskEffect, DiskTrouble, Primitive};

/// The label that says in which zone a node is.
const ZONE: &str = "topology.kubernetes.io/zone";

/// What the faults of disks take: which disks. All that is given must hold.
pub(super) const WHICH: [Parameter; 3] = [
    Parameter {
        name: "driver",
        kind: ParameterKind::Text,
        default: Some(""),
        doc: "Of which CSI driver; without: of any.",
    },
    Parameter {
        name: "zone",
        kind: ParameterKind::Text,
        default: Some(""),
        doc: "On nodes of which zone; without: of any.",
    },
    Parameter {
        name: "claim",
        kind: ParameterKind::Text,
        default: Some(""),
        doc: "Of which claim, as namespace/name; without: of any.",
    },
];

/// Disks by driver, zone and claim.
#[derive(Debug)]
pub(super) struct Which {
    driver: Name,
    zone: Name,
    claim: Name,
}

impl Which {
    pub(super) fn of(parameters: &Parameters) -> Which {
        let text = |name| Name::from(parameters.text(name));
        Which { driver: text("driver"), zone: text("zone"), claim: text("claim") }
    }

    /// The strike that does this to them. A zone without nodes has no disks.
    pub(super) fn strike(&self, effect: DiskEffect, cluster: &Cluster<'_>) -> Strike {
        let Which { driver, zone, claim } = self;
        let in_zone = |node: &super::NodeFacts| node.labels.get(ZONE) == Some(zone);
        if !zone.is_empty() && !cluster.nodes.iter().any(in_zone) {
            return Strike::default();
        }
        let parts = [("driver", driver), ("zone", zone), ("claim", claim)];
        let named: Vec<String> = parts
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(what, value)| format!("{what} {value}"))
            .collect();
        let hit = if named.is_empty() { "all disks".to_owned() } else { format!("disks of {}", named.join(", ")) };
        let trouble = DiskTrouble { effect, driver: driver.clone(), zone: zone.clone(), claim: claim.clone() };
        Strike { hits: vec![hit], effects: vec![Primitive::Trouble(trouble)], heals: Vec::new() }
    }
}
