//! Test cases read from memory: what is wrong with them, and what their ops do to a small tank.

use std::path::{Path, PathBuf};

use super::{Moment, Run, Workload, load};
use crate::api::Kind;
use crate::api::located::InputErrors;
use crate::check;
use crate::kernel::Span;
use crate::scenario::Found;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {generateName: p-, labels: {a: b}}\nspec:\n  \
                   terminationGracePeriodSeconds: 0\n  containers: [{name: c, image: i, resources: {requests: {cpu: 1}}}]\n";
const SERVICE: &str =
    "apiVersion: v1\nkind: Service\nmetadata: {name: 's{{.Index}}of{{ .Count }}'}\nspec: {ports: [{port: 80}]}\n";

/// Loads `c.yaml` beside the templates of all tests.
fn load_text(text: &str) -> Result<Vec<Workload>, InputErrors> {
    let read = |path: &Path| match path.to_str() {
        Some("c.yaml") => Ok(Found::File(text.to_owned())),
        Some("pod.yaml") => Ok(Found::File(POD.to_owned())),
        Some("service.yaml") => Ok(Found::File(SERVICE.to_owned())),
        Some("gated.yaml") => Ok(Found::File(format!("{POD}  schedulingGates: [{{name: g}}]\n"))),
        Some("classless.yaml") => Ok(Found::File(format!("{POD}  priorityClassName: nowhere\n"))),
        Some("wrong.yaml") => Ok(Found::File(POD.replace("image", "imagee"))),
        Some("invalid.yaml") => Ok(Found::File(POD.replace("cpu: 1", "cpu: -1"))),
        Some("two.yaml") => Ok(Found::File(format!("{POD}---\n{POD}"))),
        Some("empty") => Ok(Found::Folder(vec![PathBuf::from("empty/notes.txt")])),
        Some(_) | None => Err("there is no such file".to_owned()),
    };
    load(Path::new("c.yaml"), &read)
}

/// A test case with these ops, a line each, and parameters.
fn case(ops: &[&str], params: &str) -> String {
    let ops: Vec<String> = ops.iter().map(|op| format!("  - {op}\n")).collect();
    format!("- name: case\n  workloadTemplate:\n{}  workloads:\n  - name: small\n    params: {params}\n", ops.concat())
}

const NODES: &str = "{opcode: createNodes, count: 2}";
const MEASURED: &str = "{opcode: createPods, count: 3, podTemplatePath: pod.yaml, collectMetrics: true}";

#[track_caller]
fn check(text: &str, expected: &str) {
    let errors = load_text(text).map(|workloads| workloads.len()).expect_err("it is wrong");
    assert_eq!(errors.to_string(), expected, "{text}");
}

/// One op is wrong.
#[track_caller]
fn check_op(op: &str, expected: &str) {
    check(&case(&[op, MEASURED], "{}"), expected);
}

