//! What is wrong with a scenario is said at its place, with what would be right.

use super::{HEAD, WEB, load_from, load_text};

/// `text` follows [`HEAD`], so that its first line is line 4.
#[track_caller]
fn check(text: &str, expected: &str) {
    let found = load_text(&format!("{HEAD}{text}")).map_or_else(|errors| errors.to_string(), |_| "fine".to_owned());
    assert_eq!(found, expected);
}

#[test]
fn unknown_fields_have_a_nearest_neighbour() {
    check("node: []\n", "s.yaml:4:1: unknown field \"node\"\n  help: did you mean \"nodes\"?");
    check(
        "nodes: [{name: a, count: 1, capcity: {cpu: 1, memory: 1Gi}}]\n",
        "s.yaml:4:29: unknown field \"nodes[0].capcity\"\n  help: did you mean \"capacity\"?",
    );
    check(
        "timeline: [{at: 1s, scal: {}}]\n",
        "s.yaml:4:21: unknown field \"timeline[0].scal\"\n  help: did you mean \"scale\"?",
    );
}

#[test]
fn scalars_say_what_they_should_be() {
    check("duration: soon\n", "s.yaml:4:11: duration: 'soon' is no duration: a number was expected at 'soon'");
    check(
        "duration: 5\n",
        "s.yaml:4:11: duration: expected a duration such as 500ms, 90s or 1h30m, found the number 5",
    );
    check(
        "duration: 0s\n",
        "s.yaml:4:11: duration: nothing happens in no time\n  help: write for example 10m, or leave it out",
    );
    check(
        "duration: 9000h\n",
        "s.yaml:4:11: duration: '9000h' is longer than 366 days, the longest that a scenario may name",
    );
    check(
        "latency: {read: 2s..1s}\n",
        "s.yaml:4:17: latency.read: '2s..1s' ends before it begins; write the shorter duration first",
    );
    check(
        "start: yesterday\n",
        "s.yaml:4:8: start: \"yesterday\" is no instant in RFC 3339, such as 2026-01-01T00:00:00Z",
    );
    check("start: 1066-10-14T00:00:00Z\n", "s.yaml:4:8: start: the start lies between the years 1970 and 9998");
}

#[test]
fn webhooks_are_declared_with_conditions_and_patches_that_can_be_read() {
    let webhook = |more: &str| format!("webhooks: [{{name: a.example.com, {more}}}]\n");
    check(&webhook("denies: [{message: m, when: [{field: spec.replicas, atLeast: 3}]}]"), "fine");
    check(
        &webhook("denies: [{message: m, when: [{field: spec.replicas}]}]"),
        "s.yaml:4:63: webhooks[0].denies[0].when[0]: nothing is asked of the field\n  help: add equals, notEquals, \
         atLeast, atMost or exists",
    );
    check(
        &webhook("denies: [{message: m, when: [{field: a, atLeast: 3, exists: true}]}]"),
        "s.yaml:4:63: webhooks[0].denies[0].when[0]: one test belongs to one field: write a condition for each",
    );
    check(
        &webhook("patches: [{patch: [{op: put}]}]"),
        "s.yaml:4:52: webhooks[0].patches[0].patch: this is no JSON patch\n  help: write for example [{op: add, path: \
         /metadata/labels/team, value: blue}]",
    );
    check("webhooks: [{name: a}, {name: a}]\n", "s.yaml:4:30: webhooks[1].name: \"a\" is declared twice");
}

#[test]
fn invariants_are_looked_up() {
    check("checks: {invariants: [owners-exist-at-rest]}\n", "fine");
    check(
        "checks: {invariants: [owner-exist-at-rest]}\n",
        "s.yaml:4:23: checks.invariants[0]: no invariant is named \"owner-exist-at-rest\"\n  help: did you mean \
         \"owners-exist-at-rest\"?",
    );
    check(
        "checks: {invariants: [no-address-twice, no-address-twice]}\n",
        "s.yaml:4:41: checks.invariants[1]: no-address-twice is named twice",
    );
}

