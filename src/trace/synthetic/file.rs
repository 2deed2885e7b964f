//! Synthetic traces as they are typed: part of a study file.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::scalar::{CountRange, Length, Positive, Share, Size, read_size};

/// A trace that is made: which machines there are, which tasks come and when.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Synthetic")]
pub struct SyntheticFile {
    /// The machines, as pools of equal ones. May be left out where they come from somewhere else.
    #[serde(default)]
    pub machines: Vec<MachinePoolFile>,
    /// The tasks.
    pub tasks: TasksFile,
}

/// Machines of one shape, named `<name>-0`, `<name>-1`, ….
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "MachinePool")]
pub struct MachinePoolFile {
    /// The pool's name, with which its machines' names begin.
    pub name: String,
    /// How many there are.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 1_000_000)))]
    pub count: u32,
    /// The CPU of each.
    pub cpu: Size,
    /// The memory of each.
    pub memory: Size,
    /// How many GPUs each has.
    #[serde(default)]
    #[cfg_attr(feature = "cli", schemars(range(max = 16)))]
    pub gpus: u8,
    /// The model of the GPUs, where there are any.
    #[serde(default)]
    pub model: String,
    /// Zones among which the machines are dealt in turn.
    #[serde(default)]
    pub zones: Vec<String>,
    /// The machine type.
    #[serde(default, rename = "type")]
    pub node_type: String,
    /// What an hour of one costs, in dollars.
    #[serde(default)]
    #[cfg_attr(feature = "cli", schemars(range(min = 0)))]
    pub price_per_hour: f64,
}

/// Tasks: when they come, what they ask for, how long they run. What comes at one time is a submission: one task, or a
/// group.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "SyntheticTasks")]
pub struct TasksFile {
    /// How many tasks come in all. With a larger number the trace goes on, and begins as before.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 10_000_000)))]
    pub count: u32,
    /// When submissions come. Default: all at the start.
    pub arrivals: Option<ArrivalsFile>,
    /// What tasks ask for: shapes, or `trace`.
    pub sizes: SizesFile,
    /// How long tasks run. Default: for ever. Tasks of a group run equally long.
    pub lifetimes: Option<LifetimesFile>,
    /// Submissions of several tasks that run all or none. Default: there are none.
    pub groups: Option<GroupsFile>,
}

/// When submissions come.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename_all_fields = "camelCase", rename = "Arrivals")]
pub enum ArrivalsFile {
    /// Independent of one another, at a constant rate.
    Poisson {
        /// How many come an hour on average.
        per_hour: Positive,
    },
    /// At equal distances.
    Uniform {
        /// How many come an hour.
        per_hour: Positive,
    },
    /// In bursts with quiet between. The quiet after a burst is exponential.
    Bursts {
        /// How many bursts an hour would begin if each took no time.
        per_hour: Positive,
        /// How many submissions a burst has.
        size: CountRange,
        /// How far apart those of a burst are. Default: they come together.
        apart: Option<Length>,
    },
    /// A Poisson process whose rate swings as a sine, from its mean upwards.
    Diurnal {
        /// How many come an hour on average over a period.
        per_hour: Positive,
        /// How far the rate swings, as a share of its mean: at 1 nothing comes in the depth of night.
        swing: Share,
        /// From one peak to the next. Default: 24h.
        period: Option<Length>,
    },
}

/// What tasks ask for.
#[derive(Clone, PartialEq, Debug)]
pub enum SizesFile {
    /// One of these is drawn for each submission.
    Shapes(Vec<ShapeFile>),
    /// `trace`: what a task of the trace asks for that the study names, each as likely as another.
    Trace,
}

impl<'de> Deserialize<'de> for SizesFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SizesFile, D::Error> {
        struct SizesVisitor;

