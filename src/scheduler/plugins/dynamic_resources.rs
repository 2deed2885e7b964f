//! DynamicResources: refuses pods with resource claims, and says what upstream's plugin adds to every failure.

use crate::scheduler::{Code, Cycle, ExtensionPoint, Plugin, PluginEntry, PostFilter, PreFilter, Status, Unplaced};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "DynamicResources",
    points: &[ExtensionPoint::PreFilter, ExtensionPoint::PostFilter],
    weight: 0,
    doc: "pods with resource claims are refused: their allocation is left out; only the text of PostFilter is there",
    source: "pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go",
    events: &[],
    plugin: &DynamicResources,
};

#[derive(Debug)]
struct DynamicResources;

impl Plugin for DynamicResources {
    fn pre_filter(&self, cycle: &Cycle) -> PreFilter {
        if cycle.pod.body.spec.full.resource_claims.as_ref().is_none_or(Vec::is_empty) {
            return PreFilter::Skip;
        }
        PreFilter::Reject(Status::fixed(Code::UnschedulableAndUnresolvable, "resource claims are not simulated"))
    }

    /// 1.34 fails where PreFilter of an earlier plugin rejected the pod, since this one has no state then.
    fn post_filter(&self, _cycle: &Cycle, unplaced: &Unplaced) -> PostFilter {
        match unplaced.pre_filter {
            Some(plugin) if plugin < unplaced.asked => PostFilter::Fail("not found".into()),
            Some(_) | None => PostFilter::Reject(Status::fixed(Code::Unschedulable, "no new claims to deallocate")),
        }
    }
}
