//! Behaviours of containers as they are typed.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Duration, DurationRange, QuantityText};

/// What the matching containers do.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Behaviour")]
pub struct BehaviourFile {
    /// Which containers; what is not given matches all. Default: all containers.
    #[serde(default, rename = "match")]
    pub matching: MatchFile,
    /// From the start of the container to the start of its program. Default: none.
    pub start_delay: Option<DurationRange>,
    /// How long after its start the program answers at all; before, all its probes fail. Default: at once.
    pub answers_after: Option<DurationRange>,
    /// How long after its start the program can serve, which readiness probes ask. Default: at once.
    pub ready_after: Option<DurationRange>,
    /// Whether the program never gets ready. Default: false.
    #[serde(default)]
    pub never_ready: bool,
    /// Whiles in which the program cannot serve: its readiness probe fails. `[{after: 60s, lasts: 30s}]`. Default: none.
    #[serde(default)]
    pub unready: Vec<LapseFile>,
    /// Configuration with which the program cannot serve: its readiness probe fails while it reads any of these. A file of
    /// a mounted ConfigMap or Secret follows its object after a while, a variable of the environment never does.
    /// `[{file: /etc/app/mode, equals: broken}, {env: MODE, equals: broken}]`. Default: none.
    #[serde(default)]
    pub unready_while: Vec<SightFile>,
    /// Whiles in which the program answers nobody: all its probes fail, so that a liveness probe gets it restarted.
    /// `[{after: 10m..20m}]`. Default: none.
    #[serde(default)]
    pub hangs: Vec<LapseFile>,
    /// When and how the program ends by itself. Default: never; init containers end after about a second with 0.
    pub exit: Option<ExitFile>,
    /// From SIGTERM to the program's end. Default: `50ms..500ms`.
    pub stop: Option<DurationRange>,
    /// The exit code after SIGTERM. Default: 0.
    pub stop_code: Option<i32>,
    /// What the program takes of its node.
    #[serde(default)]
    pub usage: UsageFile,
    /// How its image behaves.
    #[serde(default)]
    pub image: ImageFile,
}

/// Which containers a behaviour is about; all that is given must hold.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "BehaviourMatch")]
pub struct MatchFile {
    /// The image as the pod names it; `*` stands for any run of characters: `nginx:*`.
    pub image: Option<String>,
    /// The pod's labels, as `kubectl -l` takes them: `app=web,tier!=cache`.
    pub selector: Option<String>,
    /// The container's name.
    pub container: Option<String>,
}

/// How a program ends by itself.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Exit")]
pub struct ExitFile {
    /// How long after its start.
    pub after: DurationRange,
    /// Its exit code, 0 to 255. Default: 0.
    #[serde(default)]
    pub code: i32,
    /// In how many of its lives it ends so, 0 to 1; drawn anew after each restart. Default: 1.
    pub probability: Option<f64>,
}

/// A while in which a program is not as it should be.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Lapse")]
pub struct LapseFile {
    /// How long after the program's start it begins.
    pub after: DurationRange,
    /// How long it lasts. Default: until the program ends.
    pub lasts: Option<DurationRange>,
    /// In how many of the program's lives it comes, 0 to 1; drawn anew after each restart. Default: 1.
    pub probability: Option<f64>,
}

/// Something that a program reads: one of `file` and `env`, and the text that is there.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Sight")]
pub struct SightFile {
    /// The whole path of a file in the container.
    pub file: Option<String>,
    /// The name of a variable of the environment.
    pub env: Option<String>,
    /// What it reads there.
    pub equals: String,
}

/// What a program takes of its node.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Usage")]
pub struct UsageFile {
    /// CPU, as `250m`. Default: what its container requests.
    pub cpu: Option<CourseFile>,
    /// Memory, as `300Mi`. Above its container's limit the program is killed (exit code 137, OOMKilled). Default: what
    /// its container requests.
    pub memory: Option<CourseFile>,
    /// The node's disk, as `20Gi`: what the program writes into its container, its logs and folders of the node. Default:
    /// nothing.
    pub disk: Option<CourseFile>,
    /// Inodes of that disk. Default: none.
    pub inodes: Option<CourseFile>,
    /// Processes. Default: 1.
    pub pids: Option<CourseFile>,
}

/// An amount over time: one quantity (`300Mi`), a ramp (`{from: 100Mi, to: 1Gi, over: 10m}`) or steps
/// (`[{after: 0s, is: 100Mi}, {after: 5m, is: 600Mi}]`).
#[derive(Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema), schemars(untagged, rename = "Course"))]
pub enum CourseFile {
    /// Always the same.
    Constant(QuantityText),
    /// In a straight line from one amount to another.
    Ramp(RampFile),
    /// From step to step.
    Steps(Vec<StepFile>),
}

/// An amount that grows or shrinks in a straight line from the program's start on.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Ramp")]
pub struct RampFile {
    /// At the program's start.
    pub from: QuantityText,
    /// In the end, and from then on.
    pub to: QuantityText,
    /// How long it takes from the one to the other.
    pub over: Duration,
}

/// One of the steps of an amount.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Step")]
pub struct StepFile {
    /// How long after the program's start; later than the step before.
    pub after: Duration,
    /// The amount from then on.
    pub is: QuantityText,
}

struct CourseVisitor;

impl<'de> Visitor<'de> for CourseVisitor {
    type Value = CourseFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a quantity, a ramp {from, to, over} or a list of steps {after, is}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<CourseFile, E> {
        Ok(CourseFile::Constant(QuantityText(text.to_owned())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<CourseFile, E> {
        Ok(CourseFile::Constant(QuantityText(number.to_string())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<CourseFile, E> {
        Ok(CourseFile::Constant(QuantityText(number.to_string())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<CourseFile, E> {
        Ok(CourseFile::Constant(QuantityText(number.to_string())))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CourseFile, A::Error> {
        RampFile::deserialize(MapAccessDeserializer::new(map)).map(CourseFile::Ramp)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, steps: A) -> Result<CourseFile, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(steps)).map(CourseFile::Steps)
    }
}

impl<'de> Deserialize<'de> for CourseFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CourseFile, D::Error> {
        deserializer.deserialize_any(CourseVisitor)
    }
}

/// How an image behaves when it is pulled.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Image")]
pub struct ImageFile {
    /// What is downloaded, in bytes: `180Mi`. Default: 100M.
    pub size: Option<QuantityText>,
    /// The whole time of a pull, in place of what size and bandwidth give.
    pub pull: Option<DurationRange>,
    /// Whether the registry does not have it, which ends in ImagePullBackOff. Default: false.
    pub missing: bool,
}