#[test]
fn pools_are_checked() {
    let pool = |rest: &str| format!("nodes:\n- {{name: a, count: 1, capacity: {{cpu: 1, memory: 1Gi}}, {rest}}}\n");
    check(
        "nodes: [{name: a, count: 0, capacity: {cpu: 1, memory: 1Gi}}]\n",
        "s.yaml:4:26: nodes[0].count: a pool of 0 nodes\n  help: write 1 or more, or leave the pool out",
    );
    check(
        "nodes: [{name: a, count: 1, capacity: {cpu: four, memory: 1Gi}}]\n",
        "s.yaml:4:45: nodes[0].capacity.cpu: \"four\" is no quantity\n  help: write for example 500m, 4, 16Gi or 100M",
    );
    check(
        "nodes: [{name: a, count: 1, capacity: {cpu: 1, memroy: 1Gi}}]\n",
        "s.yaml:4:48: nodes[0].capacity.memroy: no node has a resource named \"memroy\"\n  help: did you mean \"memory\"?\n\
         s.yaml:4:39: nodes[0].capacity: memory is missing",
    );
    check(&pool("pricePerHour: -1"), "s.yaml:5:70: nodes[0].pricePerHour: a price is a number that is not below 0");
    check(&pool("allocatable: {cpu: 2}"), "s.yaml:5:75: nodes[0].allocatable.cpu: 2 are more than the capacity, 1");
    check(
        &pool("taints: [\"a=b:NoShedule\"]"),
        "s.yaml:5:65: nodes[0].taints[0]: \"NoShedule\" is no effect of a taint\n  help: did you mean \"NoSchedule\"?",
    );
    check(
        &pool("taints: [a]"),
        "s.yaml:5:65: nodes[0].taints[0]: \"a\" is no taint\n  help: write key=value:NoSchedule or key:NoSchedule",
    );
    check(
        "nodes:\n- {name: a, count: 1, capacity: {cpu: 1, memory: 1Gi}}\n- {name: a, count: 1, capacity: {cpu: 1, memory: 1Gi}}\n",
        "s.yaml:6:10: nodes[1].name: there are two pools named \"a\"",
    );
    check(
        "nodes: [{name: a, capacity: {cpu: 1, memory: 1Gi}}]\n",
        "s.yaml:4:9: nodes[0]: missing required field \"count\"",
    );
    check(
        "nodes: [{name: a, count: 1, names: [b], capacity: {cpu: 1, memory: 1Gi}}]\n",
        "s.yaml:4:26: nodes[0].count: count and names cannot stand together",
    );
    check(
        "nodes:\n- {name: a, count: 2, capacity: {cpu: 1, memory: 1Gi}}\n- {name: b, names: [ip-10.eu, a-1], capacity: {cpu: 1, memory: 1Gi}}\n",
        "s.yaml:6:20: nodes[1].names: there are two nodes named \"a-1\"",
    );
}

/// `types` are entries of `nodeTypes`, from line 5 on; `types.yaml` is the file that they may name.
#[track_caller]
fn check_types(types: &str, included: &str, expected: &str) {
    let text = format!("{HEAD}nodeTypes:\n{types}nodes: [{{name: a, count: 1, type: m5.large}}]\n");
    let files = [("s.yaml", text.as_str()), ("types.yaml", included)];
    let found = load_from(&files, &[]).map_or_else(|errors| errors.to_string(), |_| "fine".to_owned());
    assert_eq!(found, expected);
}