        impl<'de> Visitor<'de> for SizesVisitor {
            type Value = SizesFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of shapes, or the word trace")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<SizesFile, E> {
                match text {
                    "trace" => Ok(SizesFile::Trace),
                    _ => Err(E::custom(format!("expected a list of shapes, or the word trace, found {text:?}"))),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<SizesFile, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(items)).map(SizesFile::Shapes)
            }
        }
        deserializer.deserialize_any(SizesVisitor)
    }
}

/// What a task may ask for.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Shape")]
pub struct ShapeFile {
    /// How likely it is beside the others. Default: 1.
    pub weight: Option<Positive>,
    /// CPU, rounded to the nearest millicore.
    pub cpu: AmountFile,
    /// Memory, rounded to the nearest byte.
    pub memory: AmountFile,
    /// How many GPUs.
    #[serde(default)]
    #[cfg_attr(feature = "cli", schemars(range(max = 16)))]
    pub gpus: u8,
    /// How much of the one GPU, in thousandths. Default: all of it.
    #[cfg_attr(feature = "cli", schemars(range(min = 1, max = 1000)))]
    pub gpu_milli: Option<u16>,
    /// The models of GPUs that it takes. Default: any.
    #[serde(default)]
    pub models: Vec<String>,
    /// Its priority. Default: 0.
    #[serde(default)]
    pub priority: i32,
}

/// An amount of a resource: always the same, or drawn.
#[derive(Clone, PartialEq, Debug)]
pub enum AmountFile {
    /// Always the same.
    Fixed(Size),
    /// Drawn.
    Drawn(DrawnAmountFile),
}

/// How an amount is drawn.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename_all_fields = "camelCase", rename = "DrawnAmount")]
pub enum DrawnAmountFile {
    /// Each between two bounds as likely as another.
    Uniform {
        /// The smallest.
        min: Size,
        /// The largest.
        max: Size,
    },
    /// Log-normal.
    LogNormal {
        /// Half of all are below.
        median: Size,
        /// The standard deviation of the logarithm (to the base of e).
        sigma: Positive,
        /// What is drawn above counts as this. Default: no bound.
        max: Option<Size>,
    },
    /// Pareto, with an upper bound.
    Pareto {
        /// The smallest.
        min: Size,
        /// The exponent: the smaller, the heavier the tail.
        shape: Positive,
        /// The largest.
        max: Size,
    },
}

impl<'de> Deserialize<'de> for AmountFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AmountFile, D::Error> {
        struct AmountVisitor;

        impl<'de> Visitor<'de> for AmountVisitor {
            type Value = AmountFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 500m, or how it is drawn, such as {uniform: {min: 1, max: 4}}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AmountFile, E> {
                read_size(text).map(AmountFile::Fixed).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<AmountFile, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<AmountFile, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<AmountFile, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AmountFile, A::Error> {
                DrawnAmountFile::deserialize(MapAccessDeserializer::new(map)).map(AmountFile::Drawn)
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}

/// How long tasks run.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename_all_fields = "camelCase", rename = "Lifetimes")]
pub enum LifetimesFile {
    /// All equally long.
    Fixed(Length),
    /// Exponential.
    Exponential {
        /// The mean.
        mean: Length,
    },
    /// Log-normal.
    LogNormal {
        /// Half of all are shorter.
        median: Length,
        /// The standard deviation of the logarithm (to the base of e).
        sigma: Positive,
        /// What is drawn above counts as this. Default: no bound.
        max: Option<Length>,
    },
    /// Pareto, with an upper bound.
    Pareto {
        /// The shortest.
        min: Length,
        /// The exponent: the smaller, the heavier the tail.
        shape: Positive,
        /// The longest.
        max: Length,
    },
}

/// Submissions of several tasks with the same demand that run all or none.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Groups")]
pub struct GroupsFile {
    /// Which share of the submissions are groups.
    pub share: Share,
    /// How many tasks a group has. The last one of a trace may be cut short by `count`.
    pub size: CountRange,
}
