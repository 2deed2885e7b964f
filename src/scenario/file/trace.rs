//! Traces in scenario files: lists of machines and of tasks that somebody has recorded.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::kernel::Span;

/// Nodes and pods of a trace, beside those of `nodes` and `manifests`.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Trace")]
pub struct TraceFile {
    /// The format of the files.
    pub format: TraceFormat,
    /// The machines, each a node of its name. Its GPUs are `alibabacloud.com/gpu-count` and `gpu-milli` of its capacity,
    /// their model is its label `alibabacloud.com/gpu-card-model`. A node takes 1001 pods.
    pub nodes: Option<TraceNodesFile>,
    /// The tasks, each a pod of its name in the namespace `default`, with requests, and with annotations for the GPUs
    /// that it asks for, which count where the scheduler has the plugin GpuShare.
    pub pods: Option<TracePodsFile>,
}

/// A format of traces.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum TraceFormat {
    /// Alibaba's cluster-trace-gpu-v2023, which is called openb.
    Openb,
}

/// Machines of a trace.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "TraceNodes")]
pub struct TraceNodesFile {
    /// A path, from the scenario file's folder on.
    pub file: String,
    /// So many of them, in the order of the file. Default: all.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub first: Option<u32>,
}

/// Tasks of a trace.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "TracePods")]
pub struct TracePodsFile {
    /// A path, from the scenario file's folder on.
    pub file: String,
    /// Only those that ask for GPUs, or only those that do not. Default: all.
    pub only: Option<TraceOnly>,
    /// So many of these, in the order of the file. Default: all.
    #[cfg_attr(feature = "cli", schemars(range(min = 1)))]
    pub first: Option<u32>,
    /// When they come: `atOnce` at time zero, `recorded` as the trace says, or so many a second in the order of the file,
    /// as `50/s`. Default: `atOnce`.
    #[serde(default)]
    pub arrive: Arrive,
    /// Whether a pod ends when it has run for as long as the trace says, by `activeDeadlineSeconds`. Default: false; they
    /// run for ever.
    #[serde(default)]
    pub lifetimes: bool,
}

/// Which tasks of a trace.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum TraceOnly {
    /// Those that ask for GPUs.
    Gpu,
    /// Those that do not.
    Cpu,
}

/// When the tasks of a trace come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Arrive {
    /// All at time zero.
    #[default]
    AtOnce,
    /// As recorded.
    Recorded,
    /// One after the other, so far apart.
    Every(Span),
}

impl<'de> Deserialize<'de> for Arrive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Arrive, D::Error> {
        struct ArriveVisitor;

        impl Visitor<'_> for ArriveVisitor {
            type Value = Arrive;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("atOnce, recorded, or so many a second, such as 50/s")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Arrive, E> {
                match text {
                    "atOnce" => Ok(Arrive::AtOnce),
                    "recorded" => Ok(Arrive::Recorded),
                    _ => match text.strip_suffix("/s").and_then(|rate| rate.parse::<u64>().ok()) {
                        Some(rate @ 1..=1_000_000) => Ok(Arrive::Every(Span::from_nanos(1_000_000_000 / rate))),
                        _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                    },
                }
            }
        }
        deserializer.deserialize_str(ArriveVisitor)
    }
}
