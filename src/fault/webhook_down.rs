//! Admission webhooks do not answer.

use std::sync::Arc;

use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, Strike};
use crate::api::Name;
use crate::event::{Primitive, WebhookEffect, WebhookRule};

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "webhookDown",
    doc: "Calls of admission webhooks are refused, though their Services have endpoints: their processes are gone. Requests \
          that they match fail, or pass where failurePolicy is Ignore.",
    parameters: &[Parameter {
        name: "webhooks",
        kind: ParameterKind::Webhooks,
        default: Some("all"),
        doc: "Which webhooks, by the names in their configurations.",
    }],
    example: "at: 90s\nlasts: 5m\nwebhookDown: {webhooks: limits.example.com}",
    build: |parameters| Box::new(WebhookDown { webhooks: parameters.webhooks("webhooks") }),
};

#[derive(Debug)]
struct WebhookDown {
    webhooks: Option<Vec<Name>>,
}

impl Fault for WebhookDown {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, _cluster: &Cluster<'_>) -> Strike {
        let rule = WebhookRule { names: self.webhooks.clone(), effect: WebhookEffect::Refuse };
        Strike {
            hits: webhook_hits(self.webhooks.as_deref()),
            effects: vec![Primitive::ImposeOnWebhooks(Arc::new(rule))],
            heals: Vec::new(),
        }
    }
}

/// Webhooks as people read them.
pub(super) fn webhook_hits(webhooks: Option<&[Name]>) -> Vec<String> {
    match webhooks {
        Some(names) => names.iter().map(|name| format!("webhook {name}")).collect(),
        None => vec!["all webhooks".to_owned()],
    }
}
