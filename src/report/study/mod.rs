//! The page of a placement study: which policy places how much, how sure that is, and how far everybody is from what is
//! possible; and every plot of it as an image for a paper.
//!
//! What it shows is plain data, worked out elsewhere: nothing is estimated here, no seed is averaged. The page holds all
//! that it needs and needs no script; each plot has its figures as a table below it. The same data gives the same bytes.

mod compare;
mod of_bench;
mod page;
mod plots;

pub use of_bench::study_page;
pub use page::write_study_page;
pub use plots::study_svgs;

use super::chart::{Axis, CellGroup, Point};

/// A study, as its page shows it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StudyPage {
    /// What it is called.
    pub title: String,
    /// What was asked, in a sentence or two; may be empty.
    pub about: String,
    /// The command that repeats it.
    pub command: String,
    /// The seeds, as people say them: `42..51 (10)`.
    pub seeds: String,
    /// How the intervals were made: `95 % t intervals over the seeds`.
    pub intervals: String,
    /// What the reader has to know beside that, a sentence each.
    pub notes: Vec<String>,
    /// The workloads, in the order of the page.
    pub workloads: Vec<WorkloadFigures>,
}

/// What came out for a workload.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WorkloadFigures {
    /// What it is called.
    pub name: String,
    /// What it is made of: `1,213 nodes, 6,212 GPUs; 8,152 pods, arriving up to 130 % of the GPUs`.
    pub about: String,
    /// The policies, in the order in which they were asked for. All lists below go by it.
    pub policies: Vec<String>,
    /// What was measured at the end or at certain points. The first is what the study is about.
    pub measures: Vec<Measure>,
    /// How measures went on while demand arrived, or over time.
    pub curves: Vec<CurveFigures>,
    /// Nodes at a moment, of those policies for which they were kept.
    pub moments: Vec<Moment>,
}

/// Which values are the good ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// Large ones.
    Higher,
    /// Small ones.
    Lower,
    /// Neither: it is told for itself, and no policy is the best.
    Neither,
}

/// Something that was measured once a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Measure {
    /// What it is called: `GPUs allocated at 100 % arrived`.
    pub name: String,
    /// In what: `%`, `nodes`, `s`; may be empty.
    pub unit: String,
    /// Which values are the good ones.
    pub better: Better,
    /// What no policy can do better than, where that is known.
    pub bound: Option<f64>,
    /// By policy; nothing where it was not measured.
    pub values: Vec<Option<Estimate>>,
}

/// A value over several seeds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The lower end of its confidence interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The standard deviation over the seeds.
    pub sd: f64,
    /// The place of the mean among the policies, from 1; equal means have the same. Zero where there is no better.
    pub rank: u32,
    /// Against the best policy, seed by seed; nothing for the best itself.
    pub to_best: Option<Difference>,
}

/// The mean of paired differences: this policy less the best one, under the same seeds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Difference {
    /// The mean.
    pub mean: f64,
    /// The lower end of its confidence interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Whether the two can be told apart.
    pub is_significant: bool,
}

/// A measure over arrived demand, or over time.
#[derive(Clone, PartialEq, Debug)]
pub struct CurveFigures {
    /// What it is called.
    pub name: String,
    /// What it goes over.
    pub x: Axis,
    /// What it counts.
    pub y: Axis,
    /// The points of each policy, rising; the mean over the seeds with the edges of the band.
    pub points: Vec<Vec<Point>>,
    /// From where on the policies part, so that it is drawn once more from there on; nothing where the whole will do.
    pub close_up_from: Option<f64>,
}

/// The nodes under a policy at a moment, of one seed.
#[derive(Clone, PartialEq, Debug)]
pub struct Moment {
    /// The number of the policy.
    pub policy: usize,
    /// When: `at 100 % arrived, seed 42`.
    pub at: String,
    /// What the colours are.
    pub colour: Axis,
    /// The nodes by type.
    pub groups: Vec<CellGroup>,
}

#[cfg(test)]
mod made_up;
#[cfg(test)]
mod tests;
