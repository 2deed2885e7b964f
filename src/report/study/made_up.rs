//! A study of made-up figures, for tests.

use super::*;
use crate::report::chart::Cell;

const NAMES: [&str; 6] = ["fgd", "bestfit", "gpu-packing", "gpu-clustering", "dotprod", "random"];

/// A number from 0 to 1 that looks like chance.
fn spread(n: usize) -> f64 {
    ((n * 7_919 + 104_729) % 1_009) as f64 / 1_009.0
}

fn measure(name: &str, unit: &str, better: Better, means: [f64; 6], half: f64) -> Measure {
    let is_better = |a: f64, b: f64| if better == Better::Higher { a > b } else { a < b };
    let rank = |mean: f64| means.iter().filter(|other| is_better(**other, mean)).count() as u32 + 1;
    let best = means.iter().copied().find(|mean| rank(*mean) == 1).unwrap_or(0.0);
    let value = |mean: f64| {
        let (mean_of, low, high) = (mean - best, mean - best - half, mean - best + half);
        let to_best = Difference { mean: mean_of, low, high, is_significant: low > 0.0 || high < 0.0 };
        Estimate {
            mean,
            low: mean - half,
            high: mean + half,
            sd: half * 1.4,
            rank: if better == Better::Neither { 0 } else { rank(mean) },
            to_best: (mean != best && better != Better::Neither).then_some(to_best),
        }
    };
    let values = means.iter().map(|mean| Some(value(*mean))).collect();
    Measure { name: name.into(), unit: unit.into(), better, bound: None, values }
}

fn curves(name: &str, unit: &str, close_up_from: Option<f64>, value: fn(f64, usize) -> f64) -> CurveFigures {
    let point = |percent: u32, policy: usize| {
        let x = f64::from(percent);
        let mean = value(x, policy);
        let half = 0.2 + x / 200.0;
        Point { x, mean, low: mean - half, high: mean + half }
    };
    CurveFigures {
        name: name.into(),
        x: Axis { title: "Arrived demand".into(), unit: "% of GPUs".into() },
        y: Axis { title: name.into(), unit: unit.into() },
        points: (0..6).map(|policy| (0..=130).map(|percent| point(percent, policy)).collect()).collect(),
        close_up_from,
    }
}

fn moment(policy: usize) -> Moment {
    let models =
        [("V100M32", 2, 120), ("V100M16", 2, 80), ("P100", 2, 130), ("T4", 2, 421), ("G2, eight cards", 8, 462)];
    let group = |(place, (model, cards, nodes)): (usize, &(&str, u32, usize))| {
        let cell = |n: usize| {
            let load = (spread(n * 31 + place * 7 + policy) * 1.6).min(1.0);
            let cards = f64::from(*cards);
            Cell { name: format!("openb-node-{n:04}"), value: Some((load * cards * 2.0) as u32 as f64 / cards / 2.0) }
        };
        CellGroup { name: (*model).into(), cells: (0..*nodes).map(cell).collect() }
    };
    Moment {
        policy,
        at: "at 100 % arrived, seed 42".into(),
        colour: Axis { title: "Allocated".into(), unit: "% of the node's GPUs".into() },
        groups: models.iter().enumerate().map(group).collect(),
    }
}

/// A workload as a study of the openb lists would have it.
pub(super) fn workload(name: &str) -> WorkloadFigures {
    let allocated =
        |x: f64, policy: usize| x.min(100.0) - policy as f64 * 0.8 * (x / 100.0) * (x / 100.0) - (x / 110.0) * 2.5;
    let fragmented = |x: f64, policy: usize| 4.0 + x / 8.0 + policy as f64 * (x / 100.0);
    let nodes = Measure {
        bound: Some(1_020.0),
        ..measure("Nodes used", "nodes", Better::Lower, [1_061.0, 1_070.4, 1_102.0, 1_130.0, 1_180.2, 1_213.0], 4.0)
    };
    WorkloadFigures {
        name: name.into(),
        about: "1,213 nodes with 6,212 GPUs; 10,800 pods arrive until 130 % of the GPUs are asked for; none departs."
            .into(),
        policies: NAMES.map(str::to_owned).to_vec(),
        measures: vec![
            measure(
                "GPUs allocated at 100 % arrived",
                "%",
                Better::Higher,
                [94.12, 94.04, 92.3, 91.8, 90.9, 89.2],
                0.11,
            ),
            measure("GPUs allocated at 130 % arrived", "%", Better::Higher, [97.3, 96.1, 95.9, 95.8, 94.1, 93.0], 0.09),
            measure(
                "Fragmentation at 100 % arrived",
                "% of the cluster",
                Better::Lower,
                [5.1, 6.2, 7.0, 6.9, 8.3, 9.5],
                0.2,
            ),
            nodes,
            measure("Pods rejected", "pods", Better::Lower, [310.0, 322.0, 352.0, 349.0, 401.0, 462.0], 12.0),
            measure("Waiting, 99th percentile", "s", Better::Lower, [12.0, 14.2, 15.0, 14.9, 33.0, 71.2], 1.5),
            measure("Cost", "$ an hour", Better::Neither, [8_211.5, 8_300.0, 8_412.0, 8_410.1, 8_600.0, 8_702.2], 20.0),
        ],
        curves: vec![
            curves("GPUs allocated", "% of capacity", Some(80.0), allocated),
            curves("Fragmentation", "% of capacity", None, fragmented),
        ],
        moments: vec![moment(0), moment(5)],
    }
}

/// A study of so many workloads.
pub(super) fn study(workloads: &[&str]) -> StudyPage {
    StudyPage {
        title: "Beware of fragmentation, again".into(),
        about: "Which policy fills a cluster of shared GPUs best?".into(),
        command: "wavetank bench placement --nodes nodes.csv --pods default.csv --policy fgd,bestfit,gpu-packing,gpu-clustering,dotprod,random --seeds 42..51 --arrive 1.3 --out results".into(),
        seeds: "42..51 (10)".into(),
        intervals: "95 % Student's t over the seeds; differences are paired by seed".into(),
        notes: vec!["Waiting is zero where nothing departs.".into()],
        workloads: workloads.iter().map(|name| workload(name)).collect(),
    }
}
