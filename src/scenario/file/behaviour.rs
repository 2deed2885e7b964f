//! Behaviours of containers as they are typed.

use serde::Deserialize;

use super::{DurationRange, QuantityText};

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
    /// How long after its start the program can serve, which readiness probes ask. Default: at once.
    pub ready_after: Option<DurationRange>,
    /// Whether the program never gets ready. Default: false.
    #[serde(default)]
    pub never_ready: bool,
    /// When and how the program ends by itself. Default: never; init containers end after about a second with 0.
    pub exit: Option<ExitFile>,
    /// From SIGTERM to the program's end. Default: `50ms..500ms`.
    pub stop: Option<DurationRange>,
    /// The exit code after SIGTERM. Default: 0.
    pub stop_code: Option<i32>,
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