#[test]
fn mistakes_of_ops_are_told_with_their_places() {
    check_op("{count: 1}", "c.yaml:3:5: [0].workloadTemplate[0]: missing required field \"opcode\"");
    check_op(
        "{opcode: createNode}",
        "c.yaml:3:14: [0].workloadTemplate[0].opcode: unknown opcode \"createNode\"\n  help: did you mean \"createNodes\"?",
    );
    check_op(
        "{opcode: updateAny, templatePath: x}",
        "c.yaml:3:14: [0].workloadTemplate[0].opcode: the opcode \"updateAny\" is not run here yet",
    );
    check_op(
        "{opcode: createNodes, cuont: 1}",
        "c.yaml:3:27: unknown field \"[0].workloadTemplate[0].cuont\"\n  help: did you mean \"count\"?",
    );
    check_op(
        "{opcode: createNodes, count: -1}",
        "c.yaml:3:34: [0].workloadTemplate[0].count: expected an integer from 0 to 4294967295, found integer `-1`",
    );
    check_op(
        "{opcode: createNodes, count: 2000000}",
        "c.yaml:3:34: [0].workloadTemplate[0].count: 2000000: one op creates 1000000 objects at most",
    );
    check_op(
        "{opcode: createNodes, countParam: nodes}",
        "c.yaml:3:39: [0].workloadTemplate[0].countParam: \"nodes\" is no parameter\n  help: write $name, and name under \
         the params of each workload",
    );
    check_op(
        "{opcode: createNodes, uniqueNodeLabelStrategy: {labelKey: a}, labelNodePrepareStrategy: {labelKey: a, labelValues: [b]}}",
        "c.yaml:3:52: [0].workloadTemplate[0].uniqueNodeLabelStrategy: there can be one strategy at most",
    );
    check_op(
        "{opcode: createNodes, nodeAllocatableStrategy: {csiNodeAllocatable: {}}}",
        "c.yaml:3:73: [0].workloadTemplate[0].nodeAllocatableStrategy.csiNodeAllocatable: csiNodeAllocatable is not run \
         here yet",
    );
    check_op(
        "{opcode: createPods, steadyState: true}",
        "c.yaml:3:39: [0].workloadTemplate[0].steadyState: steadyState of createPods is not run here yet",
    );
    check_op(
        "{opcode: createPods, collectMetrics: true, skipWaitToCompletion: true}",
        "c.yaml:3:70: [0].workloadTemplate[0].skipWaitToCompletion: collectMetrics and skipWaitToCompletion cannot be \
         true at the same time",
    );
    check_op(
        "{opcode: churn, mode: recreate, templatePaths: [pod.yaml]}",
        "c.yaml:3:5: [0].workloadTemplate[0]: number cannot be 0 when mode is recreate\n  help: write for how many ticks \
         objects are created before they go again",
    );
    check_op(
        "{opcode: churn, mode: sometimes}",
        "c.yaml:3:27: [0].workloadTemplate[0].mode: unknown value \"sometimes\"\n  help: valid here: create, recreate",
    );
    check_op(
        "{opcode: barrier, namespaces: [nowhere]}",
        "c.yaml:3:36: [0].workloadTemplate[0].namespaces[0]: no op has created pods in the namespace \"nowhere\"",
    );
    check_op(
        "{opcode: stopCollectingMetrics}",
        "c.yaml:3:14: [0].workloadTemplate[0].opcode: no metrics are being collected",
    );
    check_op(
        "{opcode: startCollectingMetrics, namespaces: [a]}",
        "c.yaml:4:79: [0].workloadTemplate[1].collectMetrics: metrics are being collected already: stop that first",
    );
}

#[test]
fn mistakes_of_templates_are_told_where_they_stand() {
    check_op(
        "{opcode: createPods, podTemplatePath: nowhere.yaml}",
        "c.yaml:3:43: [0].workloadTemplate[0].podTemplatePath: nowhere.yaml cannot be read: there is no such file",
    );
    check_op(
        "{opcode: createPods, podTemplatePath: service.yaml}",
        "c.yaml:3:43: [0].workloadTemplate[0].podTemplatePath: service.yaml holds an expression that is not known here\n  \
         help: templates of createAny may have {{.Index}} and {{.Count}}",
    );
    check_op(
        "{opcode: createNodes, nodeTemplatePath: pod.yaml}",
        "c.yaml:3:45: [0].workloadTemplate[0].nodeTemplatePath: pod.yaml holds a Pod, not a Node",
    );
    check_op(
        "{opcode: createPods, podTemplatePath: two.yaml}",
        "c.yaml:3:43: [0].workloadTemplate[0].podTemplatePath: two.yaml holds 2 objects: a template is one",
    );
    check_op(
        "{opcode: createAny, templatePath: service.yaml}",
        "c.yaml:3:39: [0].workloadTemplate[0].templatePath: service.yaml: a Service lives in a namespace\n  help: give \
         the op a namespace",
    );
    check_op(
        "{opcode: createPods, podTemplatePath: wrong.yaml}",
        "wrong.yaml:6:26: unknown field \"spec.containers[0].imagee\"\n  help: did you mean \"image\"?",
    );
    check_op(
        "{opcode: createPods, podTemplatePath: invalid.yaml}",
        "invalid.yaml:6:64: spec.containers[0].resources.requests.cpu: Invalid value: \"-1\": must be greater than or \
         equal to 0",
    );
}

