//! The API server is slow.

use std::sync::Arc;

use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, PartTarget, Strike};
use crate::api::Kind;
use crate::event::{NetEffect, NetRule, Parties, Primitive, Way};
use crate::kernel::Span;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "apiServerLatency",
    doc: "Requests take longer until they are served, by a span that is drawn once for each component and strike. Watches \
          are as quick as ever.",
    parameters: &[
        Parameter {
            name: "latency",
            kind: ParameterKind::Range,
            default: None,
            doc: "How much longer: a duration or a range.",
        },
        Parameter { name: "parts", kind: ParameterKind::Parts, default: Some("all"), doc: "Whose requests." },
        Parameter {
            name: "kind",
            kind: ParameterKind::Kind,
            default: Some(""),
            doc: "Of which objects; without: all.",
        },
    ],
    example: "at: 90s\nlasts: 5m\napiServerLatency: {latency: 500ms..2s}",
    build: |parameters| {
        Box::new(ApiServerLatency {
            latency: parameters.range("latency"),
            parts: parameters.parts("parts").clone(),
            kind: parameters.kind("kind"),
        })
    },
};

#[derive(Debug)]
struct ApiServerLatency {
    latency: (Span, Span),
    parts: PartTarget,
    kind: Option<Kind>,
}

impl Fault for ApiServerLatency {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let parts = self.parts.choose(cluster);
        if parts.is_empty() {
            return Strike::default();
        }
        let hits = cluster.target_hits(&self.parts, &parts);
        let effect = NetEffect::Delay(self.latency.0, self.latency.1);
        let rule =
            NetRule { parts: Parties::of(parts), replica: None, ways: vec![Way::Request], kind: self.kind, effect };
        Strike { hits, effects: vec![Primitive::Impose(Arc::new(rule))], heals: Vec::new() }
    }
}
