//! Placement studies: the published figures come out, and outputs do not depend on how a study is cut.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use wavetank::bench::placement::{Conditions, Contender, Source, Study, Workload, bins, results};
use wavetank::bench::stats::Summary;
use wavetank::explore::Seeds;
use wavetank::scheduler::policies;
use wavetank::trace::{Trace, openb};

use crate::story::{root, shared};

/// The policies of 'Beware of Fragmentation', as the published results call them.
const PUBLISHED: [(&str, &str); 6] = [
    ("random", "01-Random"),
    ("dotprod", "02-DotProd"),
    ("gpu-clustering", "03-GpuClustering"),
    ("gpu-packing", "04-GpuPacking"),
    ("bestfit", "05-BestFit"),
    ("fgd", "06-FGD"),
];

fn openb_trace(pods: &str) -> Trace {
    let text = |name: &str| {
        let path = shared().join("traces/openb").join(name);
        (fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())), path)
    };
    let (nodes_text, nodes) = text("openb_node_list_gpu_node.csv");
    let (pods_text, pods) = text(pods);
    let machines = openb::nodes(&nodes_text, &nodes).unwrap_or_else(|errors| panic!("{errors}"));
    let tasks = openb::pods(&pods_text, &pods).unwrap_or_else(|errors| panic!("{errors}"));
    Trace { resources: vec!["cpu".into(), "memory".into()], machines, tasks }
}

/// Mean, standard deviation and number of seeds as published, by policy, metric and arrived percent.
fn published(workload: &str) -> BTreeMap<(String, String, String), (f64, f64, f64)> {
    let path = shared().join("traces/openb/published_results.csv");
    let text = fs::read_to_string(path).expect("the published results can be read");
    let mut found = BTreeMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |cell: usize| cells[cell].parse::<f64>().expect("it is a number");
        if cells[0] == workload {
            let key = (cells[1].to_owned(), cells[2].to_owned(), cells[3].to_owned());
            found.insert(key, (number(4), number(6), number(9)));
        }
    }
    found
}