#[test]
fn mistakes_of_workloads_are_told_once_each() {
    let counted = "{opcode: createNodes, countParam: $nodes}";
    check(
        &case(&[counted, MEASURED], "{node: 1}"),
        "c.yaml:7:13: [0].workloads[0].params: the parameter \"nodes\" is not defined, and \
         [0].workloadTemplate[0].countParam asks for it\n  help: did you mean \"node\"?",
    );
    check(
        &case(&[counted, MEASURED], "{nodes: 1, pods: 2}"),
        "c.yaml:7:24: [0].workloads[0].params.pods: no op asks for the parameter \"pods\"",
    );
    check(
        &case(&[counted, MEASURED], "{nodes: many}"),
        "c.yaml:7:21: [0].workloads[0].params.nodes: expected an integer not below 0, found \"many\"",
    );
    let twice = format!(
        "{}  - name: small\n    threshold: -1\n",
        case(&["{opcode: sleep, durationParam: $d}", MEASURED], "{d: 1}")
    );
    check(
        &twice,
        "c.yaml:7:17: [0].workloads[0].params.d: 1 is no duration\n  help: write for example \"10s\"\n\
         c.yaml:8:11: [0].workloads[1].name: there are two workloads named \"small\"\n\
         c.yaml:9:16: [0].workloads[1].threshold: a threshold is not below 0\n\
         c.yaml:8:5: [0].workloads[1].params: the parameter \"d\" is not defined, and \
         [0].workloadTemplate[0].durationParam asks for it",
    );
    check(
        &case(&[NODES], "{}"),
        "c.yaml:3:5: [0].workloadTemplate: no op collects metrics\n  help: write collectMetrics: true into the createPods \
         that is to be measured",
    );
    check("{}\n", "c.yaml:1:1: a file of test cases is a list\n  help: write - name: …, for each test case");
    check("- {}\n---\n- {}\n", "c.yaml:1:1: it holds 2 documents: a file of test cases is one list");
    check("- name: case\n", "c.yaml:1:3: [0]: missing required field \"workloadTemplate\"");
    let metric = case(&[MEASURED], "{}") + "    thresholdMetricSelector: {name: latency}\n";
    check(
        &metric,
        "c.yaml:7:37: [0].workloads[0].thresholdMetricSelector.name: \"latency\" is not measured here: only \
         SchedulingThroughput is",
    );
}

#[test]
fn a_gate_that_is_otherwise_here_keeps_a_workload_from_being_run() {
    let refused = |gates: &str| {
        let text = case(&[MEASURED], "{}") + &format!("    featureGates: {gates}\n");
        let workloads = load_text(&text).unwrap_or_else(|errors| panic!("{errors}"));
        workloads[0].refused.as_ref().map(ToString::to_string)
    };
    assert_eq!(refused("{SchedulerQueueingHints: true, SchedulerAsyncPreemption: true}"), None);
    let told = refused("{SchedulerQueueingHints: false}");
    let expected = "c.yaml:7:44: [0].workloads[0].featureGates.SchedulerQueueingHints: the feature gate \
                    SchedulerQueueingHints is true here";
    assert_eq!(told.as_deref(), Some(expected));
    let expected = "c.yaml:7:30: [0].workloads[0].featureGates.Teleport: the feature gate Teleport is not known here";
    assert_eq!(refused("{Teleport: true}").as_deref(), Some(expected));
}

/// Runs the ops to their end: the tank, and how many pods were scheduled in how much simulated time while metrics were
/// collected.
fn run(ops: &[&str]) -> Result<(Run, u64, Span), String> {
    let workloads = load_text(&case(ops, "{}")).unwrap_or_else(|errors| panic!("{errors}"));
    let invariants: Vec<_> =
        check::ALL.iter().filter(|entry| entry.name == "node-not-overcommitted").copied().collect();
    let mut run = Run::new(&workloads[0], 1, &invariants);
    let (mut scheduled, mut took) = (0, Span::ZERO);
    loop {
        match run.advance()? {
            Moment::Working | Moment::Begins => {}
            Moment::Ends { pods, simulated } => {
                scheduled += pods;
                took += simulated;
            }
            Moment::Done => break,
        }
    }
    assert_eq!(run.sim().violations(), []);
    Ok((run, scheduled, took))
}

/// How many objects there are in the end.
#[track_caller]
fn check_count(ops: &[&str], kind: Kind, expected: usize) {
    let (run, ..) = run(ops).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(run.sim().store().count(kind), expected);
}

#[test]
fn only_pods_that_are_measured_count() {
    let (run, scheduled, took) = run(&[NODES, "{opcode: createPods, count: 2, podTemplatePath: pod.yaml}", MEASURED])
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!((scheduled, run.sim().tally().pods.pending), (3, 5));
    assert!(took > Span::from_millis(3) && took < Span::from_secs(1), "{took}");
}

