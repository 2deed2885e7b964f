//! How many pods there are in which phase.

use super::{Body, Curve, Curves, Panel, PlotEntry, PlotInput, Tone, Unit, for_page, from_start};
use crate::kernel::Time;
use crate::sim::PodCounts;

/// The plot.
pub(super) const ENTRY: PlotEntry = PlotEntry {
    name: "pods-by-phase",
    title: "Pods by phase",
    doc: "All pods by status.phase; running ones by their condition Ready, pending ones by whether they have a node.",
    draw,
};

/// What a layer is called, how it looks, and how many pods are in it.
type Layer = (&'static str, Tone, fn(&PodCounts) -> u64);

const LAYERS: [Layer; 6] = [
    ("running and ready", Tone::Green, |pods| pods.ready),
    ("running, not ready", Tone::Orange, |pods| pods.running.saturating_sub(pods.ready)),
    ("pending on a node", Tone::Sky, |pods| pods.pending),
    ("pending without a node", Tone::Vermilion, |pods| pods.unscheduled),
    ("failed", Tone::Purple, |pods| pods.failed),
    ("succeeded", Tone::Grey, |pods| pods.succeeded),
];

fn draw(input: &PlotInput<'_>) -> Vec<Panel> {
    let end = input.sim.now();
    let samples = input.sim.tally().samples(end);
    let points: Vec<(Time, PodCounts)> = samples.iter().map(|sample| (sample.time, sample.pods)).collect();
    let points = for_page(&from_start(&points, end), end);
    let curve = |(name, tone, count): &Layer| Curve {
        name: (*name).to_owned(),
        tone: *tone,
        values: points.iter().map(|(_, pods)| count(pods) as f64).collect(),
    };
    let has_any = |curve: &Curve| curve.values.iter().any(|value| *value > 0.0);
    let curves: Vec<Curve> = LAYERS.iter().map(curve).filter(has_any).collect();
    if curves.is_empty() {
        return Vec::new();
    }
    let times = points.iter().map(|(at, _)| *at).collect();
    let body = Body::Stack(Curves { times, curves });
    vec![Panel { title: "Pods".to_owned(), note: String::new(), unit: Unit::Count, body }]
}
