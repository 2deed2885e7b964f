//! Tests of InterPodAffinity.

use std::sync::Arc;

use k8s_openapi::api::core::v1;

use super::*;
use crate::api::{Kind, Meta, Namespace, Object, ObjectId, PodSpec, PodStatus, Uid};
use crate::scheduler::testing::node;
use crate::scheduler::{Cluster, InterPodAffinityArgs, PluginOrders, Profile, Scope, decide};

/// Two zones of two nodes each, and a node without a zone.
fn cluster() -> Cluster {
    let mut cluster = Cluster::default();
    for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b"), ("none", "")] {
        let zone = if zone.is_empty() { String::new() } else { format!(", zone: {zone}") };
        cluster.nodes.set(&node(name, &format!("{{metadata: {{labels: {{host: {name}{zone}}}}}}}")));
    }
    cluster.nodes.refresh();
    for (slot, name, team) in [(0, "default", "x"), (1, "blue", "blue"), (2, "green", "green")] {
        let mut meta = Meta::new(Kind::Namespace, "", name);
        meta.id = ObjectId { kind: Kind::Namespace, slot };
        meta.labels = [("team", team)].into_iter().collect();
        let body = Namespace { finalizers: Arc::default(), terminating: false, conditions: Vec::new() };
        cluster.apply(&Object::Namespace(Arc::new(Obj { meta, body })));
    }
    cluster
}

/// A pod from `namespace/app on node: affinity`, of which only `app` must be there.
fn pod(slot: u32, text: &str) -> Arc<Obj<Pod>> {
    let (head, affinity) = text.split_once(": ").unwrap_or((text, "{}"));
    let (whose, node) = head.split_once(" on ").unwrap_or((head, ""));
    let (namespace, app) = whose.split_once('/').unwrap_or(("default", whose));
    let affinity: v1::Affinity = serde_saphyr::from_str(affinity).expect("the test's affinity can be read");
    let mut meta = Meta::new(Kind::Pod, namespace, format!("pod-{slot}"));
    meta.id = ObjectId { kind: Kind::Pod, slot };
    meta.uid = Uid(u128::from(slot) + 1);
    meta.labels = [("app", app)].into_iter().collect();
    let spec = v1::PodSpec { affinity: Some(affinity), ..v1::PodSpec::default() };
    Arc::new(Obj { meta, body: Pod { spec: PodSpec::new(spec), node_name: node.into(), status: PodStatus::default() } })
}

fn populated(others: &[&str]) -> Cluster {
    let mut cluster = cluster();
    for (slot, other) in others.iter().enumerate() {
        cluster.set_pod(&pod(slot as u32 + 1, other));
    }
    cluster
}

fn profile() -> Profile {
    Profile::of(&PluginOrders::same(&[&ENTRY]), |entry| entry.weight)
}

/// `kind: [app topology, …]`, with `required` or `preferred` in front of the kind, and `*5` behind for a weight.
fn terms(kind: &str, list: &[&str]) -> String {
    let (strength, which) = kind.split_once(' ').expect("a strength and a kind");
    let term = |text: &&str| {
        let (text, weight) = text.split_once('*').unwrap_or((text, "1"));
        let mut words = text.splitn(3, ' ');
        let (app, key) = (words.next().expect("an app"), words.next().expect("a topology"));
        let more = words.next().map(|more| format!(", {more}")).unwrap_or_default();
        let term = format!("{{labelSelector: {{matchLabels: {{app: {app}}}}}, topologyKey: {key}{more}}}");
        match strength {
            "required" => term,
            _ => format!("{{weight: {weight}, podAffinityTerm: {term}}}"),
        }
    };
    let list: Vec<String> = list.iter().map(term).collect();
    format!("{which}: {{{strength}DuringSchedulingIgnoredDuringExecution: [{}]}}", list.join(", "))
}

fn near(list: &[&str]) -> String {
    format!("{{{}}}", terms("required podAffinity", list))
}

fn apart(list: &[&str]) -> String {
    format!("{{{}}}", terms("required podAntiAffinity", list))
}

fn rather_near(list: &[&str]) -> String {
    format!("{{{}}}", terms("preferred podAffinity", list))
}

