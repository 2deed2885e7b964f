//! DefaultPreemption, so far without preemption: it says why none helps.

use std::collections::BTreeMap;

use crate::scheduler::{Code, Cycle, ExtensionPoint, Plugin, PluginEntry, PostFilter, Status, Unplaced, fit_error};

/// The registry's line.
pub const ENTRY: PluginEntry = PluginEntry {
    name: "DefaultPreemption",
    points: &[ExtensionPoint::PostFilter],
    weight: 0,
    doc: "says for how many nodes preemption is not helpful and on how many there are no victims. Left out: preemption \
          itself; where pods of lower priority could be victims, this still says that none were found",
    source: "pkg/scheduler/framework/plugins/defaultpreemption/default_preemption.go, pkg/scheduler/framework/preemption",
    events: &[],
    plugin: &DefaultPreemption,
};

const NOT_HELPFUL: &str = "Preemption is not helpful for scheduling";
const NO_VICTIMS: &str = "No preemption victims found for incoming pod";

#[derive(Debug)]
struct DefaultPreemption;

impl Plugin for DefaultPreemption {
    fn post_filter(&self, cycle: &Cycle, unplaced: &Unplaced) -> PostFilter {
        let message = if cycle.pod.body.spec.full.preemption_policy.as_deref() == Some("Never") {
            "not eligible due to preemptionPolicy=Never.".to_owned()
        } else {
            let open = unplaced.rejected.iter().filter(|rejected| rejected.status.code == Code::Unschedulable);
            let resolvable = open.count();
            let counts = BTreeMap::from([(NOT_HELPFUL, unplaced.nodes - resolvable), (NO_VICTIMS, resolvable)]);
            fit_error(unplaced.nodes, None, &counts, "")
        };
        PostFilter::Reject(Status::text(Code::Unschedulable, ecow::eco_format!("preemption: {message}")))
    }
}
