//! What `wavetank bench` measures, at sizes that a test can bear: that pods come to their nodes, not how fast.

use std::path::Path;

use wavetank::bench::scheduler_perf::{Moment, Run, Workload, load};
use wavetank::bench::scheduling::{self, Stream};
use wavetank::check;

use crate::story::{read, root};

/// A hundredth of everything.
fn small(workload: &scheduling::Workload) -> scheduling::Workload {
    let scheduling::Workload { nodes, before, pods, .. } = *workload;
    scheduling::Workload { nodes: nodes / 100, before: before / 100, pods: pods / 100, ..*workload }
}

#[test]
fn every_workload_places_all_of_its_pods() {
    for workload in scheduling::ALL {
        let workload = small(workload);
        let mut stream = Stream::new(&workload);
        (0..workload.pods).for_each(|_| stream.step());
        assert_eq!(stream.placed, workload.pods, "{}", workload.name);
    }
}

fn shipped() -> Vec<Workload> {
    load(&root().join("scenarios/scheduler_perf"), &read).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Runs a workload to its end: its digest, and how many pods were scheduled while metrics were collected.
fn run(workload: &Workload) -> (String, u64) {
    let mut run = Run::new(workload, 1, check::ALL);
    let mut scheduled = 0;
    loop {
        match run.advance().unwrap_or_else(|why| panic!("{}: {why}", workload.full_name())) {
            Moment::Working | Moment::Begins => {}
            Moment::Ends { pods, .. } => scheduled += pods,
            Moment::Done => break,
        }
    }
    assert_eq!(run.sim().violations(), [], "{}", workload.full_name());
    (run.sim().digest().to_string(), scheduled)
}

#[test]
fn every_test_case_runs_at_its_smallest_and_repeats() {
    let small = shipped().into_iter().filter(|workload| workload.labels.contains(&"test".to_owned()));
    let mut cases = 0;
    for workload in small {
        let (digest, scheduled) = run(&workload);
        assert!(scheduled >= 4, "{}: {scheduled} pods", workload.full_name());
        assert_eq!(run(&workload), (digest, scheduled), "{}", workload.full_name());
        cases += 1;
    }
    assert_eq!(cases, 11);
}

#[test]
fn every_test_case_has_a_size_that_upstream_measures() {
    let mut cases: Vec<(String, bool)> = Vec::new();
    for workload in shipped() {
        assert_eq!(workload.refused, None, "{}", workload.full_name());
        let has_floor = workload.threshold.is_some();
        assert!(!has_floor || workload.labels == ["performance"], "{}", workload.full_name());
        match cases.iter_mut().find(|(case, _)| *case == workload.test_case) {
            Some((_, floor)) => *floor |= has_floor,
            None => cases.push((workload.test_case, has_floor)),
        }
    }
    assert!(cases.iter().all(|(_, has_floor)| *has_floor), "{cases:?}");
}

#[test]
fn a_folder_without_test_cases_is_told() {
    let errors = load(Path::new("src/bench"), &|_| Ok(wavetank::scenario::Found::Folder(Vec::new())));
    let errors = errors.map(|workloads| workloads.len()).expect_err("it is empty");
    assert_eq!(errors.to_string(), "src/bench:1:1: it holds no *.yaml or *.yml");
}
