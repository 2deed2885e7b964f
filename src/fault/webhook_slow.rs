//! Admission webhooks are slow.

use std::sync::Arc;

use super::webhook_down::webhook_hits;
use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, Strike};
use crate::api::Name;
use crate::event::{Primitive, WebhookEffect, WebhookRule};
use crate::kernel::Span;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "webhookSlow",
    doc: "Admission webhooks take longer to answer, by a span that is drawn for each call. Requests that they match wait; \
          those that wait longer than timeoutSeconds fail, or pass where failurePolicy is Ignore.",
    parameters: &[
        Parameter {
            name: "by",
            kind: ParameterKind::Range,
            default: None,
            doc: "How much longer: a duration or a range.",
        },
        Parameter {
            name: "webhooks",
            kind: ParameterKind::Webhooks,
            default: Some("all"),
            doc: "Which webhooks, by the names in their configurations.",
        },
    ],
    example: "at: 90s\nlasts: 5m\nwebhookSlow: {by: 2s..12s}",
    build: |parameters| Box::new(WebhookSlow { by: parameters.range("by"), webhooks: parameters.webhooks("webhooks") }),
};

#[derive(Debug)]
struct WebhookSlow {
    by: (Span, Span),
    webhooks: Option<Vec<Name>>,
}

impl Fault for WebhookSlow {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, _cluster: &Cluster<'_>) -> Strike {
        let rule = WebhookRule { names: self.webhooks.clone(), effect: WebhookEffect::Delay(self.by.0, self.by.1) };
        Strike {
            hits: webhook_hits(self.webhooks.as_deref()),
            effects: vec![Primitive::ImposeOnWebhooks(Arc::new(rule))],
            heals: Vec::new(),
        }
    }
}