fn rather_apart(list: &[&str]) -> String {
    format!("{{{}}}", terms("preferred podAntiAffinity", list))
}

/// The feasible nodes, then those that each reason rejects.
#[track_caller]
fn check(incoming: &str, others: &[&str], feasible: &str, affinity: &str, anti_affinity: &str, existing: &str) {
    let cluster = populated(others);
    let decision = decide(&cluster, &profile(), &pod(0, incoming), Scope::Everything);
    let names = |nodes: Vec<NodeIndex>| {
        let mut names: Vec<&str> = nodes.iter().map(|node| cluster.nodes.name(*node).as_str()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let rejected = |code: Code, reason: &'static str| {
        let status = Status::fixed(code, reason);
        let nodes = decision.rejected.iter().filter(|rejected| rejected.status == status);
        names(nodes.map(|rejected| rejected.node).collect())
    };
    let found = [
        names(decision.feasible.clone()),
        rejected(Code::UnschedulableAndUnresolvable, "node(s) didn't match pod affinity rules"),
        rejected(Code::Unschedulable, "node(s) didn't match pod anti-affinity rules"),
        rejected(Code::Unschedulable, "node(s) didn't satisfy existing pods anti-affinity rules"),
    ];
    assert_eq!(found, [feasible, affinity, anti_affinity, existing], "{incoming} beside {others:?}");
}

const ALL: &str = "a1 a2 b1 b2 none";

#[test]
fn affinity_goes_where_the_others_are() {
    let web = &format!("web: {}", near(&["db zone"]));
    check(web, &["db on a1"], "a1 a2", "b1 b2 none", "", "");
    check(web, &["db on a1", "db on b2"], "a1 a2 b1 b2", "none", "", "");
    check(web, &["db on none"], "", ALL, "", "");
    check(web, &[], "", ALL, "", "");
    check(web, &["blue/db on a1"], "", ALL, "", "");
}

#[test]
fn one_pod_must_meet_all_terms_of_affinity() {
    let both = &format!("web: {}", near(&["db zone", "cache host"]));
    check(both, &["db on a1", "cache on a1"], "", ALL, "", "");
    let twice = &format!("web: {}", near(&["db zone", "db host"]));
    check(twice, &["db on a1"], "a1", "a2 b1 b2 none", "", "");
    check(twice, &["db on none"], "", ALL, "", "");
}

#[test]
fn the_first_of_a_group_goes_anywhere_with_the_topology() {
    let web = &format!("web: {}", near(&["web zone"]));
    check(web, &[], "a1 a2 b1 b2", "none", "", "");
    check(web, &["web on b1"], "b1 b2", "a1 a2 none", "", "");
    check(web, &["web on none"], "a1 a2 b1 b2", "none", "", "");
    check(web, &["blue/web on b1"], "a1 a2 b1 b2", "none", "", "");
    check(&format!("web: {}", near(&["web zone", "db zone"])), &[], "", ALL, "", "");
}

#[test]
fn anti_affinity_goes_where_none_of_the_others_are() {
    let web = &format!("web: {}", apart(&["web zone", "db host"]));
    check(web, &["web on a1"], "b1 b2 none", "", "a1 a2", "");
    check(web, &["web on a1", "db on b2"], "b1 none", "", "a1 a2 b2", "");
    check(web, &["web on none"], ALL, "", "", "");
    check(web, &["db on none"], "a1 a2 b1 b2", "", "none", "");
}

#[test]
fn existing_anti_affinity_holds_against_the_incoming_pod() {
    let lonely = &format!("db on a1: {}", apart(&["web zone"]));
    check("web", &[lonely], "b1 b2 none", "", "", "a1 a2");
    check("other", &[lonely], ALL, "", "", "");
    check("blue/web", &[lonely], ALL, "", "", "");
    check("web", &[&format!("db on none: {}", apart(&["web zone"]))], ALL, "", "", "");
}

#[test]
fn affinity_is_asked_first_then_anti_affinity_then_that_of_others() {
    let web = &format!(
        "web: {{{}, {}}}",
        terms("required podAffinity", &["db zone"]),
        terms("required podAntiAffinity", &["x host"])
    );
    let lonely = &format!("db on a1: {}", apart(&["web zone"]));
    check(web, &[lonely, "x on a2", "x on b1"], "", "b1 b2 none", "a2", "a1");
}

#[test]
fn namespaces_are_named_or_selected() {
    let near = |more: &str| format!("web: {}", near(&[&format!("db host {more}")]));
    let dbs = ["db on a1", "blue/db on a2", "green/db on b1", "nowhere/db on b2"];
    check(&near("namespaces: [blue]"), &dbs, "a2", "a1 b1 b2 none", "", "");
    check(&near("namespaceSelector: {matchLabels: {team: green}}"), &dbs, "b1", "a1 a2 b2 none", "", "");
    check(
        &near("namespaceSelector: {matchLabels: {team: green}}, namespaces: [blue]"),
        &dbs,
        "a2 b1",
        "a1 b2 none",
        "",
        "",
    );
    check(&near("namespaceSelector: {}"), &dbs, "a1 a2 b1 b2", "none", "", "");
    check(&near("namespaces: []"), &dbs, "a1", "a2 b1 b2 none", "", "");
}

#[test]
fn a_selector_that_needs_no_labels_selects_all_namespaces_for_the_incoming_pod() {
    let apart = |who: &str| {
        let selector = "namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: [blue]}]}";
        format!("{who}: {}", apart(&[&format!("db host {selector}")]))
    };
    check(&apart("web"), &["blue/db on a2", "green/db on b1"], "a1 b2 none", "", "a2 b1", "");
    check("blue/db", &[&apart("web on a1")], ALL, "", "", "");
    check("green/db", &[&apart("web on a1")], "a2 b1 b2 none", "", "", "a1");
    check("nowhere/db", &[&apart("web on a1")], "a2 b1 b2 none", "", "", "a1");
}

#[test]
fn an_absent_selector_is_about_no_pod_and_an_empty_one_about_all() {
    let term = |selector: &str| {
        format!(
            "web: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{{topologyKey: host{selector}}}]}}}}"
        )
    };
    check(&term(""), &["db on a1"], ALL, "", "", "");
    check(&term(", labelSelector: {}"), &["db on a1"], "a2 b1 b2 none", "", "a1", "");
}

#[test]
fn terms_that_cannot_be_parsed_reject_the_pod_and_are_ignored_on_others() {
    let bad = "labelSelector: {matchExpressions: [{key: app, operator: Near}]}, topologyKey: zone";
    let affinity = format!("{{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{{{bad}}}]}}}}");
    let decision = decide(&cluster(), &profile(), &pod(0, &format!("web: {affinity}")), Scope::Everything);
    let (_, status) = decision.pre_filter.expect("the pod is rejected before the nodes are looked at");
    assert_eq!(status.code, Code::UnschedulableAndUnresolvable);
    assert_eq!(
        status.message(),
        "parsing pod: requiredAntiAffinityTerms: \"Near\" is not a valid label selector operator"
    );
    check("web", &[&format!("db on a1: {affinity}")], ALL, "", "", "");
}

/// The normalised scores of `a1`, `a2`, `b1`, `b2` and `none`, times the weight; nothing where the plugin has no opinion.
#[track_caller]
fn check_scores(args: &InterPodAffinityArgs, incoming: &str, others: &[&str], expected: Option<[i64; 5]>) {
    let mut profile = profile();
    profile.args.inter_pod_affinity = args.clone();
    let cluster = populated(others);
    let decision = decide(&cluster, &profile, &pod(0, incoming), Scope::Everything);
    let scores = decision.scores.first().map(|given| {
        let score = |name: &str| {
            let place = decision.feasible.iter().position(|node| cluster.nodes.name(*node) == name);
            given.scores[place.expect("every node is feasible")]
        };
        ["a1", "a2", "b1", "b2", "none"].map(score)
    });
    assert_eq!(scores, expected, "{incoming} beside {others:?}");
}

#[test]
fn preferred_terms_of_the_incoming_pod_add_up() {
    let args = &InterPodAffinityArgs::upstream();
    let web = &format!("web: {}", rather_near(&["db zone*3", "db host*1"]));
    check_scores(args, web, &["db on a1", "db on b2", "db on b1"], Some([114, 84, 200, 200, 0]));
    check_scores(args, web, &["other on a1"], None);
    check_scores(args, "web", &["db on a1"], None);
    let shy = &format!("web: {}", rather_apart(&["web zone*10", "db host*5"]));
    check_scores(args, shy, &["web on a1", "db on b2", "db on none"], Some([0, 0, 200, 100, 100]));
}

#[test]
fn terms_of_existing_pods_count_for_the_incoming_one() {
    let args = &InterPodAffinityArgs::upstream();
    check_scores(args, "web", &[&format!("db on a1: {}", rather_near(&["web zone*4"]))], Some([200, 200, 0, 0, 0]));
    check_scores(args, "web", &[&format!("db on a1: {}", rather_apart(&["web zone*4"]))], Some([0, 0, 200, 200, 200]));
    check_scores(args, "web", &[&format!("db on a1: {}", rather_near(&["other zone*4"]))], None);
    check_scores(args, "web", &[&format!("db on none: {}", rather_near(&["web zone*4"]))], None);
    let hard = &format!("db on a1: {}", near(&["web zone"]));
    let soft = &format!("db on b1: {}", rather_near(&["web host*2"]));
    check_scores(args, "web", &[hard, soft], Some([100, 100, 200, 0, 0]));
    let heavy = &InterPodAffinityArgs { hard_pod_affinity_weight: 8, ..InterPodAffinityArgs::upstream() };
    check_scores(heavy, "web", &[hard, soft], Some([200, 200, 50, 0, 0]));
    let without = &InterPodAffinityArgs { hard_pod_affinity_weight: 0, ..InterPodAffinityArgs::upstream() };
    check_scores(without, "web", &[hard], None);
}

#[test]
fn sums_of_zero_are_an_opinion_too() {
    let (near, apart) = (rather_near(&["web zone*4"]), rather_apart(&["web zone*4"]));
    let others = [&*format!("x on a1: {near}"), &format!("x on a2: {apart}")];
    check_scores(&InterPodAffinityArgs::upstream(), "web", &others, Some([0; 5]));
}

#[test]
fn preferences_of_others_can_be_ignored_by_pods_without_any() {
    let args =
        &InterPodAffinityArgs { ignore_preferred_terms_of_existing_pods: true, ..InterPodAffinityArgs::upstream() };
    let fond = &format!("db on a1: {}", rather_near(&["web zone*4"]));
    check_scores(args, "web", &[fond], None);
    check_scores(args, &format!("web: {}", rather_near(&["x host*4"])), &[fond], Some([200, 200, 0, 0, 0]));
    check_scores(args, &format!("web: {}", near(&["web host"])), &[], None);
}

/// What the filter says of a node after pods were added (`+`) and removed (`-`) there in thought.
#[track_caller]
fn check_changed(incoming: &str, others: &[&str], changes: &[&str], node: &str, rejected: bool) {
    let cluster = populated(others);
    let (incoming, args) = (pod(0, incoming), PluginArgs::upstream());
    let cycle = Cycle { pod: &incoming, cluster: &cluster, args: &args };
    let PreFilter::Filter(original) = InterPodAffinity.pre_filter(&cycle) else { panic!("the plugin filters") };
    let view = |name: &str| cluster.nodes.view(cluster.nodes.find(name).expect("the node is there"));
    let before = original.check(&cluster, view(node));
    let mut filter = original.copy();
    for change in changes {
        let (sign, text) = change.split_at(1);
        let changed = pod(50, text);
        match sign {
            "+" => filter.add_pod(&cluster, &changed, view(&changed.body.node_name)),
            _ => filter.remove_pod(&cluster, &changed, view(&changed.body.node_name)),
        }
    }
    assert_eq!(filter.check(&cluster, view(node)).is_some(), rejected, "{changes:?}");
    assert_eq!(original.check(&cluster, view(node)), before, "a copy has a life of its own");
}

#[test]
fn pods_can_be_added_and_removed_in_thought() {
    let shy = &format!("web: {}", apart(&["web zone"]));
    check_changed(shy, &["web on a1"], &["-web on a1"], "a2", false);
    check_changed(shy, &["web on a1", "web on a2"], &["-web on a1"], "a1", true);
    check_changed(shy, &["web on a1"], &["-web on a1", "+web on a1"], "a2", true);
    check_changed(shy, &[], &["+web on b2"], "b1", true);
    let fond = &format!("web: {}", near(&["web zone"]));
    check_changed(fond, &["web on a1"], &["-web on a1"], "b1", false);
    check_changed(fond, &["web on a1"], &["-web on a1", "+web on b2"], "a1", true);
    check_changed(fond, &[], &["+web on b2"], "a1", true);
    let lonely = &format!("db on a1: {}", apart(&["web zone"]));
    check_changed("web", &[lonely], &[&format!("-{lonely}")], "a1", false);
    check_changed("web", &[lonely], &[&format!("+{}", lonely.replace("a1", "b1"))], "b2", true);
}

#[track_caller]
fn check_hint(rejected: &str, kind: EventKind, old: Option<Object>, new: Option<Object>, expected: bool) {
    let event = ClusterEvent { kind, old, new };
    assert_eq!(InterPodAffinity.hint(&event, &pod(0, rejected), &PluginArgs::upstream()), expected, "{rejected}");
}

#[test]
fn pods_that_come_change_or_go_may_help() {
    let object = |text: &str| Some(Object::Pod(pod(1, text)));
    let (fond, shy) = (&format!("web: {}", near(&["db zone"])), &format!("web: {}", apart(&["db zone"])));
    check_hint(fond, EventKind::AssignedPodAdd, None, object("db on a1"), true);
    check_hint(fond, EventKind::AssignedPodAdd, None, object("x on a1"), false);
    check_hint(shy, EventKind::AssignedPodAdd, None, object("db on a1"), false);
    check_hint(shy, EventKind::AssignedPodDelete, object("db on a1"), None, true);
    check_hint(fond, EventKind::AssignedPodDelete, object("db on a1"), None, false);
    check_hint(fond, EventKind::AssignedPodLabel, object("x on a1"), object("db on a1"), true);
    check_hint(fond, EventKind::AssignedPodLabel, object("db on a1"), object("db on a1"), false);
    check_hint(shy, EventKind::AssignedPodLabel, object("db on a1"), object("x on a1"), true);
    check_hint(shy, EventKind::AssignedPodLabel, object("x on a1"), object("db on a1"), false);
    let two = &format!("web: {}", apart(&["db zone", "x zone"]));
    check_hint(two, EventKind::AssignedPodDelete, object("db on a1"), None, false);
    let lonely = format!("db on a1: {}", apart(&["web zone"]));
    check_hint("web", EventKind::AssignedPodDelete, object(&lonely), None, false);
}

#[test]
fn nodes_that_come_or_move_may_help() {
    let object = |zone: &str| {
        let labels = if zone.is_empty() { String::new() } else { format!("zone: {zone}") };
        Some(Object::Node(node("n", &format!("{{metadata: {{labels: {{{labels}}}}}}}"))))
    };
    let (fond, shy) = (&format!("web: {}", near(&["db zone"])), &format!("web: {}", apart(&["db zone"])));
    check_hint(fond, EventKind::NodeAdd, None, object("a"), true);
    check_hint(fond, EventKind::NodeAdd, None, object(""), false);
    check_hint(shy, EventKind::NodeAdd, None, object(""), true);
    check_hint("web", EventKind::NodeAdd, None, object("a"), false);
    check_hint(fond, EventKind::NodeLabel, object(""), object("a"), true);
    check_hint(fond, EventKind::NodeLabel, object("a"), object("b"), true);
    check_hint(fond, EventKind::NodeLabel, object("a"), object(""), false);
    check_hint(shy, EventKind::NodeLabel, object("a"), object(""), true);
    check_hint(shy, EventKind::NodeLabel, object("a"), object("b"), true);
    check_hint(shy, EventKind::NodeLabel, object(""), object("a"), false);
}
