//! Which pods must go, where, and what is said where none help.

use std::sync::Arc;

use super::{NOT_HELPFUL, PREEMPTION_BY_SCHEDULER};
use crate::api::{ConditionStatus, Deletion, Obj, Pod, PodConditionType, ReasonText, Timestamp};
use crate::scheduler::testing::{budget, node, pod_numbered};
use crate::scheduler::{Cluster, Profile, Scope, decide};

/// A pod that runs: its node, name, priority, CPUs, and when it started (0: not yet).
type Running<'a> = (&'a str, &'a str, i32, &'a str, i64);

fn asks(priority: i32, cpu: &str) -> String {
    format!("{{priority: {priority}, containers: [{{name: c, resources: {{requests: {{cpu: '{cpu}'}}}}}}]}}")
}

/// Nodes `n1` to `n3` of 4 CPUs and 5 pods, with pods on them.
fn cluster(running: &[Running]) -> Cluster {
    let mut cluster = Cluster::default();
    for name in ["n1", "n2", "n3"] {
        cluster.nodes.set(&node(name, "{status: {allocatable: {cpu: '4', memory: 1Gi, pods: '5'}}}"));
    }
    cluster.nodes.refresh();
    for (slot, (on, name, priority, cpu, start)) in running.iter().enumerate() {
        let mut pod = Obj::clone(&pod_numbered(slot as u32 + 1, name, &asks(*priority, cpu)));
        pod.body.status.start_time = (*start != 0).then_some(Timestamp(*start));
        pod.meta.labels = [("app", *name)].into_iter().collect();
        cluster.assume(&Arc::new(pod), cluster.nodes.find(on).expect("the node is there"));
    }
    cluster
}

/// What preemption makes of the pod: `node: victim victim`, or its message.
fn outcome(cluster: &Cluster, pod: &Arc<Obj<Pod>>) -> String {
    let decision = decide(cluster, &Profile::upstream(), pod, Scope::Everything);
    let failure = decision.failure.expect("the pod fits nowhere");
    match failure.nominated {
        None => failure.post_filter.trim_start_matches("no new claims to deallocate, preemption: ").to_owned(),
        Some(nomination) => {
            let victims = nomination.victims.iter().map(|victim| victim.meta.name.as_str());
            format!("{}: {}", cluster.nodes.name(nomination.node), victims.collect::<Vec<_>>().join(" "))
        }
    }
}

/// What a pod of priority 100 that asks for CPUs does to the pods that run.
#[track_caller]
fn check(running: &[Running], cpu: &str, expected: &str) {
    let pod = pod_numbered(99, "new", &asks(100, cpu));
    assert_eq!(outcome(&cluster(running), &pod), expected, "{cpu} CPUs among {running:?}");
}

/// The same on `n1` alone: the other nodes are full of pods that must stay.
#[track_caller]
fn check_victims(running: &[(&str, i32, &str, i64)], budgets: &[&str], cpu: &str, expected: &str) {
    let mut all: Vec<Running> = vec![("n2", "x", 100, "4", 1), ("n3", "y", 100, "4", 1)];
    all.extend(running.iter().map(|(name, priority, cpu, start)| ("n1", *name, *priority, *cpu, *start)));
    let mut cluster = cluster(&all);
    for (number, text) in budgets.iter().enumerate() {
        cluster.apply(&budget(&format!("b{number}"), text));
    }
    let pod = pod_numbered(99, "new", &asks(100, cpu));
    assert_eq!(outcome(&cluster, &pod), format!("n1: {expected}"), "{cpu} CPUs among {running:?}");
}

#[test]
fn the_most_important_pods_that_may_stay_do() {
    check_victims(&[("a", 1, "2", 1), ("b", 2, "2", 1)], &[], "2", "a");
    check_victims(&[("a", 1, "2", 1), ("b", 1, "2", 2)], &[], "2", "b");
    check_victims(&[("a", 1, "2", 0), ("b", 1, "2", 2)], &[], "2", "a");
    check_victims(&[("a", 1, "2", 0), ("b", 1, "2", 0)], &[], "2", "a");
    check_victims(&[("a", 5, "3", 1), ("b", 1, "1", 1)], &[], "2", "a");
    check_victims(&[("a", 5, "1", 1), ("b", 4, "2", 1), ("c", 3, "1", 1)], &[], "2", "b");
    check_victims(&[("a", 1, "2", 1), ("b", -5, "1", 9), ("c", 100, "1", 1)], &[], "2", "a");
}

#[test]
fn budgets_are_kept_where_that_is_possible() {
    let budget = |app: &str, allowed: u32| {
        format!("{{spec: {{selector: {{matchLabels: {{app: {app}}}}}}}, status: {{disruptionsAllowed: {allowed}}}}}")
    };
    let two = [("a", 1, "2", 1), ("b", 2, "2", 1)];
    check_victims(&two, &[&budget("a", 0)], "2", "b");
    check_victims(&two, &[&budget("a", 1)], "2", "a");
    check_victims(&two, &[&budget("a", 0)], "4", "b a");
    check_victims(&two, &[&budget("a", 0), &budget("b", 0)], "2", "a");
}