#[test]
fn node_types_are_checked_where_they_stand() {
    let large = "- {name: m5.large, capacity: {cpu: 2, memory: 8Gi}}\n";
    check_types(large, "", "fine");
    check_types("- {file: types.yaml}\n", large, "fine");
    check_types(
        &format!("{large}{large}"),
        "",
        "s.yaml:6:10: nodeTypes[1].name: there are two node types named \"m5.large\"",
    );
    check_types(
        "- {name: m5.lage, capacity: {cpu: 2, memory: 8Gi}}\n",
        "",
        "s.yaml:6:35: nodes[0].type: no node type is named \"m5.large\"\n  help: did you mean \"m5.lage\"?",
    );
    check_types(
        "- {name: m5.large, capacity: {cpu: 2}}\n",
        "",
        "s.yaml:5:30: nodeTypes[0].capacity: memory is missing",
    );
    check_types(
        "- {name: m5.large, capacity: {cpu: 2, memory: 8Gi}, prise: 1}\n",
        "",
        "s.yaml:5:53: unknown field \"nodeTypes[0].prise\"\n  help: valid here: name, capacity, allocatable, labels, taints, pricePerHour",
    );
    check_types(
        "- {name: m5.large, capacity: {cpu: 2, memory: 8Gi}, pricePerHour: cheap}\n",
        "",
        "s.yaml:5:67: nodeTypes[0].pricePerHour: expected a number, found the string \"cheap\"",
    );
    check_types(
        "- {name: 5, capacity: {cpu: 2, memory: 8Gi}}\n",
        "",
        "s.yaml:5:10: nodeTypes[0].name: expected a string, found the number 5\n  help: write it in quotes: \"5\"",
    );
    check_types(
        "- m5.large\n",
        "",
        "s.yaml:5:3: nodeTypes[0]: expected a node type, or {file: PATH}, found the string \"m5.large\"",
    );
}

#[test]
fn files_of_node_types_are_checked_too() {
    let file = "- {file: types.yaml}\n";
    check_types(
        "- {file: tips.yaml}\n",
        "",
        "s.yaml:5:10: nodeTypes[0].file: tips.yaml cannot be read: No such file or directory",
    );
    check_types(
        file,
        "name: m5.large\n",
        "types.yaml:1:1: a file of node types holds a list of them\n  help: write - name: …, with capacity and \
         pricePerHour, for each type",
    );
    check_types(
        file,
        "- {name: m5.large, capacity: {cpu: two, memory: 8Gi}}\n",
        "types.yaml:1:36: [0].capacity.cpu: \"two\" is no quantity\n  help: write for example 500m, 4, 16Gi or 100M",
    );
    check_types(
        file,
        "- {name: m5.large, capacity: {cpu: 2, memory: 8Gi}, prise: 1}\n",
        "types.yaml:1:53: unknown field \"[0].prise\"\n  help: valid here: name, capacity, allocatable, labels, taints, pricePerHour",
    );
}

#[test]
fn a_pool_needs_a_capacity_or_a_type() {
    check(
        "nodes: [{name: a, count: 1}]\n",
        "s.yaml:4:9: nodes[0]: missing required field \"capacity\"\n  help: write for example {cpu: 4, memory: 16Gi}, or \
         name a type of nodeTypes with type:",
    );
    check(
        "nodes: [{name: a, count: 1, type: m5.large}]\n",
        "s.yaml:4:35: nodes[0].type: no node type is named \"m5.large\"\n  help: declare it under nodeTypes, with name and \
         capacity",
    );
    check(
        "nodeTypes: [{name: t, capacity: {cpu: 2, memory: 8Gi}, allocatable: {cpu: 1900m}}]\n\
         nodes: [{name: a, count: 1, type: t, capacity: {cpu: 1}}]\n",
        "s.yaml:5:9: nodes[0].allocatable.cpu: 1900m are more than the capacity, 1",
    );
}

