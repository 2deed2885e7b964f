//! Watches deliver late.

use std::sync::Arc;

use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, PartTarget, Strike};
use crate::api::Kind;
use crate::event::{NetEffect, NetRule, Parties, Primitive, Way};
use crate::kernel::Span;

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "watchDelay",
    doc: "What watches deliver comes later, in order and complete, by a span that is drawn once for each component and \
          strike.",
    parameters: &[
        Parameter {
            name: "delay",
            kind: ParameterKind::Range,
            default: None,
            doc: "How much later: a duration or a range.",
        },
        Parameter { name: "parts", kind: ParameterKind::Parts, default: Some("all"), doc: "Whose watches." },
        Parameter {
            name: "kind",
            kind: ParameterKind::Kind,
            default: Some(""),
            doc: "Of which objects; without: all.",
        },
    ],
    example: "at: 90s\nlasts: 5m\nwatchDelay: {delay: 5s, parts: kube-controller-manager, kind: pods}",
    build: |parameters| {
        Box::new(WatchDelay {
            delay: parameters.range("delay"),
            parts: parameters.parts("parts").clone(),
            kind: parameters.kind("kind"),
        })
    },
};

#[derive(Debug)]
struct WatchDelay {
    delay: (Span, Span),
    parts: PartTarget,
    kind: Option<Kind>,
}

impl Fault for WatchDelay {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let parts = self.parts.choose(cluster);
        if parts.is_empty() {
            return Strike::default();
        }
        let hits = cluster.target_hits(&self.parts, &parts);
        let effect = NetEffect::Delay(self.delay.0, self.delay.1);
        let rule =
            NetRule { parts: Parties::of(parts), replica: None, ways: vec![Way::Watch], kind: self.kind, effect };
        Strike { hits, effects: vec![Primitive::Impose(Arc::new(rule))], heals: Vec::new() }
    }
}