#[test]
fn the_node_is_chosen_by_five_criteria_then_by_name() {
    let full = |node, name, priority, start| (node, name, priority, "4", start);
    let with = |second: Running<'static>, third: Running<'static>| [full("n1", "a", 9, 5), second, third];
    check(&with(full("n2", "b", 8, 5), full("n3", "c", 9, 1)), "4", "n2: b");
    check(&with(full("n2", "b", 9, 5), full("n3", "c", 9, 6)), "4", "n3: c");
    check(&with(full("n2", "b", 9, 5), full("n3", "c", 9, 0)), "4", "n3: c");
    check(&with(full("n2", "b", 9, 5), full("n3", "c", 9, 5)), "4", "n1: a");
    let halves = [("n1", "a", 9, "2", 5), ("n1", "b", -9, "2", 5), full("n2", "c", 9, 1), full("n3", "d", 10, 9)];
    check(&halves, "4", "n2: c");
    let smaller_sum = [("n1", "a", 9, "2", 5), ("n1", "b", 7, "2", 5), ("n2", "c", 9, "2", 1), ("n2", "d", 6, "2", 1)];
    check(&[&smaller_sum[..], &[full("n3", "e", 10, 9)]].concat(), "4", "n2: c d");
}

#[test]
fn who_cannot_be_helped_is_told_why() {
    let busy = |node, priority| (node, "a", priority, "4", 1);
    check(&[], "5", &format!("0/3 nodes are available: 3 {NOT_HELPFUL}."));
    check(
        &[busy("n1", 100), busy("n2", 200), busy("n3", 100)],
        "1",
        "0/3 nodes are available: 3 No preemption victims found for incoming pod.",
    );
    check(
        &[("n1", "a", 100, "3", 1), ("n1", "b", 1, "1", 1), busy("n2", 100), busy("n3", 100)],
        "2",
        "0/3 nodes are available: 1 Insufficient cpu, 2 No preemption victims found for incoming pod.",
    );
}

#[test]
fn a_pod_that_must_not_preempt_does_not() {
    let spec = "{priority: 9, preemptionPolicy: Never, containers: [{name: c, resources: {requests: {cpu: '4'}}}]}";
    let cluster = cluster(&[("n1", "a", 0, "4", 1), ("n2", "b", 0, "4", 1), ("n3", "c", 0, "4", 1)]);
    assert_eq!(outcome(&cluster, &pod_numbered(9, "new", spec)), "not eligible due to preemptionPolicy=Never.");
}

/// A cluster where `a` on `n1` terminates as somebody's victim.
fn with_a_victim(priority: i32) -> Cluster {
    let mut cluster = cluster(&[("n1", "a", priority, "4", 1), ("n2", "b", 5, "4", 1), ("n3", "c", 5, "4", 1)]);
    let mut victim = Obj::clone(&cluster.pods.get(1).expect("it runs").pod);
    victim.body.node_name = "n1".into();
    victim.meta.deletion = Some(Deletion { timestamp: Timestamp(9), grace_seconds: Some(30) });
    let text = ReasonText { reason: PREEMPTION_BY_SCHEDULER.into(), message: "".into() };
    let (kind, is) = (PodConditionType::DisruptionTarget, ConditionStatus::True);
    victim.body.status.set_condition(kind, is, Some(Arc::new(text)), Timestamp(9));
    cluster.set_pod(&Arc::new(victim));
    cluster
}

#[test]
fn who_waits_for_victims_does_not_preempt_others() {
    #[track_caller]
    fn check(victim_priority: i32, nominated: &str, expected: &str) {
        let mut pod = Obj::clone(&pod_numbered(9, "new", &asks(100, "4")));
        pod.body.status.nominated_node_name = nominated.into();
        assert_eq!(outcome(&with_a_victim(victim_priority), &Arc::new(pod)), expected);
    }
    check(1, "n1", "not eligible due to a terminating pod on the nominated node.");
    check(1, "", "n1: a");
    check(1, "gone", "n1: a");
    check(1, "n2", "n1: a");
    check(100, "n1", "n2: b");
}

#[test]
fn who_waits_for_a_node_holds_it_against_lesser_pods() {
    let mut cluster = cluster(&[("n1", "a", 0, "2", 1), ("n2", "x", 100, "4", 1), ("n3", "y", 100, "4", 1)]);
    cluster.nominate(&pod_numbered(50, "waits", &asks(50, "2")), &"n1".into());
    let decision = |priority| {
        let pod = pod_numbered(99, "new", &asks(priority, "2"));
        decide(&cluster, &Profile::upstream(), &pod, Scope::Everything)
    };
    assert_eq!(decision(51).feasible.len(), 1, "a more important pod may take its place");
    assert!(decision(50).feasible.is_empty(), "an equal one may not");
    assert_eq!(outcome(&cluster, &pod_numbered(99, "new", &asks(50, "2"))), "n1: a", "but may preempt beside it");
}
