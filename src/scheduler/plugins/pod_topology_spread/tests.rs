//! Which nodes the constraints reject, what the others are worth, and which events may help.

use std::sync::Arc;

use proptest::prelude::*;

use super::ENTRY;
use crate::api::{Deletion, Kind, Meta, Obj, ObjectId, Pod, PodSpec, PodStatus, Timestamp, Uid};
use crate::scheduler::testing::{node, object};
use crate::scheduler::{
    Cluster, ClusterEvent, Cycle, Defaulting, EventKind, NodeFilter, NodeIndex, PluginArgs, PreFilter, PreScore,
};

const ZONE: &str = "topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable";
const HOST: &str = "topologyKey: kubernetes.io/hostname, whenUnsatisfiable";
const WEB: &str = "labelSelector: {matchLabels: {app: web}}";

/// A pod of an app: `web`, `web~` (it terminates), or `other/web` (in another namespace).
fn pod(slot: u32, app: &str, spec: &str) -> Arc<Obj<Pod>> {
    let (app, terminates) = app.strip_suffix('~').map_or((app, false), |app| (app, true));
    let (namespace, app) = app.split_once('/').unwrap_or(("default", app));
    let mut meta = Meta::new(Kind::Pod, namespace, format!("p{slot}"));
    meta.id = ObjectId { kind: Kind::Pod, slot };
    meta.uid = Uid(u128::from(slot) + 1);
    meta.labels = [("app", app), ("release", "r1")].into_iter().collect();
    meta.deletion = terminates.then_some(Deletion { timestamp: Timestamp(0), grace_seconds: None });
    let spec = PodSpec::new(serde_saphyr::from_str(spec).expect("the test's pod can be read"));
    Arc::new(Obj { meta, body: Pod { spec, node_name: "".into(), status: PodStatus::default() } })
}

/// Nodes n0, n1, …: zone (`-`: none), then `tainted`, `ssd`, or the apps of its pods.
fn cluster(nodes: &[&str]) -> Cluster {
    let mut cluster = Cluster::default();
    let mut slot = 0;
    for (number, text) in nodes.iter().enumerate() {
        let mut words = text.split(' ');
        let zone = words.next().filter(|zone| *zone != "-");
        let zone = zone.map_or(String::new(), |zone| format!("topology.kubernetes.io/zone: {zone}, "));
        let (flags, apps): (Vec<&str>, Vec<&str>) = words.partition(|word| ["tainted", "ssd"].contains(word));
        let disk = if flags.contains(&"ssd") { "disk: ssd, " } else { "" };
        let taints = if flags.contains(&"tainted") { "{key: a, effect: NoSchedule}" } else { "" };
        let labels = format!("{{{zone}{disk}kubernetes.io/hostname: n{number}}}");
        let text = format!("{{metadata: {{labels: {labels}}}, spec: {{taints: [{taints}]}}}}");
        let node = cluster.nodes.set(&node(&format!("n{number}"), &text));
        for app in apps {
            slot += 1;
            cluster.assume(&pod(slot, app, "{containers: []}"), node);
        }
    }
    cluster.nodes.refresh();
    cluster
}

fn spec(constraints: &str, more: &str) -> String {
    format!("{{containers: [], {more} topologySpreadConstraints: [{constraints}]}}")
}

fn said(filter: Option<&dyn NodeFilter>, cluster: &Cluster) -> String {
    let of = |node: &NodeIndex| match filter.and_then(|filter| filter.check(cluster, cluster.nodes.view(*node))) {
        None => "ok",
        Some(status) if status.message().ends_with("(missing required label)") => "label",
        Some(_) => "skew",
    };
    (0..cluster.nodes.len() as NodeIndex).map(|node| of(&node)).collect::<Vec<_>>().join(" ")
}

fn filter(cluster: &Cluster, pod: &Arc<Obj<Pod>>, args: &PluginArgs) -> Option<Box<dyn NodeFilter>> {
    match ENTRY.plugin.pre_filter(&Cycle { pod, cluster, args }) {
        PreFilter::Skip => None,
        PreFilter::Filter(filter) => Some(filter),
        PreFilter::Nodes(..) | PreFilter::Reject(_) => panic!("it looks at all nodes"),
        PreFilter::Fail(error) => panic!("{error}"),
    }
}