#[test]
fn the_published_table_of_fgd_comes_out() {
    let workload = "openb_pod_list_default";
    let trace = std::sync::Arc::new(openb_trace(&format!("{workload}.csv")));
    let named = |(name, _): &(&str, &str)| Contender::Policy(policies::named(name).expect("it is a policy"));
    let study = Study {
        workloads: vec![Workload { name: workload.to_owned(), source: Source::Recorded(trace) }],
        conditions: vec![Conditions::filling(1.3)],
        policies: PUBLISHED.iter().map(named).collect(),
        seeds: Seeds { first: 42, last: 43 },
        moment: 100.0,
    };
    let published = published(workload);
    let mut binned: BTreeMap<(usize, u64), Vec<[f64; 2]>> = BTreeMap::new();
    for case in study.cases() {
        let outcome = study.run(case).unwrap_or_else(|why| panic!("{why}"));
        for bin in bins(&outcome.samples, study.conditions[0].arrivals) {
            binned.entry((case.policy, bin.at)).or_default().push([bin.values[0], bin.values[1]]);
        }
    }
    let mut wrong = Vec::new();
    for (policy, (name, published_name)) in PUBLISHED.iter().enumerate() {
        for (metric, measure, point) in
            [("alloc_gpu_pct", 0, 100), ("alloc_gpu_pct", 0, 130), ("frag_pct_of_cluster", 1, 100)]
        {
            let values: Vec<f64> = binned[&(policy, point)].iter().map(|values| values[measure]).collect();
            let mean = Summary::of(&values).mean;
            let key = ((*published_name).to_owned(), metric.to_owned(), point.to_string());
            let (expected, sd, n) = published[&key];
            // Three standard errors of a difference of means of so many seeds.
            let tolerance = (3.0 * sd * (1.0 / n + 1.0 / values.len() as f64).sqrt()).max(0.5);
            if (mean - expected).abs() > tolerance {
                wrong.push(format!("{name} {metric} at {point}: {mean:.3}, published {expected:.3} ±{tolerance:.3}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn results_have_the_columns_of_the_published_ones() {
    let path = shared().join("traces/openb/published_results.csv");
    let text = fs::read_to_string(path).expect("the published results can be read");
    let study = Study {
        workloads: Vec::new(),
        conditions: vec![Conditions::filling(1.3)],
        policies: Vec::new(),
        seeds: Seeds { first: 1, last: 1 },
        moment: 100.0,
    };
    assert_eq!(text.lines().next(), results::results_csv(&study, &[]).lines().next());
}

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    let command = command.args(["bench", "placement"]).args(arguments).current_dir(root().join("tests/it/traces"));
    command.output().expect("the binary can be started")
}

const SMALL: [&str; 10] = [
    "--nodes",
    "nodes.csv",
    "--pods",
    "pods.csv",
    "--policy",
    "random,bestfit,fgd",
    "--seeds",
    "3..6",
    "--arrive",
    "1.2,0.8",
];

#[track_caller]
fn run_into(out: &Path, more: &[&str]) {
    let out = out.to_str().expect("the path is text");
    let output = bench(&[&SMALL, more, &["--out", out]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// All files below a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let name = path.to_str().expect("the path is text").rsplit('/').next().expect("it has a name").to_owned();
            found.insert(name, fs::read(&path).expect("the file can be read"));
        }
    }
    found
}

#[test]
fn jobs_shards_and_interruptions_change_no_byte() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let at = |name: &str| folder.path().join(name);
    run_into(&at("one"), &["--jobs", "1"]);
    run_into(&at("two"), &["--jobs", "2"]);
    let whole = files(&at("one"));
    assert!(whole.contains_key("results.csv") && whole.contains_key("runs.parquet"), "{:?}", whole.keys());
    assert!(whole.contains_key("report.html") && whole.keys().any(|name| name.ends_with(".svg")), "{:?}", whole.keys());
    assert_eq!(files(&at("two")), whole);

    let text = |path: std::path::PathBuf| path.to_str().expect("the path is text").to_owned();
    let shards: Vec<String> = (1..=3).map(|number| text(at(&format!("shard-{number}")))).collect();
    for (number, shard) in shards.iter().enumerate() {
        run_into(Path::new(shard), &["--shard", &format!("{}/3", number + 1)]);
    }
    let merge: Vec<&str> = shards.iter().flat_map(|shard| ["--merge", shard.as_str()]).collect();
    run_into(&at("merged"), &merge);
    assert_eq!(files(&at("merged")), whole);

    // A shard's folder is what an interrupted study leaves: the same command goes on from there.
    fs::remove_file(Path::new(&shards[1]).join("runs/000004.json")).expect("the record is there");
    run_into(Path::new(&shards[1]), &[]);
    assert_eq!(files(Path::new(&shards[1])), whole);
}

#[track_caller]
fn check_refused(arguments: &[&str], expected: &str) {
    let output = bench(arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains(expected), "{error}");
}

#[test]
fn bad_studies_are_refused_with_what_would_be_right() {
    let lists = ["--nodes", "nodes.csv", "--pods", "pods.csv"];
    check_refused(&[&lists[..], &["--policy", "bestfitt"]].concat(), "did you mean \"bestfit\"?");
    check_refused(&[&lists[..], &["--policy", "bestfit", "--arrive", "0"]].concat(), "write for example 1.3");
    check_refused(&[&lists[..], &["--policy", "bestfit,bestfit"]].concat(), "stands there twice");
    check_refused(
        &["--nodes", "nodes.csv", "--pods", "none.csv", "--policy", "bestfit"],
        "none.csv: there is no such file",
    );
    check_refused(&["--nodes", "pods.csv", "--pods", "pods.csv", "--policy", "bestfit"], "pods.csv:1");
    check_refused(&[&lists[..], &["--policy", "fgd", "--shard", "4/3", "--out", "o"]].concat(), "no part 4 of 3");
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    fs::write(folder.path().join("mine.txt"), "mine").expect("a file can be written");
    let out = folder.path().to_str().expect("the path is text");
    check_refused(&[&lists[..], &["--policy", "fgd", "--out", out]].concat(), "it is not empty and no study");
    let study = folder.path().join("study.yaml");
    let text =
        "apiVersion: wavetank.dev/v1\nkind: Study\nmetadata: {name: s}\npolicies: [fgd]\nseeds: 1..2\narive: [1]\n";
    fs::write(&study, text).expect("a file can be written");
    check_refused(&[study.to_str().expect("the path is text")], "study.yaml:6:1: unknown field \"arive\"");
}

#[test]
fn a_study_file_with_departures_queues_and_failures_runs_and_repeats() {
    let file = root().join("scenarios/studies/queues.yaml");
    let file = file.to_str().expect("the path is text");
    let (one, other) = (bench(&[file]), bench(&[file, "--jobs", "1"]));
    let text = String::from_utf8_lossy(&one.stdout).into_owned();
    assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
    assert_eq!(one.stdout, other.stdout);
    assert!(
        text.contains("queue retry") && text.contains("MIGRATIONS") && text.contains("best-fit-decreasing"),
        "{text}"
    );
}

#[test]
fn every_format_of_traces_and_kube_scheduler_itself_make_a_study() {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let samples = root().join("tests/traces");
    let samples = samples.to_str().expect("the path is text");
    let text = format!(
        "apiVersion: wavetank.dev/v1\nkind: Study\nmetadata: {{name: formats}}\nseeds: 1..2\narrive: [asRecorded]\n\
         policies: [first-fit, kube-scheduler]\nschedulers: [{{name: packing, config: packing.yaml}}]\ntraces:\n\
         - {{name: cell, borg: {{machineEvents: {samples}/borg/machine_events.csv, instanceEvents: \
         {samples}/borg/instance_events.jsonl}}}}\n\
         - {{name: zone, azure: {{vms: {samples}/azure/vm.csv, types: {samples}/azure/vmType.csv, machineId: '1', machines: 3}}}}\n\
         - {{name: cluster, snapshot: [{samples}/snapshot/nodes.yaml, {samples}/snapshot/pods.json]}}\n"
    );
    let packing = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nprofiles:\n- pluginConfig:\n  \
                   - {name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated}}}\n";
    let study = folder.path().join("study.yaml");
    fs::write(&study, text).expect("a file can be written");
    fs::write(folder.path().join("packing.yaml"), packing).expect("a file can be written");
    let output = bench(&[study.to_str().expect("the path is text")]);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    for expected in ["cell\n", "zone\n", "cluster\n", "kube-scheduler ", "packing "] {
        assert!(out.contains(expected), "{expected:?} is missing in {out}");
    }
}