#[test]
fn flags_are_looked_up_where_components_declare_them() {
    check(
        "components: {kubeControllerManager: {concurrent-deployment-sync: 5}}\n",
        "s.yaml:4:38: components.kubeControllerManager.concurrent-deployment-sync: unknown flag: \
         --concurrent-deployment-sync\n  help: did you mean \"concurrent-deployment-syncs\"?",
    );
    check(
        "components: {kubeScheduler: {kube-api-qps: fast}}\n",
        "s.yaml:4:44: components.kubeScheduler.kube-api-qps: --kube-api-qps: \"fast\" is not a number",
    );
    check(
        "components: {kubeControllerManager: {cluster-cidr: 10.0/8}}\n",
        "s.yaml:4:52: components.kubeControllerManager.cluster-cidr: --cluster-cidr: invalid CIDR address: 10.0/8",
    );
    check(
        "components: {kubeControllerManager: {controllers: \"*,-deploymnt-controller\"}}\n",
        "s.yaml:4:51: components.kubeControllerManager.controllers: no controller is named \"deploymnt-controller\"\n  \
         help: did you mean \"deployment-controller\"?",
    );
    check(
        "components: {apiServer: {replicas: 0}}\n",
        "s.yaml:4:36: components.apiServer.replicas: 0 replicas: there can be 1 to 9",
    );
    check(
        "components: {kubelet: {kube-api-qps: 1e-9}}\n",
        "s.yaml:4:38: components.kubelet.kube-api-qps: --kube-api-qps: 0.000000001 is neither 0 nor from 0.001 to 1000000000",
    );
}

#[test]
fn the_schedulers_configuration_is_read_as_strictly() {
    let head = "components:\n  kubeScheduler:\n    kube-api-qps: 5\n    config:\n      apiVersion: \
                kubescheduler.config.k8s.io/v1\n      kind: KubeSchedulerConfiguration\n";
    check(
        &format!("{head}      parallelism: 0\n      profile: []\n"),
        "s.yaml:11:7: unknown field \"components.kubeScheduler.config.profile\"\n  help: did you mean \"profiles\"?",
    );
    check(
        &format!("{head}      parallelism: 0\n"),
        "s.yaml:10:20: components.kubeScheduler.config.parallelism: Invalid value: 0: should be an integer value greater \
         than zero",
    );
    check(
        &format!("{head}      clientConnection: {{qps: 5}}\n"),
        "s.yaml:6:19: components.kubeScheduler.kube-api-qps: --kube-api-qps: the configuration sets it too, as \
         clientConnection.qps: leave one of them out",
    );
    let named = format!("{HEAD}components: {{kubeScheduler: {{config: ksc.yaml}}}}\n");
    let in_file = |text: &str| {
        let found = load_from(&[("s.yaml", &named), ("ksc.yaml", text)], &[]);
        found.map_or_else(|errors| errors.to_string(), |_| "fine".to_owned())
    };
    assert_eq!(
        in_file("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nparallelism: x\n"),
        "ksc.yaml:3:14: parallelism: expected an integer, found the string \"x\""
    );
    let missing = load_from(&[("s.yaml", &named)], &[]).map_or_else(|errors| errors.to_string(), |_| "fine".to_owned());
    assert_eq!(
        missing,
        "s.yaml:4:38: components.kubeScheduler.config: ksc.yaml cannot be read: No such file or directory"
    );
    check(
        "components: {kubeScheduler: {config: 5}}\n",
        "s.yaml:4:38: components.kubeScheduler.config: expected the path of a KubeSchedulerConfiguration, or the document \
         itself, found the number 5",
    );
}