/// What the filter says of each node to a pod `web`: `ok`, `skew` or `label`.
#[track_caller]
fn check(constraints: &str, more: &str, nodes: &[&str], expected: &str) {
    let (cluster, args) = (cluster(nodes), PluginArgs::upstream());
    let filter = filter(&cluster, &pod(0, "web", &spec(constraints, more)), &args);
    assert_eq!(said(filter.as_deref(), &cluster), expected, "{constraints} on {nodes:?}");
}

#[track_caller]
fn check_scores_of(cluster: &Cluster, pod: &Arc<Obj<Pod>>, args: &PluginArgs, expected: Option<&[i64]>) {
    let all: Vec<NodeIndex> = (0..cluster.nodes.len() as NodeIndex).collect();
    let mut scores = Vec::new();
    let said = match ENTRY.plugin.pre_score(&Cycle { pod, cluster, args }, &all) {
        PreScore::Skip => None,
        PreScore::Fail(error) => panic!("{error}"),
        PreScore::Score(scorer) => {
            scores.extend(all.iter().map(|node| scorer.score(cluster, cluster.nodes.view(*node))));
            scorer.normalize(&mut scores);
            Some(scores.as_slice())
        }
    };
    assert_eq!(said, expected);
}

/// The scores of all nodes for a pod `web`.
#[track_caller]
fn check_scores(constraints: &str, more: &str, nodes: &[&str], expected: &[i64]) {
    let pod = pod(0, "web", &spec(constraints, more));
    check_scores_of(&cluster(nodes), &pod, &PluginArgs::upstream(), Some(expected));
}

#[test]
fn a_domain_may_exceed_the_least_filled_one_by_the_skew() {
    let zone = |skew: i32| format!("{{maxSkew: {skew}, {ZONE}: DoNotSchedule, {WEB}}}");
    check(&zone(1), "", &["a web", "a", "b"], "skew skew ok");
    check(&zone(1), "", &["a web", "a", "b web", "c web"], "ok ok ok ok");
    check(&zone(2), "", &["a web", "a", "b"], "ok ok ok");
    check(&zone(1), "", &["a web web", "b web", "c"], "skew skew ok");
    let both = format!("{}, {{maxSkew: 1, {HOST}: DoNotSchedule, {WEB}}}", zone(1));
    check(&both, "", &["a web", "a", "b web", "b"], "skew ok skew ok");
}

#[test]
fn only_living_pods_of_the_namespace_count() {
    let zone = format!("{{maxSkew: 1, {ZONE}: DoNotSchedule, {WEB}}}");
    check(&zone, "", &["a web~ other/web db", "b"], "ok ok");
}

#[test]
fn a_selector_counts_the_pod_itself_only_if_it_selects_it() {
    let zone = |selector: &str| format!("{{maxSkew: 1, {ZONE}: DoNotSchedule, {selector}}}");
    check(&zone("labelSelector: {matchLabels: {app: db}}"), "", &["a db", "b", "c db db"], "ok ok skew");
    check(&zone("matchLabelKeys: [release]"), "", &["a web", "b"], "ok ok");
    check(&zone("labelSelector: {}"), "", &["a web web", "b"], "ok ok");
    let of_release = |value: &str| {
        let own = format!("labelSelector: {{matchExpressions: [{{key: release, operator: In, values: [{value}]}}]}}");
        zone(&format!("{own}, matchLabelKeys: [app, missing]"))
    };
    check(&of_release("r1"), "", &["a web", "b db"], "skew ok");
    check(&of_release("r2"), "", &["a web", "b db"], "ok ok");
}

#[test]
fn nodes_without_one_of_the_labels_neither_take_the_pod_nor_count() {
    let zone = format!("{{maxSkew: 1, {ZONE}: DoNotSchedule, {WEB}}}");
    check(&zone, "", &["a web", "- web", "b web", "-"], "ok label ok label");
    let both = format!("{{maxSkew: 1, {HOST}: DoNotSchedule, {WEB}}}, {zone}");
    check(&both, "", &["a", "- web web", "-"], "ok label label");
    let other = format!("{{maxSkew: 1, topologyKey: disk, whenUnsatisfiable: DoNotSchedule, {WEB}}}");
    check(&format!("{zone}, {other}"), "", &["a ssd web", "b", "c ssd web web"], "ok label skew");
}

#[test]
fn with_too_few_domains_the_least_filled_one_is_empty() {
    let zone = |domains: i32| format!("{{maxSkew: 1, {ZONE}: DoNotSchedule, minDomains: {domains}, {WEB}}}");
    check(&zone(2), "", &["a web", "b web"], "ok ok");
    check(&zone(3), "", &["a web", "b web"], "skew skew");
    check(&zone(3), "", &["a", "b"], "ok ok");
}

