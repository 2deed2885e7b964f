//! Traces from files: small ones of every format, and the published lists of openb.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use wavetank::kernel::Time;
use wavetank::trace::{UNIT, azure, borg, openb, snapshot};

fn sample(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces").join(file)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn opened(path: &Path) -> (File, &Path) {
    (File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())), path)
}

fn seconds(time: Option<Time>) -> Option<u64> {
    time.map(Time::seconds)
}

#[test]
fn a_sample_of_openb_is_read() {
    let (nodes, pods) = (sample("openb/nodes.csv"), sample("openb/pods.csv"));
    let machines = openb::nodes(&text(&nodes), &nodes).expect("the nodes can be read");
    assert_eq!(machines.iter().map(|machine| machine.cards).collect::<Vec<_>>(), [0, 4, 8]);
    let tasks = openb::pods(&text(&pods), &pods).expect("the pods can be read");
    let ends: Vec<Option<u64>> = tasks.iter().map(|task| seconds(task.leaves)).collect();
    assert_eq!(ends, [Some(3600), Some(1800), Some(4090), Some(600)]);
    let short = sample("openb/pods_without_times.csv");
    let tasks = openb::pods(&text(&short), &short).expect("the short list can be read");
    assert!(tasks.iter().all(|task| task.leaves.is_none()));
}

#[test]
fn a_sample_of_borg_is_read() {
    let (machines, instances) = (sample("borg/machine_events.csv"), sample("borg/instance_events.jsonl"));
    let found = borg::borg(opened(&machines), opened(&instances)).expect("the sample can be read");
    let capacities: Vec<i64> = found.trace.machines.iter().map(|machine| machine.capacity[1]).collect();
    assert_eq!(capacities, [UNIT / 4, UNIT / 2]);
    let tasks: Vec<(&str, u64, Option<u64>)> = found
        .trace
        .tasks
        .iter()
        .map(|task| (task.name.as_str(), task.arrives.seconds(), seconds(task.leaves)))
        .collect();
    assert_eq!(tasks, [("9001-0", 0, None), ("9002-3", 700, Some(990))]);
    assert_eq!(found.notes.len(), 3, "{:?}", found.notes);
}

#[test]
fn a_sample_of_azure_is_read() {
    let (vms, types) = (sample("azure/vm.csv"), sample("azure/vmType.csv"));
    let found = azure::azure(opened(&vms), opened(&types), "1", 3).expect("the sample can be read");
    assert_eq!((found.trace.machines.len(), found.trace.tasks.len()), (3, 3));
    let hours: Vec<(u64, Option<u64>)> = found
        .trace
        .tasks
        .iter()
        .map(|task| (task.arrives.seconds() / 3600, seconds(task.leaves).map(|seconds| seconds / 3600)))
        .collect();
    assert_eq!(hours, [(0, Some(84)), (3, Some(6)), (60, None)]);
    assert_eq!(found.trace.tasks[0].asks, [62_500, 31_250, 0, 12_500, 20_000, 0]);
}

#[test]
fn a_sample_of_a_snapshot_is_read() {
    let (nodes, pods) = (text(&sample("snapshot/nodes.yaml")), text(&sample("snapshot/pods.json")));
    let found = snapshot::snapshot(&[("nodes.yaml", &nodes), ("pods.json", &pods)]).expect("it can be read");
    let [first, second] = &found.trace.machines[..] else { panic!("there are two machines") };
    assert_eq!(first.capacity, [3900, (16 << 30) - (128 << 20), 109, 0, 0, 0]);
    assert_eq!((second.cards, second.model.as_str(), second.zone.as_str()), (2, "Tesla-T4", "zone-b"));
    let [task] = &found.trace.tasks[..] else { panic!("there is one task") };
    assert_eq!((task.asks[0], task.cards, task.milli_per_card, task.priority), (2050, 2, 1000, 100));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
}

#[test]
fn the_published_lists_of_openb_are_read_whole() {
    let folder = crate::story::shared().join("traces/openb");
    let nodes = |file: &str| openb::nodes(&text(&folder.join(file)), Path::new(file)).expect("a list of nodes");
    let gpus = |file: &str| nodes(file).iter().map(|machine| u32::from(machine.cards)).sum::<u32>();
    assert_eq!((nodes("openb_node_list_gpu_node.csv").len(), gpus("openb_node_list_gpu_node.csv")), (1213, 6212));
    assert_eq!((nodes("openb_node_list_all_node.csv").len(), gpus("openb_node_list_all_node.csv")), (1523, 6212));
    for (list, count) in
        [("default", 8152), ("cpu200", 8832), ("gpushare100", 8152), ("gpuspec33", 8152), ("multigpu20", 8324)]
    {
        let file = format!("openb_pod_list_{list}.csv");
        let tasks = openb::pods(&text(&folder.join(&file)), Path::new(&file)).expect("a list of pods");
        assert_eq!(tasks.len(), count, "{list}");
    }
}
