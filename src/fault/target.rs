//! Whom a fault strikes.

use super::Cluster;
use crate::api::{Name, Selector};
use crate::event::PartId;

/// The label that says in which zone a node is.
const ZONE: &str = "topology.kubernetes.io/zone";

/// How many of the candidates.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Take {
    /// All of them.
    All,
    /// So many, drawn anew at each strike; all, where there are fewer.
    Count(u32),
    /// This share of them, rounded up, drawn anew at each strike.
    Fraction(f64),
}

/// Nodes by names, labels and zone; all that are given must match.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeTarget {
    /// Their names; `None`: any.
    pub names: Option<Vec<Name>>,
    /// The labels that they register with.
    pub selector: Option<Selector>,
    /// `topology.kubernetes.io/zone`.
    pub zone: Option<Name>,
    /// How many of these.
    pub take: Take,
}

impl NodeTarget {
    /// Nodes of these names.
    pub fn named(names: impl IntoIterator<Item = impl Into<Name>>) -> NodeTarget {
        let names = names.into_iter().map(Into::into).collect();
        NodeTarget { names: Some(names), selector: None, zone: None, take: Take::All }
    }

    /// So many of all nodes, drawn at each strike.
    pub fn any(count: u32) -> NodeTarget {
        NodeTarget { names: None, selector: None, zone: None, take: Take::Count(count) }
    }

    /// The nodes of a zone.
    pub fn zone(zone: impl Into<Name>) -> NodeTarget {
        NodeTarget { names: None, selector: None, zone: Some(zone.into()), take: Take::All }
    }

    /// The numbers of the nodes that a strike hits, in rising order. Machines that are off are not among those drawn.
    pub fn choose(&self, cluster: &Cluster<'_>) -> Vec<u32> {
        let matches = |index: &u32| {
            let node = &cluster.nodes[*index as usize];
            self.names.as_ref().is_none_or(|names| names.contains(&node.name))
                && self.zone.as_ref().is_none_or(|zone| node.labels.get(ZONE) == Some(zone))
                && self
                    .selector
                    .as_ref()
                    .is_none_or(|selector| selector.matches(|key| node.labels.get(key).map(Name::as_str)))
        };
        let mut candidates: Vec<u32> = (0..cluster.nodes.len() as u32).filter(matches).collect();
        let count = match self.take {
            Take::All => return candidates,
            Take::Count(count) => count as usize,
            Take::Fraction(fraction) => (fraction * candidates.len() as f64).ceil() as usize,
        };
        candidates.retain(|index| cluster.nodes[*index as usize].is_on);
        draw(&mut candidates, count, cluster);
        candidates
    }
}

/// Keeps `count` drawn ones: each candidate has a weight of its own, so that a candidate more or less changes little.
fn draw(candidates: &mut Vec<u32>, count: usize, cluster: &Cluster<'_>) {
    if count >= candidates.len() {
        return;
    }
    let weight = |index: &u32| {
        let name = crate::kernel::object_hash(&cluster.nodes[*index as usize].name);
        (name ^ cluster.draw.word(0))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(31)
            .wrapping_mul(cluster.draw.word(1) | 1)
    };
    candidates.sort_by_key(|index| (weight(index), *index));
    candidates.truncate(count);
    candidates.sort_unstable();
}

/// The classes of components: what those of which there may be several are called together.
pub const PART_CLASSES: &[&str] = &["kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"];

/// Words for whichever replica of a component leads at the instant of the strike; before there is a leader, nobody.
pub const PART_LEADERS: &[&str] = &["kube-controller-manager/leader", "kube-scheduler/leader"];

/// Components by name or class.
#[derive(Clone, PartialEq, Debug)]
pub enum PartTarget {
    /// All controller-managers, schedulers and kubelets, and kubectl.
    All,
    /// These, by their names, their classes ([`PART_CLASSES`]) or their leading ([`PART_LEADERS`]).
    Named(Vec<Name>),
}

impl PartTarget {
    /// The parts that a strike hits.
    pub fn choose(&self, cluster: &Cluster<'_>) -> Vec<PartId> {
        match self {
            PartTarget::All => cluster.parts.iter().map(|(part, _)| *part).collect(),
            PartTarget::Named(names) => {
                let named = |part: &PartId, name: &Name| {
                    let leads = cluster.leaders.contains(part);
                    names.iter().any(|wanted| {
                        let of = wanted.strip_suffix("/leader").filter(|_| leads).unwrap_or(wanted);
                        wanted == name || Some(of) == class(*part)
                    })
                };
                cluster.parts.iter().filter(|(part, name)| named(part, name)).map(|(part, _)| *part).collect()
            }
        }
    }
}

/// What parts of which there may be several are called together.
fn class(part: PartId) -> Option<&'static str> {
    match part {
        PartId::ControllerManager(_) => Some("kube-controller-manager"),
        PartId::Scheduler(_) => Some("kube-scheduler"),
        PartId::Kubelet(_) => Some("kubelet"),
        PartId::User => Some("kubectl"),
        PartId::Guest(_) | PartId::World => None,
    }
}
