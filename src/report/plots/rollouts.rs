//! How rollouts went on, Deployment by Deployment.

use super::{Body, Curve, Curves, Panel, PlotEntry, PlotInput, Tone, Unit, for_page, from_start};
use crate::kernel::Time;
use crate::sim::RolloutCounts;

/// The plot.
pub(super) const ENTRY: PlotEntry = PlotEntry {
    name: "rollouts",
    title: "Rollout progress",
    doc: "Of each Deployment the pods that it wants (spec.replicas), and those that its status calls updated, ready and \
          available. Those that are unsettled at the end come first, then those that changed most.",
    draw,
};

/// How many Deployments have a panel.
const SHOWN: usize = 12;
/// How many steps a curve has at most: the panels are small.
const STEPS: usize = 300;

type Line = (&'static str, Tone, fn(&RolloutCounts) -> i32);

const LINES: [Line; 4] = [
    ("desired", Tone::Grey, |counts| counts.desired),
    ("updated", Tone::Sky, |counts| counts.updated),
    ("ready", Tone::Orange, |counts| counts.ready),
    ("available", Tone::Green, |counts| counts.available),
];

fn draw(input: &PlotInput<'_>) -> Vec<Panel> {
    let mut rollouts: Vec<_> = input.sim.tally().rollouts.iter().collect();
    let is_settled = |points: &[(Time, RolloutCounts)]| {
        points
            .last()
            .is_none_or(|(_, last)| [last.updated, last.ready, last.available].iter().all(|n| *n == last.desired))
    };
    rollouts.sort_by_key(|(namespace, name, points)| {
        (is_settled(points), std::cmp::Reverse(points.len()), (*namespace).clone(), (*name).clone())
    });
    let left_out = rollouts.len().saturating_sub(SHOWN);
    let mut panels: Vec<Panel> = rollouts
        .into_iter()
        .take(SHOWN)
        .map(|(namespace, name, points)| panel(format!("{namespace}/{name}"), points, input.sim.now()))
        .collect();
    if left_out > 0
        && let Some(last) = panels.last_mut()
    {
        last.note = format!("{left_out} more Deployments are not shown");
    }
    panels
}

fn panel(title: String, points: &[(Time, RolloutCounts)], end: Time) -> Panel {
    let mut points = for_page(&from_start(points, end), end);
    while points.len() > STEPS {
        points = points.chunks(2).filter_map(<[_]>::last).copied().collect();
    }
    let curve = |(name, tone, count): &Line| Curve {
        name: (*name).to_owned(),
        tone: *tone,
        values: points.iter().map(|(_, counts)| f64::from(count(counts))).collect(),
    };
    let body = Body::Lines(Curves {
        times: points.iter().map(|(at, _)| *at).collect(),
        curves: LINES.iter().map(curve).collect(),
    });
    Panel { title, note: String::new(), unit: Unit::Count, body }
}