#[test]
fn the_timeline_takes_one_action_an_entry() {
    let at = |action: &str| format!("timeline:\n- at: 1s\n  {action}\n");
    check(
        "timeline: [{at: 1s}]\n",
        "s.yaml:4:12: timeline[0]: nothing is done here\n  help: add one of: apply, delete, scale, patch, setImage, \
         rollout, cordon, uncordon, drain",
    );
    check(
        &at("cordon: node-0\n  drain: node-0"),
        "s.yaml:7:10: timeline[0].drain: cordon and drain cannot stand in one entry\n  help: write an entry for each; \
         those of the same instant keep their order",
    );
    check(
        &at("drain: node-3"),
        "s.yaml:6:10: timeline[0].drain: no node is named \"node-3\"\n  help: did you mean \"node-0\"?",
    );
    check(
        &at("drain: {node: nod-1}"),
        "s.yaml:6:17: timeline[0].drain.node: no node is named \"nod-1\"\n  help: did you mean \"node-1\"?",
    );
    check(
        &at("scale: {resource: deploymnt/web, replicas: 1}"),
        "s.yaml:6:21: timeline[0].scale.resource: the server doesn't have a resource type \"deploymnt\"\n  help: did you \
         mean \"deployment\"?",
    );
    check(
        &at("scale: {resource: web, replicas: 1}"),
        "s.yaml:6:21: timeline[0].scale.resource: \"web\" names no resource\n  help: write kind and name, as in \
         deployment/web",
    );
    check(
        &at("scale: {resource: svc/web, replicas: 1}"),
        "s.yaml:6:21: timeline[0].scale.resource: services cannot be scaled",
    );
    check(
        &at("delete: {resource: node/a, namespace: x}"),
        "s.yaml:6:41: timeline[0].delete.namespace: nodes have no namespace",
    );
    check(
        &at("rollout: {undo: deploy/web, pause: deploy/web}"),
        "s.yaml:6:38: timeline[0].rollout.pause: undo and pause cannot stand in one entry",
    );
    check(
        &at("patch: {resource: deploy/web, type: json, patch: {}}"),
        "s.yaml:6:52: timeline[0].patch.patch: a patch of this type is a list of operations",
    );
    check(
        &at("delete: {resource: deploy/web, cascade: forground}"),
        "s.yaml:6:43: timeline[0].delete.cascade: unknown value \"forground\"\n  help: did you mean \"foreground\"?",
    );
    check(
        "duration: 1m\ntimeline: [{at: 2m, cordon: node-0}]\n",
        "s.yaml:5:17: timeline[0].at: 2m lies after the end of the scenario, at 60s",
    );
}

#[test]
fn expectations_are_whole_sentences() {
    check(
        "expect: [{within: 1s}]\n",
        "s.yaml:4:10: expect[0]: nothing is expected\n  help: add eventually: or always: with a claim",
    );
    check(
        "expect: [{eventually: {resource: deploy/web}}]\n",
        "s.yaml:4:23: expect[0].eventually: nothing is claimed\n  help: add condition, field, rolledOut, exists, gone or count",
    );
    check(
        "expect: [{eventually: {condition: Ready}}]\n",
        "s.yaml:4:23: expect[0].eventually: it is about nothing\n  help: add resource: deployment/web, or all: pods",
    );
    check(
        "expect: [{always: {resource: deploy/web, exists: true}, within: 1s}]\n",
        "s.yaml:4:65: expect[0].within: belongs to eventually alone",
    );
    check(
        "expect: [{eventually: {all: pods, condition: Ready=Maybe}}]\n",
        "s.yaml:4:46: expect[0].eventually.condition: \"Maybe\" is no status of a condition\n  help: valid here: True, \
         False, Unknown",
    );
    check(
        "expect: [{eventually: {all: pods, field: status.phase}}]\n",
        "s.yaml:4:42: expect[0].eventually.field: it is compared with nothing\n  help: add equals, notEquals, atLeast or \
         atMost",
    );
    check(
        "expect: [{eventually: {all: pods, selector: \"a in\", condition: Ready}}]\n",
        "s.yaml:4:45: expect[0].eventually.selector: \"a in\" is no selector: unable to parse requirement: found '' \
         expected: '('\n  help: write for example app=web,tier!=cache",
    );
    check(
        "duration: 1m\nexpect: [{eventually: {all: pods, condition: Ready}, within: 2m}]\n",
        "s.yaml:5:62: expect[0].within: 2m lies after the end of the scenario, at 60s",
    );
}

