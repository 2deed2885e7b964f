//! Stories of pods that the node does not take.

use k8s_openapi::api::core::v1;

use super::harness::{Story, container, spec};
use crate::api::PodPhase;

/// What becomes of a pod on node `n1`, whose labels are the standard ones, with `taints`.
#[track_caller]
fn check(taints: &[(&str, &str)], change: impl Fn(&mut v1::PodSpec), expected: Option<(&str, &str)>) {
    let mut story = Story::new(vec![]);
    story.taint(taints);
    story.run_for(1);
    let mut pod = spec("Always", vec![container("web")]);
    change(&mut pod);
    story.apply("web", pod);
    story.run_for(5);
    let status = &story.pod("web").body.status;
    match expected {
        None => assert_eq!(status.phase, PodPhase::Running),
        Some((reason, why)) => {
            assert_eq!((status.phase, status.reason.as_str()), (PodPhase::Failed, reason));
            assert_eq!(status.message, format!("Pod was rejected: Predicate {reason} failed: {why}"));
            assert_eq!(story.times_of(reason), ["2.0"]);
        }
    }
}

const NO_AFFINITY: Option<(&str, &str)> = Some(("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"));

fn term(key: &str, values: &[&str]) -> v1::NodeSelectorRequirement {
    let values = Some(values.iter().map(|value| (*value).to_owned()).collect());
    v1::NodeSelectorRequirement { key: key.into(), operator: "In".into(), values }
}

fn affinity(terms: Vec<v1::NodeSelectorTerm>) -> Option<v1::Affinity> {
    let required = Some(v1::NodeSelector { node_selector_terms: terms });
    let node_affinity = Some(v1::NodeAffinity {
        required_during_scheduling_ignored_during_execution: required,
        ..v1::NodeAffinity::default()
    });
    Some(v1::Affinity { node_affinity, ..v1::Affinity::default() })
}

#[test]
fn the_node_must_have_the_labels_that_a_pod_selects() {
    let selecting = |key: &'static str, value: &'static str| {
        move |pod: &mut v1::PodSpec| pod.node_selector = Some([(key.to_owned(), value.to_owned())].into())
    };
    check(&[], selecting("kubernetes.io/os", "linux"), None);
    check(&[], selecting("kubernetes.io/os", "windows"), NO_AFFINITY);
    check(&[], selecting("disk", "ssd"), NO_AFFINITY);
}

#[test]
fn one_term_of_a_required_affinity_must_match() {
    let by_label = |key: &str, values: &[&str]| v1::NodeSelectorTerm {
        match_expressions: Some(vec![term(key, values)]),
        match_fields: None,
    };
    let by_name = |name: &str| v1::NodeSelectorTerm {
        match_expressions: None,
        match_fields: Some(vec![term("metadata.name", &[name])]),
    };
    let arch = by_label("kubernetes.io/arch", &["arm64", "amd64"]);
    check(&[], |pod| pod.affinity = affinity(vec![arch.clone()]), None);
    check(&[], |pod| pod.affinity = affinity(vec![by_label("disk", &["ssd"]), by_name("n1")]), None);
    check(&[], |pod| pod.affinity = affinity(vec![by_label("disk", &["ssd"]), by_name("n2")]), NO_AFFINITY);
    check(&[], |pod| pod.affinity = affinity(vec![v1::NodeSelectorTerm::default()]), NO_AFFINITY);
}

#[test]
fn only_taints_that_evict_are_looked_at() {
    let untolerated = Some(("TaintToleration", "node(s) had taints that the pod didn't tolerate"));
    check(&[("a", "NoSchedule")], |_| {}, None);
    check(&[("a", "NoExecute")], |_| {}, untolerated);
    let tolerating = |key: &'static str, seconds: Option<i64>| {
        move |pod: &mut v1::PodSpec| {
            pod.tolerations = Some(vec![v1::Toleration {
                key: Some(key.into()),
                operator: Some("Exists".into()),
                toleration_seconds: seconds,
                ..v1::Toleration::default()
            }]);
        }
    };
    check(&[("a", "NoExecute")], tolerating("a", Some(300)), None);
    check(&[("a", "NoExecute")], tolerating("b", None), untolerated);
}

#[test]
fn a_port_of_the_host_is_given_once() {
    let with_port = |address: &str, port: i32| {
        let port = v1::ContainerPort {
            host_port: Some(port),
            host_ip: Some(address.into()),
            container_port: 80,
            ..v1::ContainerPort::default()
        };
        spec("Always", vec![v1::Container { ports: Some(vec![port]), ..container("web") }])
    };
    let mut story = Story::new(vec![]);
    story.apply("one", with_port("", 8080));
    story.apply("two", with_port("", 8081));
    story.apply("three", with_port("10.1.1.1", 8080));
    story.run_for(10);
    assert_eq!(story.phase("one"), PodPhase::Running);
    assert_eq!(story.phase("two"), PodPhase::Running);
    assert_eq!(story.pod("three").body.status.reason, "NodePorts");
    story.delete("one", 30);
    story.run_for(5);
    story.apply("four", with_port("10.1.1.1", 8080));
    story.run_for(10);
    assert_eq!(story.phase("four"), PodPhase::Running);
}
