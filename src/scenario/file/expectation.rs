//! Expectations as they are typed.

use serde::Deserialize;
use serde_json::Value;

use super::Duration;

/// What must come true: `eventually` or `always` with a claim.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Expectation")]
#[cfg_attr(feature = "cli", schemars(transform = crate::scenario::schema::one_mode))]
pub struct ExpectationFile {
    /// The claim holds at some instant.
    pub eventually: Option<ClaimFile>,
    /// The claim holds at every instant. A resource that has not appeared yet does not violate it; one that has gone
    /// does.
    pub always: Option<ClaimFile>,
    /// With `eventually`: the latest instant, from the start of the simulation on. Default: the end of the run.
    pub within: Option<Duration>,
    /// From which instant on it is looked at. Default: the start of the simulation.
    pub from: Option<Duration>,
    /// With `always`: up to which instant. Default: the end of the run.
    pub until: Option<Duration>,
}

/// A claim about one resource or about all of a kind. All predicates that are given must hold.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Claim")]
#[cfg_attr(feature = "cli", schemars(transform = crate::scenario::schema::one_subject))]
pub struct ClaimFile {
    /// One resource: `deployment/web`.
    pub resource: Option<String>,
    /// All of a kind: `pods`. At least one must exist, unless `gone` or `count` says otherwise or under `always`.
    pub all: Option<String>,
    /// The namespace. Default: `default` with `resource`, all namespaces with `all`.
    pub namespace: Option<String>,
    /// With `all`: their labels, as `kubectl -l` takes them.
    pub selector: Option<String>,
    /// A condition that is true, `Available`, or has another status, `Progressing=False`, as `kubectl wait --for` has
    /// it.
    pub condition: Option<String>,
    /// A field to compare: `status.availableReplicas`, `spec.template.spec.containers[0].image`,
    /// `metadata.labels['app.kubernetes.io/name']`. A field that is absent counts as zero, empty or false.
    pub field: Option<String>,
    /// With `field`: its value is this.
    pub equals: Option<Value>,
    /// With `field`: its value is anything but this.
    pub not_equals: Option<Value>,
    /// With `field`: a number or quantity that is not below this.
    pub at_least: Option<Value>,
    /// With `field`: a number or quantity that is not above this.
    pub at_most: Option<Value>,
    /// With Deployments, StatefulSets and DaemonSets: `kubectl rollout status` would report success.
    pub rolled_out: bool,
    /// It exists.
    pub exists: bool,
    /// It does not exist; with predicates: none fulfils them.
    pub gone: bool,
    /// With `all`: how many must fulfil the predicates. Default: every one.
    pub count: Option<CountFile>,
}

/// Bounds of a number, included.
#[derive(Deserialize, Clone, PartialEq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default, rename = "Count")]
pub struct CountFile {
    /// Exactly so many.
    pub equals: Option<u64>,
    /// So many or more.
    pub at_least: Option<u64>,
    /// So many or fewer.
    pub at_most: Option<u64>,
}