#[test]
fn policies_say_which_nodes_count() {
    let zone = |policy: &str| format!("{{maxSkew: 1, {ZONE}: DoNotSchedule, {policy} {WEB}}}");
    let selector = "nodeSelector: {disk: ssd},";
    check(&zone(""), selector, &["a ssd web", "b", "c ssd web"], "ok ok ok");
    check(&zone("nodeAffinityPolicy: Ignore,"), selector, &["a ssd web", "b", "c ssd web"], "skew ok skew");
    check(&zone(""), "", &["a web", "b tainted"], "skew ok");
    check(&zone("nodeTaintsPolicy: Honor,"), "", &["a web", "b tainted"], "ok ok");
    let tolerant = "tolerations: [{key: a, operator: Exists}],";
    check(&zone("nodeTaintsPolicy: Honor,"), tolerant, &["a web", "b tainted"], "skew ok");
    // A domain in which no node counts has no pods.
    check(&zone("nodeTaintsPolicy: Honor,"), "", &["a web", "b tainted web web web"], "ok ok");
}

#[test]
fn fewer_pods_in_the_domain_are_better() {
    let zone = |skew: i32| format!("{{maxSkew: {skew}, {ZONE}: ScheduleAnyway, {WEB}}}");
    check_scores(&zone(1), "", &["a web web", "b", "c web", "c"], &[0, 100, 33, 33]);
    check_scores(&zone(1), "", &["a", "b", "c"], &[100, 100, 100]);
    check_scores(&zone(3), "", &["a", "b", "c"], &[100, 100, 100]);
    // A greater skew waters the difference down: 5, 2 and 4 instead of 3, 0 and 2.
    check_scores(&zone(3), "", &["a web web", "b", "c web"], &[40, 100, 60]);
    check_scores(&zone(1), "", &["a web", "- web", "b"], &[0, 0, 100]);
    check_scores(&zone(1), "", &["- web", "-"], &[0, 0]);
}

#[test]
fn a_host_is_scored_by_its_own_pods_whatever_the_policies_say() {
    let host = format!("{{maxSkew: 1, {HOST}: ScheduleAnyway, nodeTaintsPolicy: Honor, {WEB}}}");
    check_scores(&host, "", &["a tainted web web", "a web", "a"], &[0, 33, 100]);
    let zone = format!("{{maxSkew: 1, {ZONE}: ScheduleAnyway, nodeTaintsPolicy: Honor, {WEB}}}");
    check_scores(&zone, "", &["a tainted web web", "b web", "c"], &[100, 0, 100]);
}

const SERVICE: &str =
    "{apiVersion: v1, kind: Service, metadata: {name: s, namespace: default}, spec: {selector: {app: web}}}";

#[test]
fn pods_of_a_service_are_spread_by_default_over_hosts_and_zones() {
    let args = PluginArgs::upstream();
    let plain = pod(0, "web", "{containers: []}");
    let mut cluster = cluster(&["a web", "a", "b", "-"]);
    check_scores_of(&cluster, &plain, &args, None);
    cluster.apply(&object(SERVICE));
    // Hosts: 1.8 a pod and 2; zones, of which 'none' is one: 1.6 a pod and 4. In all 9, 8, 6 and 2.
    check_scores_of(&cluster, &plain, &args, Some(&[22, 33, 55, 100]));
    assert!(filter(&cluster, &plain, &args).is_none());
    check_scores_of(&cluster, &pod(0, "db", "{containers: []}"), &args, None);
    let own = spec(&format!("{{maxSkew: 1, {ZONE}: DoNotSchedule, {WEB}}}"), "");
    check_scores_of(&cluster, &pod(0, "web", &own), &args, None);
    cluster.forget(&object(SERVICE));
    check_scores_of(&cluster, &plain, &args, None);
}

