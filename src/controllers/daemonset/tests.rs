//! What a DaemonSet does on each node, as tables.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fit::{SharedPod, TEMPLATE_GENERATION, Wanted, new_pods, target};
use super::nodes::{Context, NodeState, count, on_node, rolling};
use super::set::DaemonSet;
use crate::api::{Clock, Deletion, Kind, Name, Object, Pod, PodPhase, Timestamp, Uid, convert};
use crate::controllers::history::REVISION_HASH;
use crate::controllers::test_support::running_pod;
use crate::kernel::{Span, Time};

fn set(strategy: Value) -> DaemonSet {
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": "default",
            "annotations": {"deprecated.daemonset.template.generation": "3"}},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "updateStrategy": strategy,
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "c", "image": "agent:1"}]},
            },
        },
    });
    let mut object = convert::from_json(Kind::DaemonSet, manifest).expect("a DaemonSet");
    object.meta_mut().uid = Uid(7);
    DaemonSet::of(&object, None).expect("a spec that can be read")
}

fn rolling_update(max_unavailable: Value, max_surge: Value) -> DaemonSet {
    let limits = json!({"maxUnavailable": max_unavailable, "maxSurge": max_surge});
    set(json!({"type": "RollingUpdate", "rollingUpdate": limits}))
}

fn now() -> Timestamp {
    Clock::DEFAULT.timestamp(Time::ZERO + Span::from_secs(60))
}

/// A pod from a word: `new` or `old`, then `!` not ready, `x` failed, `v` ended well, `-` terminating, `?` unbound.
fn pod(word: &str, node: &str, number: usize) -> SharedPod {
    let mut pod = running_pod(&format!("{node}-{number}"), node);
    pod.meta.labels = [("app", "agent"), (REVISION_HASH, &word[..3])].into_iter().collect();
    pod.meta.created = Timestamp(now().0 - 100 + number as i64);
    for mark in word[3..].chars() {
        match mark {
            '!' => pod.body.status.conditions.clear(),
            'x' => pod.body.status.phase = PodPhase::Failed,
            'v' => pod.body.status.phase = PodPhase::Succeeded,
            '-' => pod.meta.deletion = Some(Deletion { timestamp: now(), grace_seconds: Some(30) }),
            '?' => pod.body.node_name = Name::new(),
            other => panic!("no mark {other}"),
        }
    }
    Arc::new(pod)
}

/// Nodes `n1`, `n2`, … from texts: the pods, after `taint:` where no new ones are wanted, `away:` where none is, `gone:`
/// where there is no such node.
fn nodes(texts: &[&str]) -> Vec<NodeState> {
    let node = |(index, text): (usize, &&str)| {
        let name = format!("n{}", index + 1);
        let (mark, words) = text.split_once(':').unwrap_or(("", *text));
        let wanted = match mark {
            "taint" => Some(Wanted { run: false, stay: true }),
            "away" => Some(Wanted { run: false, stay: false }),
            "gone" => None,
            _ => Some(Wanted { run: true, stay: true }),
        };
        let pods = words.split_whitespace().enumerate().map(|(number, word)| pod(word, &name, number)).collect();
        NodeState { name: name.into(), wanted, pods }
    };
    texts.iter().enumerate().map(node).collect()
}

