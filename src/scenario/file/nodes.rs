//! Node pools as they are typed.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::QuantityText;

/// Nodes of one shape, named `<name>-0`, `<name>-1`, ….
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "NodePool")]
pub struct NodePoolFile {
    /// The pool's name, with which its nodes' names begin.
    pub name: String,
    /// How many nodes there are.
    pub count: u32,
    /// `status.capacity` of each: `cpu` and `memory`, and where wanted `pods` (default 110), `ephemeral-storage`,
    /// hugepages and extended resources such as `nvidia.com/gpu`.
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
    /// What one node costs an hour, in any currency. Default: nothing is known of it.
    pub price_per_hour: Option<f64>,
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
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Taint")]
pub struct TaintFields {
    /// The key.
    pub key: String,
    /// The value, which may be empty.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
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