#[test]
fn a_profile_may_list_default_constraints() {
    let mut args = PluginArgs::upstream();
    args.spread.defaulting_type = Defaulting::List;
    let plain = pod(0, "web", "{containers: []}");
    let mut cluster = cluster(&["a web", "a", "b", "-"]);
    cluster.apply(&object(SERVICE));
    check_scores_of(&cluster, &plain, &args, None);
    let constraint =
        |when: &str| format!("{{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: {when}}}");
    let list = format!("[{}, {}]", constraint("DoNotSchedule"), constraint("ScheduleAnyway"));
    args.spread.default_constraints = serde_saphyr::from_str(&list).expect("the test's constraints can be read");
    check_scores_of(&cluster, &plain, &args, Some(&[0, 0, 100, 0]));
    let prepared = filter(&cluster, &plain, &args);
    assert_eq!(said(prepared.as_deref(), &cluster), "skew skew ok label");
    assert!(filter(&cluster, &pod(0, "db", "{containers: []}"), &args).is_none());
}

#[test]
fn pods_come_and_go_in_thought() {
    let (cluster, args) = (cluster(&["a web web web~", "b web", "c web web web"]), PluginArgs::upstream());
    let zone = format!("{{maxSkew: 1, {ZONE}: DoNotSchedule, {WEB}}}");
    let mut filter = filter(&cluster, &pod(0, "web", &spec(&zone, "")), &args).expect("there is a constraint");
    assert_eq!(said(Some(&*filter), &cluster), "skew ok skew");
    let node = |number: NodeIndex| cluster.nodes.view(number);
    filter.remove_pod(&cluster, &pod(9, "web", "{containers: []}"), node(0));
    assert_eq!(said(Some(&*filter), &cluster), "ok ok skew");
    let copy = filter.copy();
    filter.remove_pod(&cluster, &pod(9, "db", "{containers: []}"), node(0));
    filter.remove_pod(&cluster, &pod(9, "other/web", "{containers: []}"), node(0));
    assert_eq!(said(Some(&*filter), &cluster), "ok ok skew");
    // One that terminates was not counted, and is taken off nevertheless.
    filter.remove_pod(&cluster, &pod(9, "web~", "{containers: []}"), node(0));
    assert_eq!(said(Some(&*filter), &cluster), "ok skew skew");
    filter.add_pod(&cluster, &pod(9, "web", "{containers: []}"), node(0));
    assert_eq!(said(Some(&*filter), &cluster), "ok ok skew");
    assert_eq!(said(Some(&*copy), &cluster), "ok ok skew");
}

#[test]
fn a_constraint_that_cannot_be_read_fails_the_cycle() {
    let bad = format!(
        "{{maxSkew: 1, {ZONE}: DoNotSchedule, labelSelector: {{matchExpressions: [{{key: a, operator: Near}}]}}}}"
    );
    let (cluster, args) = (cluster(&["a"]), PluginArgs::upstream());
    let said = ENTRY.plugin.pre_filter(&Cycle { pod: &pod(0, "web", &spec(&bad, "")), cluster: &cluster, args: &args });
    let PreFilter::Fail(said) = said else { panic!("it does not fail") };
    assert_eq!(
        said,
        "get constraints from pod: obtaining pod's hard topology spread constraints: \
         \"Near\" is not a valid label selector operator"
    );
}

#[track_caller]
fn check_hint(kind: EventKind, old: Option<&str>, new: Option<&str>, expected: bool) {
    let zone = format!("{{maxSkew: 1, {ZONE}: DoNotSchedule, {WEB}}}");
    let waiting = pod(0, "web", &spec(&zone, ""));
    let is_node =
        [EventKind::NodeAdd, EventKind::NodeDelete, EventKind::NodeLabel, EventKind::NodeTaint].contains(&kind);
    let slot = if kind == EventKind::PodLabel { 0 } else { 1 };
    let read = |text: &str| match is_node {
        true => cluster(&[text]).nodes.info(0).node.clone().map(|node| node.as_ref().clone().into_object()),
        false => Some(pod(slot, text, "{containers: []}").as_ref().clone().into_object()),
    };
    let event = ClusterEvent { kind, old: old.and_then(read), new: new.and_then(read) };
    assert_eq!(ENTRY.plugin.hint(&event, &waiting, &PluginArgs::upstream()), expected, "{event:?}");
}

