//! Node pools as they are typed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;

use super::QuantityText;

/// Nodes of one shape, named `<name>-0`, `<name>-1`, …, or as `names` says.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "NodePool")]
#[cfg_attr(feature = "cli", schemars(transform = crate::scenario::schema::pool_of_nodes))]
pub struct NodePoolFile {
    /// The pool's name, with which its nodes' names begin.
    pub name: String,
    /// How many nodes there are. Left out where `names` are given.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub count: Option<u32>,
    /// The nodes' names, where they are not to be called `<name>-0`, `<name>-1`, ….
    #[cfg_attr(feature = "cli", schemars(length(min = 1)))]
    pub names: Option<Vec<String>>,
    /// The machine type, by its name in `nodeTypes`. What the pool itself says goes before what its type says, for each
    /// resource and label. The nodes get the label `node.kubernetes.io/instance-type`.
    #[serde(rename = "type")]
    pub machine: Option<String>,
    /// `status.capacity` of each: `cpu` and `memory` (here or in the type), and where wanted `pods` (default 110),
    /// `ephemeral-storage`, hugepages and extended resources such as `nvidia.com/gpu`.
    #[serde(default)]
    pub capacity: BTreeMap<String, QuantityText>,
    /// `status.allocatable`: what is left for pods. Default: the capacity, for each resource that is not named.
    #[serde(default)]
    pub allocatable: BTreeMap<String, QuantityText>,
    /// Labels beside those that a kubelet sets.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// `spec.taints`, as `kubectl taint` takes them (`dedicated=gpu:NoSchedule`) or as mappings.
    #[serde(default)]
    pub taints: Vec<TaintFile>,
    /// Zones among which the nodes are dealt in turn, as label `topology.kubernetes.io/zone`.
    #[serde(default)]
    pub zones: Vec<String>,
    /// How many disks of each CSI driver, by its name, one node can hold. A CSINode says so, as the driver's plugin on the
    /// node would. Default: no limit.
    #[serde(default)]
    pub disk_limits: BTreeMap<String, u32>,
    /// The families of addresses that the nodes have, and their pods: `[IPv4]`, `[IPv6]`, or both, the primary one first.
    /// Default: an IPv4 address for the node, and for its pods one of every family that the cluster has.
    #[serde(default)]
    pub ip_families: Vec<IpFamilyFile>,
    /// What one node costs an hour, in any currency. Default: that of its type, if there is one.
    #[cfg_attr(feature = "cli", schemars(range(min = 0)))]
    pub price_per_hour: Option<f64>,
}

/// A family of addresses.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename = "IpFamily")]
pub enum IpFamilyFile {
    /// IPv4.
    IPv4,
    /// IPv6.
    IPv6,
}

/// A named machine type. There are none built in: prices go stale.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "NodeType")]
pub struct NodeTypeFile {
    /// The type's name, as `m5.large`.
    pub name: String,
    /// `status.capacity` of a node of the type: `cpu` and `memory`, and what else it has.
    pub capacity: BTreeMap<String, QuantityText>,
    /// `status.allocatable`: what is left for pods. Default: the capacity, for each resource that is not named.
    #[serde(default)]
    pub allocatable: BTreeMap<String, QuantityText>,
    /// Labels of its nodes.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes, as `kubectl taint` takes them or as mappings. A pool adds its own.
    #[serde(default)]
    pub taints: Vec<TaintFile>,
    /// What a node costs an hour, in any currency. Default: nothing is known of it.
    #[cfg_attr(feature = "cli", schemars(range(min = 0)))]
    pub price_per_hour: Option<f64>,
}

/// A file that holds node types.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "NodeTypesInFile")]
pub struct NodeTypesInFile {
    /// A path, from the scenario file's folder on. The file holds a list of node types.
    pub file: String,
}

/// An entry of `nodeTypes`. Which one it is shows by its keys; it is read strictly later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeTypeEntry {
    /// A [`NodeTypeFile`] in place.
    InPlace,
    /// A [`NodeTypesInFile`].
    File,
}

impl<'de> Deserialize<'de> for NodeTypeEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NodeTypeEntry, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = NodeTypeEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a node type, or {file: PATH}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeTypeEntry, A::Error> {
                let mut entry = NodeTypeEntry::InPlace;
                while let Some((key, _)) = map.next_entry::<String, Value>()? {
                    if key == "file" {
                        entry = NodeTypeEntry::File;
                    }
                }
                Ok(entry)
            }
        }
        deserializer.deserialize_any(EntryVisitor)
    }
}

/// A taint.
#[derive(Clone, PartialEq, Debug)]
pub enum TaintFile {
    /// `key=value:Effect` or `key:Effect`.
    Text(String),
    /// As in a Node.
    Fields(TaintFields),
}

/// A taint as a Node has it.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Taint")]
pub struct TaintFields {
    /// The key.
    pub key: String,
    /// The value, which may be empty.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    #[cfg_attr(feature = "cli", schemars(extend("enum" = ["NoSchedule", "PreferNoSchedule", "NoExecute"])))]
    pub effect: String,
}

impl<'de> Deserialize<'de> for TaintFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TaintFile, D::Error> {
        struct TaintVisitor;

        impl<'de> Visitor<'de> for TaintVisitor {
            type Value = TaintFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a taint such as dedicated=gpu:NoSchedule")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<TaintFile, E> {
                Ok(TaintFile::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TaintFile, A::Error> {
                TaintFields::deserialize(MapAccessDeserializer::new(map)).map(TaintFile::Fields)
            }
        }
        deserializer.deserialize_any(TaintVisitor)
    }
}
