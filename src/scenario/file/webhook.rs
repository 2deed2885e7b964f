//! Admission webhooks as they are typed.

use serde::Deserialize;
use serde_json::Value;

use super::DurationRange;

/// What an admission webhook does. One that is not declared admits everything after `2ms..10ms`, if its Service has a
/// ready endpoint.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "Webhook")]
pub struct WebhookFile {
    /// The webhook's name in its ValidatingWebhookConfiguration or MutatingWebhookConfiguration.
    pub name: String,
    /// How long it takes to answer. Default: `2ms..10ms`.
    pub latency: Option<DurationRange>,
    /// What it denies. The first entry that holds counts.
    #[serde(default)]
    pub denies: Vec<WebhookDenialFile>,
    /// What it changes, in order: of a mutating webhook alone.
    #[serde(default)]
    pub patches: Vec<WebhookPatchFile>,
}

/// A denial.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "WebhookDenial")]
pub struct WebhookDenialFile {
    /// What must hold of the object, all of it. Default: nothing, so that everything is denied.
    #[serde(default)]
    pub when: Vec<WebhookConditionFile>,
    /// What it says.
    pub message: String,
}

/// A change.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "WebhookPatch")]
pub struct WebhookPatchFile {
    /// What must hold of the object, all of it. Default: nothing, so that everything is changed.
    #[serde(default)]
    pub when: Vec<WebhookConditionFile>,
    /// A JSON patch: a list of operations.
    #[cfg_attr(feature = "cli", schemars(extend("type" = "array")))]
    pub patch: Value,
}

/// A condition on one field of an object: exactly one of the tests is given.
#[derive(Deserialize, Clone, PartialEq, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(transform = crate::scenario::schema::one_test))]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename = "WebhookCondition")]
pub struct WebhookConditionFile {
    /// The field, as columns of CRDs name it: `spec.replicas`, `spec.containers[0].image`,
    /// `metadata.labels['example.com/size']`.
    pub field: String,
    /// It is this.
    pub equals: Option<Value>,
    /// It is not this, or not there.
    pub not_equals: Option<Value>,
    /// It is a number from here on.
    pub at_least: Option<f64>,
    /// It is a number up to here.
    pub at_most: Option<f64>,
    /// Whether it is there.
    pub exists: Option<bool>,
}