#[test]
fn events_help_only_if_they_touch_a_constraint() {
    check_hint(EventKind::NodeAdd, None, Some("a"), true);
    check_hint(EventKind::NodeAdd, None, Some("-"), false);
    check_hint(EventKind::NodeDelete, Some("a"), None, true);
    check_hint(EventKind::NodeDelete, Some("-"), None, false);
    check_hint(EventKind::NodeLabel, Some("a"), Some("b"), true);
    check_hint(EventKind::NodeLabel, Some("a"), Some("-"), true);
    check_hint(EventKind::NodeLabel, Some("a"), Some("a ssd"), false);
    check_hint(EventKind::NodeTaint, Some("a"), Some("a tainted"), true);
    check_hint(EventKind::NodeTaint, Some("- tainted"), Some("-"), false);
    check_hint(EventKind::AssignedPodAdd, None, Some("web"), true);
    check_hint(EventKind::AssignedPodAdd, None, Some("db"), false);
    check_hint(EventKind::AssignedPodAdd, None, Some("other/web"), false);
    check_hint(EventKind::AssignedPodDelete, Some("web"), None, true);
    check_hint(EventKind::AssignedPodLabel, Some("web"), Some("db"), true);
    check_hint(EventKind::AssignedPodLabel, Some("db"), Some("cache"), false);
    check_hint(EventKind::PodLabel, Some("web"), Some("db"), true);
    check_hint(EventKind::PodLabel, Some("db"), Some("cache"), false);
}

fn any_node() -> impl Strategy<Value = String> {
    let zone = prop_oneof![4 => Just("a"), 4 => Just("b"), 2 => Just("c"), 1 => Just("-")];
    let word =
        prop_oneof![6 => Just("web"), 2 => Just("db"), 1 => Just("web~"), 1 => Just("tainted"), 2 => Just("ssd")];
    (zone, prop::collection::vec(word, 0..6)).prop_map(|(zone, words)| [vec![zone], words].concat().join(" "))
}

proptest! {
    #[test]
    fn a_node_that_takes_the_pod_leaves_the_skew_within_its_bound_and_no_other_does(
        nodes in prop::collection::vec(any_node(), 1..12),
        skew in 1i64..4,
    ) {
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let zone_of = |node: &&str| node.split(' ').next().filter(|zone| *zone != "-").map(str::to_owned);
        let webs = |zone: &str| {
            let inside = nodes.iter().filter(|node| zone_of(node).as_deref() == Some(zone));
            inside.flat_map(|node| node.split(' ')).filter(|word| *word == "web").count() as i64
        };
        let least = nodes.iter().filter_map(zone_of).map(|zone| webs(&zone)).min().unwrap_or(0);
        let expected: Vec<&str> = (nodes.iter().map(zone_of))
            .map(|zone| match zone {
                None => "label",
                Some(zone) if webs(&zone) + 1 - least <= skew => "ok",
                Some(_) => "skew",
            })
            .collect();
        let (cluster, args) = (cluster(&nodes), PluginArgs::upstream());
        let zone = format!("{{maxSkew: {skew}, {ZONE}: DoNotSchedule, {WEB}}}");
        let filter = filter(&cluster, &pod(0, "web", &spec(&zone, "")), &args);
        prop_assert_eq!(said(filter.as_deref(), &cluster), expected.join(" "));
    }

    #[test]
    fn a_filter_without_pods_is_that_of_a_cluster_without_them(
        nodes in prop::collection::vec(any_node(), 1..12),
        on in any::<prop::sample::Index>(),
        kept in prop::collection::vec(any::<bool>(), 6),
    ) {
        let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
        let (mut cluster, args) = (cluster(&nodes), PluginArgs::upstream());
        let both = format!(
            "{{maxSkew: 1, {ZONE}: DoNotSchedule, minDomains: 2, {WEB}}}, {{maxSkew: 2, {HOST}: DoNotSchedule, nodeTaintsPolicy: Honor, {WEB}}}"
        );
        let pod = pod(0, "web", &spec(&both, ""));
        let mut changed = filter(&cluster, &pod, &args).expect("there are constraints");
        let node = on.index(nodes.len()) as NodeIndex;
        // Those that terminate are not counted, but would be taken off.
        let here: Vec<Arc<Obj<Pod>>> = cluster.nodes.info(node).pods.iter().filter(|pod| pod.meta.deletion.is_none()).cloned().collect();
        for pod in &here {
            changed.remove_pod(&cluster, pod, cluster.nodes.view(node));
        }
        for (pod, kept) in here.iter().zip(kept) {
            match kept {
                true => changed.add_pod(&cluster, pod, cluster.nodes.view(node)),
                false => _ = cluster.remove_pod(pod.meta.id.slot),
            }
        }
        let anew = filter(&cluster, &pod, &args).expect("there are constraints");
        prop_assert_eq!(said(Some(&*changed), &cluster), said(Some(&*anew), &cluster));
    }
}
