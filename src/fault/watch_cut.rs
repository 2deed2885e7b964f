//! Watches are cut.

use super::{Cluster, Fault, FaultEntry, Parameter, ParameterKind, PartTarget, Strike};
use crate::api::Kind;
use crate::event::{Parties, Primitive, WatchEnd};

pub(super) static ENTRY: FaultEntry = FaultEntry {
    name: "watchCut",
    doc: "Open watches end, and their informers open them again: from the last revision that they saw, or after a new \
          list, since that revision is gone (410). Nothing is lost, but a new list shows only what is left of what \
          happened meanwhile. It is over at once.",
    parameters: &[
        Parameter { name: "parts", kind: ParameterKind::Parts, default: Some("all"), doc: "Whose watches." },
        Parameter {
            name: "kind",
            kind: ParameterKind::Kind,
            default: Some(""),
            doc: "Of which objects; without: all.",
        },
        Parameter {
            name: "then",
            kind: ParameterKind::Choice(&["resume", "relist"]),
            default: Some("resume"),
            doc: "How they go on.",
        },
    ],
    example: "every: 10m ±2m\nwatchCut: {parts: kube-controller-manager, then: relist}",
    build: |parameters| {
        Box::new(WatchCut {
            parts: parameters.parts("parts").clone(),
            kind: parameters.kind("kind"),
            end: if parameters.choice("then") == "relist" { WatchEnd::Expired } else { WatchEnd::Closed },
        })
    },
};

#[derive(Debug)]
struct WatchCut {
    parts: PartTarget,
    kind: Option<Kind>,
    end: WatchEnd,
}

impl Fault for WatchCut {
    fn entry(&self) -> &'static FaultEntry {
        &ENTRY
    }

    fn strike(&self, cluster: &Cluster<'_>) -> Strike {
        let parts = self.parts.choose(cluster);
        if parts.is_empty() {
            return Strike::default();
        }
        let hits = cluster.target_hits(&self.parts, &parts);
        let cut = Primitive::CutWatches { parts: Parties::of(parts), kind: self.kind, end: self.end };
        Strike { hits, effects: vec![cut], heals: Vec::new() }
    }
}