#[test]
fn manifests_are_read_as_strictly_as_kubectl_reads_them() {
    check(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replica: 2}\n",
        "s.yaml:8:8: unknown field \"spec.replica\"\n  help: did you mean \"replicas\"?",
    );
    check(
        "manifests: [missing.yaml]\n",
        "s.yaml:4:13: manifests[0]: missing.yaml cannot be read: No such file or directory",
    );
    check(
        "manifests: [{repeat: {count: 0}, object: {}}]\n",
        "s.yaml:4:30: manifests[0].repeat.count: 0 copies: there can be 1 to 100000",
    );
    check(
        "manifests: [{repeat: {cout: 1, count: 2}, object: {}}]\n",
        "s.yaml:4:23: unknown field \"manifests[0].repeat.cout\"\n  help: did you mean \"count\"?",
    );
    let in_folder = load_from(
        &[
            ("s.yaml", &format!("{HEAD}manifests: [web]\n")),
            ("web/a.yaml", "apiVersion: v1\nkind: Pot\nmetadata: {name: a}\n"),
        ],
        &[],
    );
    assert_eq!(
        in_folder.unwrap_err().to_string(),
        "web/a.yaml:2:7: kind: no matches for kind \"Pot\" in version \"v1\"\n  help: did you mean \"Pod\"?"
    );
}

#[test]
fn a_scenario_is_recognised_and_stands_alone() {
    let only = |text: &str| load_text(text).map_or_else(|errors| errors.to_string(), |_| "fine".to_owned());
    assert_eq!(
        only("apiVersion: wavetank.dev/v2\nkind: Scenario\nmetadata: {name: T_}\n"),
        "s.yaml:1:13: apiVersion: \"wavetank.dev/v2\" is no version that is read here\n  help: write wavetank.dev/v1\n\
         s.yaml:3:18: metadata.name: \"T_\" is no name: a lowercase RFC 1123 subdomain must consist of lower case \
         alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
         'example.com', regex used for validation is \
         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    );
    assert_eq!(
        only(&format!("{HEAD}---\n{HEAD}")),
        "s.yaml:5:1: a second Scenario: s.yaml holds one already; run them one at a time"
    );
    assert_eq!(only(WEB), "fine");
}

#[test]
fn replacements_name_the_step_that_leads_nowhere() {
    let set = |set: &str| {
        let text = format!("{HEAD}nodes: [{{name: big, count: 3, capacity: {{cpu: 1, memory: 1Gi}}}}]\n");
        load_from(&[("s.yaml", &text)], &[set])
            .map_or_else(|errors| errors.to_string(), |scenario| scenario.pools[0].names.len().to_string())
    };
    assert_eq!(set("nodes.0.count=10"), "10");
    assert_eq!(set("nodes[0].count=10"), "10");
    assert_eq!(set("nodes.big.count=10"), "10");
    assert_eq!(
        set("nodes.1.count=10"),
        "--set nodes.1.count=10:1:7: nodes has no item \"1\"\n  help: it goes from 0 to 0"
    );
    assert_eq!(
        set("noodes.0.count=1"),
        "--set noodes.0.count=1:1:1: the scenario has no \"noodes\"\n  help: did you mean \"nodes\"?"
    );
    assert_eq!(
        set("nodes.0.count.x=1"),
        "--set nodes.0.count.x=1:1:15: nodes[0].count is neither a mapping nor a list, so it has no \"x\""
    );
    assert_eq!(
        set("nodes.0.count=many"),
        "--set nodes.0.count=many:1:15: nodes[0].count: expected an integer not below 0, found the string \"many\""
    );
    assert_eq!(
        set("nodes.0.cuont=1"),
        "--set nodes.0.cuont=1:1:15: unknown field \"nodes[0].cuont\"\n  help: did you mean \"count\"?"
    );
    assert_eq!(set("nodes"), "--set nodes:1:1: there is no =\n  help: write PATH=VALUE, as in nodes.0.count=10");
}
