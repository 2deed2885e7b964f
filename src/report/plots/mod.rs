//! The plots of the page: a family. Each is one file with an `ENTRY`: a pure function from a simulation to panels, which
//! are plain data. `html` draws them; no plot knows of SVG.
//!
//! A plot more: `src/report/plots/<name>.rs`, its line in [`ALL`].

mod api_calls;
mod node_utilisation;
mod pods_by_phase;
mod rollouts;

use super::cost::Machines;
use crate::kernel::{Span, Time};
use crate::record::thinned;
use crate::sim::Sim;

/// All plots, in the order of the page.
pub const ALL: [&PlotEntry; 4] = [&pods_by_phase::ENTRY, &rollouts::ENTRY, &node_utilisation::ENTRY, &api_calls::ENTRY];

/// How many steps a curve has at most.
const STEPS: u64 = 1_000;

/// A plot of the page.
#[derive(Debug)]
pub struct PlotEntry {
    /// Its name, as in the page's anchors.
    pub name: &'static str,
    /// What stands above it.
    pub title: &'static str,
    /// What it shows, in a sentence or two.
    pub doc: &'static str,
    /// Draws it; no panel where there is nothing to show.
    pub draw: fn(&PlotInput<'_>) -> Vec<Panel>,
}

/// What plots are made of.
#[derive(Clone, Copy, Debug)]
pub struct PlotInput<'a> {
    /// The simulation as it ended.
    pub sim: &'a Sim,
    /// The machines by pool.
    pub machines: &'a [Machines],
}

/// One frame with axes. All panels of a page have the same axis of time, from zero to the end of the run.
#[derive(Clone, PartialEq, Debug)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// What the reader has to know; may be empty.
    pub note: String,
    /// What the values count.
    pub unit: Unit,
    /// The values.
    pub body: Body,
}

/// What values count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Whole things.
    Count,
    /// Percent; the axis reaches 100 at least.
    Percent,
    /// Things a second.
    PerSecond,
}

/// The values of a panel.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// Curves on top of one another, the first at the bottom.
    Stack(Curves),
    /// Curves each for itself.
    Lines(Curves),
    /// A row a thing, percent as colours.
    Heat(Vec<HeatRow>),
}

/// Curves in steps: a value holds from its instant on until the next.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Curves {
    /// The instants, rising.
    pub times: Vec<Time>,
    /// The curves.
    pub curves: Vec<Curve>,
}

/// A curve: one value for each instant.
#[derive(Clone, PartialEq, Debug)]
pub struct Curve {
    /// What it is called.
    pub name: String,
    /// How it is drawn.
    pub tone: Tone,
    /// The values.
    pub values: Vec<f64>,
}

/// A row of a heat map.
#[derive(Clone, PartialEq, Debug)]
pub struct HeatRow {
    /// What it is called.
    pub name: String,
    /// What it belongs to; rows of one group stand together.
    pub group: String,
    /// Percent from an instant on; `None`: there is nothing.
    pub runs: Vec<(Time, Option<u8>)>,
}

/// The colours of curves, told apart by colour-blind people too (after Okabe and Ito).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// What is as it should be.
    Green,
    /// What is on its way.
    Sky,
    /// What runs and is not good yet.
    Orange,
    /// What is not good.
    Vermilion,
    /// What has failed.
    Purple,
    /// One more.
    Blue,
    /// One more.
    Yellow,
    /// What is over, or of no matter.
    Grey,
}

impl Tone {
    /// For things without a meaning, in this order; grey is left for the rest.
    pub const IN_TURN: [Tone; 7] =
        [Tone::Blue, Tone::Orange, Tone::Green, Tone::Purple, Tone::Sky, Tone::Vermilion, Tone::Yellow];

    /// As style sheets call it.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Green => "green",
            Tone::Sky => "sky",
            Tone::Orange => "orange",
            Tone::Vermilion => "vermilion",
            Tone::Purple => "purple",
            Tone::Blue => "blue",
            Tone::Yellow => "yellow",
            Tone::Grey => "grey",
        }
    }
}

/// Of points over a run about a thousand, evenly over time: of each cell the last.
fn for_page<T: Clone>(points: &[(Time, T)], end: Time) -> Vec<(Time, T)> {
    let width = (end.nanos() / STEPS).max(1);
    if points.len() as u64 <= STEPS { points.to_vec() } else { thinned(points, Span(width)) }
}

/// The same from time zero on, where nothing was yet, unless it began at once.
fn from_start<T: Clone + Default>(points: &[(Time, T)], end: Time) -> Vec<(Time, T)> {
    let begins_late = points.first().is_some_and(|(at, _)| at.nanos() > end.nanos() / STEPS);
    let start = begins_late.then(|| (Time::ZERO, T::default()));
    start.into_iter().chain(points.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_have_names_of_their_own() {
        let mut names: Vec<&str> = ALL.iter().map(|plot| plot.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        let is_anchor = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(names.iter().all(|name| is_anchor(name)));
    }

    #[test]
    fn a_long_series_is_thinned_evenly() {
        let points: Vec<(Time, u32)> = (0..5_000).map(|n| (Time(u64::from(n) * 10), n)).collect();
        let few = for_page(&points, Time(50_000));
        assert_eq!((few.len(), few[0], few[999]), (1_000, (Time(40), 4), (Time(49_990), 4_999)));
    }
}
