//! Admission webhooks, as far as messages and faults know them.

use super::ApiError;
use crate::api::Name;
use crate::kernel::Span;

/// What webhooks have said of a request.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WebhookVerdict {
    /// Why it is refused.
    pub refusal: Option<ApiError>,
    /// JSON patches of its object, in order.
    pub patches: Vec<serde_json::Value>,
}

/// How calls of some webhooks fare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookRule {
    /// Their names; `None`: of all.
    pub names: Option<Vec<Name>>,
    /// What becomes of a call.
    pub effect: WebhookEffect,
}

/// What becomes of calls of a webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WebhookEffect {
    /// Nobody listens.
    Refuse,
    /// The answer takes longer, by a span drawn between these two.
    Delay(Span, Span),
}

impl WebhookRule {
    /// Whether it is about a webhook.
    pub fn concerns(&self, webhook: &Name) -> bool {
        self.names.as_ref().is_none_or(|names| names.contains(webhook))
    }
}
