//! The number of threads changes nothing; mistakes of points are told once, at their place.

use std::path::{Path, PathBuf};

use super::{Case, Seeds, Sweep};
use crate::scenario::{Draft, Found};

const WEB: &str = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 2\n  selector: \
                   {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: \
                   [{name: c, image: nginx}]}\n";

/// The first line is line 4.
fn text(rest: &str) -> String {
    format!("apiVersion: wavetank.dev/v1\nkind: Scenario\nmetadata: {{name: t}}\n{rest}{WEB}")
}

fn sweep_of<T>(
    text: &str,
    sets: &[&str],
    jobs: usize,
    with: impl FnOnce(&Draft, &Sweep<'_>) -> T,
) -> Result<T, String> {
    let read = |_: &Path| Ok(Found::File(text.to_owned()));
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let draft = Draft::open(&[PathBuf::from("s.yaml")], &sets, &read).map_err(|errors| errors.to_string())?;
    let sweep = Sweep::new(&draft, jobs, &read)?;
    Ok(with(&draft, &sweep))
}

/// What each case comes to: point, seed, nodes, digest.
fn ran(text: &str, seeds: Option<Seeds>, jobs: usize) -> Vec<String> {
    let told = sweep_of(text, &[], jobs, |_, sweep| {
        let cases = sweep.cases(seeds).unwrap_or_else(|errors| panic!("{errors}"));
        sweep.run(&cases, false, &|_| {}, &|Case { point, seed }, scenario, result| {
            let nodes: usize = scenario.setup.pools.iter().map(|pool| pool.names.len()).sum();
            format!("{point} {seed} {nodes} {}", result.sim.digest())
        })
    });
    told.unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let text = text(
        "duration: 20s\nnodes: [{name: w, count: 1, capacity: {cpu: 4, memory: 8Gi}}]\naxes: {nodes.w.count: [3, 1], \
         components.kubeScheduler.tie: [draw, first]}\n",
    );
    let seeds = Some(Seeds { first: 4, last: 6 });
    let one = ran(&text, seeds, 1);
    let heads: Vec<&str> = one.iter().map(|line| line.rsplit_once(' ').expect("a line has words").0).collect();
    assert_eq!(heads[..4], ["0 4 3", "0 5 3", "0 6 3", "1 4 3"]);
    assert_eq!(heads[11], "3 6 1");
    for jobs in [2, 7, 0] {
        assert_eq!(ran(&text, seeds, jobs), one, "{jobs} threads");
    }
}

#[test]
fn without_seeds_each_point_has_its_own() {
    assert_eq!(ran(&text("seed: 9\nduration: 1s\n"), None, 1)[0].rsplit_once(' ').expect("words").0, "0 9 3");
}

#[track_caller]
fn check(rest: &str, sets: &[&str], expected: &str) {
    let text = text(rest);
    let found = sweep_of(&text, sets, 2, |draft, sweep| match sweep.cases(None) {
        Ok(cases) => format!("{} points, {} cases", draft.points(), cases.len()),
        Err(errors) => errors.to_string(),
    });
    assert_eq!(found.unwrap_or_else(|why| why), expected);
}

#[test]
fn a_grid_has_every_point_and_set_takes_an_axis_away() {
    let axes = "nodes: [{name: w, count: 1, capacity: {cpu: 4, memory: 8Gi}}]\naxes: {\"nodes[0].count\": [3, 5, 9], \
                components.kubeScheduler.percentage-of-nodes-to-score: [0, 50]}\n";
    check(axes, &[], "6 points, 6 cases");
    check(axes, &["nodes.w.count=4"], "2 points, 2 cases");
    check(axes, &["axes={}"], "1 points, 1 cases");
    check(axes, &["nodes.0.count=4", "components.kubeScheduler.percentage-of-nodes-to-score=7"], "1 points, 1 cases");
    check(
        "",
        &["axes={seed: [1]}"],
        "--set axes={seed: [1]}:1:6: axes.seed: seed is no axis: seeds are swept with --seeds A..B",
    );
}

#[test]
fn axes_are_checked_where_they_stand() {
    check("axes: [1]\n", &[], "s.yaml:4:7: axes: expected a mapping, found a list");
    check("axes: {duration: 1m}\n", &[], "s.yaml:4:18: axes.duration: expected a list, found the string \"1m\"");
    check(
        "axes: {duration: []}\n",
        &[],
        "s.yaml:4:18: axes.duration: an axis without values\n  help: write for example [3, 5, 9], or leave the axis out",
    );
    check(
        "axes: {durations: [1m]}\n",
        &[],
        "s.yaml:4:20: unknown field \"durations\"\n  help: did you mean \"duration\"?",
    );
    check(
        "axes:\n  component.kubelet.event-qps: [1]\n",
        &[],
        "s.yaml:5:3: axes.component.kubelet.event-qps: the scenario has no \"component\"\n  help: valid here: apiVersion, \
         kind, metadata, axes",
    );
    check(
        "axes:\n  nodes.0.count: [1]\n",
        &[],
        "s.yaml:5:3: axes.nodes.0.count: the scenario has no \"nodes\"\n  help: valid here: apiVersion, kind, metadata, axes",
    );
    check("axes: {axes: [1]}\n", &[], "s.yaml:4:8: axes.axes: axes is no axis: it holds the axes themselves");
    check(
        "duration: 1m\naxes: {latency: [{}], latency.read: [1ms]}\n",
        &[],
        "s.yaml:5:23: axes.latency.read: this axis and latency vary the same value",
    );
}

#[test]
fn a_value_that_does_not_fit_is_named_at_its_place() {
    check(
        "axes:\n  duration: [1m, 2, 3m]\n  latency.read: [1ms, 2ms]\n",
        &[],
        "s.yaml:5:18: duration: expected a duration such as 500ms, 90s or 1h30m, found the number 2",
    );
    check(
        "axes: {components.kubeScheduler.percentage-of-nodes-to-score: [50, lots]}\n",
        &[],
        "s.yaml:4:68: components.kubeScheduler.percentage-of-nodes-to-score: --percentage-of-nodes-to-score: \"lots\" is not a \
         whole number",
    );
}

#[test]
fn what_is_wrong_elsewhere_says_at_which_point() {
    let nodes = "nodes: [{name: w, count: 1, capacity: {cpu: 4, memory: 8Gi}}]\ntimeline: [{at: 1s, drain: w-3}]\n";
    check(
        &format!("{nodes}axes: {{\"nodes[0].count\": [4, 3, 2]}}\n"),
        &[],
        "s.yaml:5:28: timeline[0].drain: no node is named \"w-3\" (where nodes[0].count=3)\n  help: did you mean \"w-0\"?",
    );
    check(
        &format!("{nodes}axes: {{latency.read: [1ms, 2ms]}}\n"),
        &[],
        "s.yaml:5:28: timeline[0].drain: no node is named \"w-3\"\n  help: did you mean \"w-0\"?",
    );
}