fn names(pods: &[SharedPod]) -> String {
    pods.iter().map(|pod| pod.meta.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// What one node needs: `create`, pods to delete, then those that have failed after `x` and ended well after `v`.
#[track_caller]
fn check_node(set: &DaemonSet, node: &str, expected: &str) {
    let hash = Name::from("new");
    let context = Context { set, hash: &hash, generation: None, now: now() };
    let needs = on_node(&nodes(&[node])[0], context);
    let told = [
        if needs.create { "create".to_owned() } else { String::new() },
        names(&needs.delete),
        needs.failed.iter().map(|pod| format!("x{}", pod.meta.name)).collect::<Vec<_>>().join(" "),
        needs.succeeded.iter().map(|pod| format!("v{}", pod.meta.name)).collect::<Vec<_>>().join(" "),
    ];
    let told: Vec<String> = told.into_iter().filter(|text| !text.is_empty()).collect();
    assert_eq!(told.join(" "), expected, "{node:?}");
}

#[test]
fn a_node_has_one_pod_where_it_fits_and_none_where_it_does_not() {
    let plain = rolling_update(json!(1), json!(0));
    check_node(&plain, "", "create");
    check_node(&plain, "taint:", "");
    check_node(&plain, "new", "");
    check_node(&plain, "taint:new", "");
    check_node(&plain, "away:new old-", "n1-0");
    check_node(&plain, "new new new", "n1-1 n1-2");
    check_node(&plain, "new? old", "n1-0");
    check_node(&plain, "newx newv", "xn1-0 vn1-1");
    check_node(&plain, "old-", "");
    check_node(&plain, "gone:new new?", "n1-1");
}

#[test]
fn with_surge_an_old_pod_stays_until_the_new_one_serves() {
    let surging = rolling_update(json!(0), json!(1));
    check_node(&surging, "old-", "create");
    check_node(&surging, "old new!", "");
    check_node(&surging, "old new", "n1-0");
    check_node(&surging, "old! new!", "n1-0");
    check_node(&surging, "old old new!", "n1-1");
}

/// What an update does: `+` nodes that get a pod, then pods that go.
#[track_caller]
fn check_update(set: &DaemonSet, texts: &[&str], expected: &str) {
    let hash = Name::from("new");
    let context = Context { set, hash: &hash, generation: None, now: now() };
    let told = rolling(&nodes(texts), context).map(|changes| {
        let mut told: Vec<String> = changes.create.iter().map(|node| format!("+{node}")).collect();
        told.extend(changes.delete.iter().map(|pod| pod.meta.name.to_string()));
        told.join(" ")
    });
    assert_eq!(told.as_deref().unwrap_or_else(|why| why.as_str()), expected, "{texts:?}");
}

#[test]
fn an_update_takes_as_many_pods_away_as_may_be_missing() {
    let one = rolling_update(json!(1), json!(0));
    check_update(&one, &["old", "old", "old"], "n1-0");
    check_update(&one, &["new!", "old", "old"], "");
    check_update(&one, &["new", "old", "old"], "n2-0");
    check_update(&one, &["old-", "old", "old"], "");
    check_update(&one, &["", "old"], "");
    check_update(&one, &["old!", "old!", "old"], "n1-0 n2-0 n3-0");
    check_update(&one, &["new", "new"], "");
    let half = rolling_update(json!("50%"), json!(0));
    check_update(&half, &["old", "old", "old", "old"], "n1-0 n2-0");
    check_update(&half, &["old", "old", "old"], "n1-0 n2-0");
    check_update(&half, &["new!", "old", "old", "old"], "n2-0");
    check_update(&rolling_update(json!(0), json!(0)), &["old", "old"], "n1-0");
    check_update(&set(json!({"type": "OnDelete"})), &["old", "old"], "");
}

#[test]
fn an_update_with_surge_adds_pods_before_it_takes_any_away() {
    let one = rolling_update(json!(0), json!(1));
    check_update(&one, &["old", "old", "old"], "+n1");
    check_update(&one, &["old new!", "old", "old"], "");
    check_update(&one, &["old new", "old", "old"], "+n2 n1-0");
    check_update(&one, &["old!", "old!", "old"], "+n1 +n2 +n3");
    check_update(&one, &["taint:old!", "old"], "+n2 n1-0");
    check_update(&one, &["taint:old", "new"], "n1-0");
    check_update(&one, &["taint:old", "new!"], "");
    let missing = "couldn't get node for nodeName \"n1\": node \"n1\" not found";
    check_update(&one, &["gone:old", "new"], missing);
}

#[test]
fn seven_counters_tell_how_things_stand() {
    let set = rolling_update(json!(1), json!(0));
    let hash = Name::from("new");
    let context = Context { set: &set, hash: &hash, generation: None, now: now() };
    let status = count(&nodes(&["new", "old", "new!", "", "taint:old", "taint:", "gone:new"]), context);
    let counters = [status.desired, status.current, status.ready, status.updated, status.available, status.unavailable];
    assert_eq!((counters, status.misscheduled), ([4, 3, 2, 2, 2, 2], 1));
}

#[test]
fn a_pod_is_made_for_its_node_and_knows_it() {
    let set = rolling_update(json!(1), json!(0));
    let pods = new_pods(&set, &"abc".into(), &["n1".into(), "n2".into()]);
    let pods: Vec<&Arc<crate::api::Obj<Pod>>> = pods.iter().filter_map(Object::get::<Pod>).collect();
    let targets: Vec<Option<Name>> = pods.iter().map(|pod| target(pod)).collect();
    assert_eq!(targets, [Some("n1".into()), Some("n2".into())]);
    let label = |key: &str| pods[0].meta.labels.get(key).map(Name::as_str);
    assert_eq!([label(REVISION_HASH), label(TEMPLATE_GENERATION)], [Some("abc"), Some("3")]);
    assert_eq!(pods[0].meta.generate_name, "agent-");
    let tolerated = pods[0].body.spec.tolerations().iter().filter(|one| one.toleration_seconds.is_none()).count();
    assert_eq!(tolerated, 6);
}