#[test]
fn collecting_reaches_over_several_ops() {
    let (_, scheduled, took) = run(&[
        NODES,
        "{opcode: startCollectingMetrics, namespaces: [x], labelSelector: {a: b}}",
        "{opcode: createPods, count: 2, namespace: x, podTemplatePath: pod.yaml, skipWaitToCompletion: true}",
        "{opcode: createPods, count: 1, namespace: other, podTemplatePath: pod.yaml}",
        "{opcode: sleep, duration: 30s}",
        "{opcode: barrier, namespaces: [x], labelSelector: {a: b}}",
        "{opcode: stopCollectingMetrics}",
    ])
    .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(scheduled, 2);
    assert!(took >= Span::from_secs(30));
}

#[test]
fn objects_come_as_often_as_they_are_asked_for() {
    let services = "{opcode: createAny, namespace: x, templatePath: service.yaml, count: 3}";
    // The server has one of its own.
    check_count(&[services, NODES, MEASURED], Kind::Service, 4);
    check_count(&[NODES, "{opcode: createNodes, count: 3}", MEASURED], Kind::Node, 5);
    let sets = "{opcode: createPodSets, count: 2, namespacePrefix: set, createPodsOp: {opcode: createPods, count: 1}}";
    check_count(&["{opcode: createNamespaces, prefix: set, count: 2}", NODES, sets, MEASURED], Kind::Pod, 5);
}

#[test]
fn pods_are_deleted_at_once_or_one_by_one() {
    let pods = "{opcode: createPods, count: 4, namespace: x, podTemplatePath: pod.yaml}";
    check_count(&[NODES, pods, "{opcode: deletePods, namespace: x}", MEASURED], Kind::Pod, 3);
    check_count(&[NODES, pods, "{opcode: deletePods, namespace: x, labelSelector: {a: c}}", MEASURED], Kind::Pod, 7);
    let slowly = "{opcode: deletePods, namespace: x, deletePodsPerSecond: 1, skipWaitToCompletion: true}";
    check_count(&[NODES, pods, slowly, "{opcode: sleep, duration: 2500ms}", MEASURED], Kind::Pod, 5);
}

#[test]
fn a_churn_goes_on_beside_everything_else() {
    let churn = |how: &str| {
        format!("{{opcode: churn, templatePaths: [pod.yaml], namespace: x, intervalMilliseconds: 1000, {how}}}")
    };
    let sleep = "{opcode: sleep, duration: 4500ms}";
    for (how, pods) in [("mode: create", 7), ("mode: create, number: 2", 5), ("mode: recreate, number: 2", 3)] {
        check_count(&["{opcode: createNodes, count: 3}", &churn(how), sleep, MEASURED], Kind::Pod, pods);
    }
}

#[test]
fn gated_pods_count_as_attempted() {
    let gated = "{opcode: createPods, count: 2, podTemplatePath: gated.yaml, skipWaitToCompletion: true}";
    check_count(&[NODES, gated, "{opcode: barrier, stageRequirement: Attempted}", MEASURED], Kind::Pod, 5);
}

#[test]
fn pods_that_fit_nowhere_end_a_run() {
    let why = run(&[
        "{opcode: createNodes, count: 1}",
        "{opcode: createPods, count: 5, podTemplatePath: pod.yaml, collectMetrics: true}",
    ]);
    let why = why.map(|_| ()).expect_err("four fit");
    let expected = "1 of 5 pods of namespace-1 are not scheduled, and none was for 10m: namespace-1/p-";
    assert!(why.starts_with(expected), "{why}");
    let reason = ": 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are \
                  available: 1 No preemption victims found for incoming pod.";
    assert!(why.ends_with(reason), "{why}");
}

#[test]
fn what_the_server_refuses_ends_a_run() {
    let why = run(&[NODES, "{opcode: createPods, count: 2, podTemplatePath: classless.yaml}", MEASURED]);
    let why = why.map(|_| ()).expect_err("there is no such class");
    assert!(why.starts_with("the API server refuses the Pod p-: pods \"p-"), "{why}");
    assert!(why.ends_with("is forbidden: no PriorityClass with name nowhere was found"), "{why}");
}
