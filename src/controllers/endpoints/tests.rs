//! Stories of the Endpoints controller alone.

use serde_json::{Value, json};

use super::*;
use crate::api::{PodIps, convert};
use crate::controllers::test_support::{Story, labels, ready_node, running_pod};

fn story() -> Story {
    let mut story = Story::without_limits(&[&ENTRY]);
    story.kubelet.idle = true;
    story.create(ready_node("n1", "").into_object());
    story
}

fn service(story: &mut Story, name: &str, spec: Value) -> ObjectId {
    let json = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec
    });
    story.create(convert::from_json(Kind::Service, json).unwrap())
}

fn web(story: &mut Story) -> ObjectId {
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]);
    service(story, "web", json!({"selector": {"app": "web"}, "ports": ports, "clusterIP": "10.96.0.10"}))
}

fn pod(story: &mut Story, number: u8) -> ObjectId {
    let mut pod = running_pod(&format!("p{number}"), "n1");
    pod.meta.labels = labels("app=web");
    let second = Some(format!("fd00::{number:x}").parse().unwrap());
    pod.body.status.pod_ips = PodIps { first: Some([10, 0, 0, number].into()), second };
    story.create(pod.into_object())
}

fn endpoints(story: &Story, name: &str) -> Option<Value> {
    let is = |object: &&Object| object.kind() == Kind::Endpoints && object.meta().name == name;
    story.objects.values().find(is).map(convert::to_json)
}

/// Each subset as `http:8080/TCP ready p1 p2, not ready p3`.
#[track_caller]
fn check(story: &mut Story, name: &str, expected: &[&str]) {
    story.settle();
    let json = endpoints(story, name).expect("there are Endpoints");
    let text = |subset: &Value| {
        let list = |field: &str| subset[field].as_array().cloned().unwrap_or_default();
        let names = |field: &str| -> String {
            list(field).iter().map(|address| format!(" {}", address["targetRef"]["name"].as_str().unwrap())).collect()
        };
        let port = |port: &Value| format!("{}:{} ", port["name"].as_str().unwrap_or(""), port["port"]);
        let ports: String = list("ports").iter().map(port).collect();
        format!("{ports}ready{}, not ready{}", names("addresses"), names("notReadyAddresses"))
    };
    let found: Vec<String> = json["subsets"].as_array().into_iter().flatten().map(text).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_service_has_endpoints_of_its_first_family_that_follow_its_pods() {
    let mut story = story();
    web(&mut story);
    check(&mut story, "web", &[]);
    let first = pod(&mut story, 1);
    pod(&mut story, 2);
    check(&mut story, "web", &["http:8080 ready p1 p2, not ready"]);
    story.set_ready(first, false);
    check(&mut story, "web", &["http:8080 ready p2, not ready p1"]);
    story.delete(first);
    story.run_for(Span::from_millis(100));
    check(&mut story, "web", &["http:8080 ready p2, not ready"]);
    let json = endpoints(&story, "web").unwrap();
    assert_eq!(json["subsets"][0]["addresses"][0]["ip"], "10.0.0.2");
    assert_eq!(json["subsets"][0]["addresses"][0]["nodeName"], "n1");
    assert_eq!(json["metadata"]["labels"], json!({MANAGED_BY: MANAGER}));
    story.forget();
    story.settle();
    assert!(story.requests.is_empty(), "nothing is written where nothing changes");
}

#[test]
fn an_ipv6_service_has_ipv6_addresses_and_a_headless_one_a_label() {
    let mut story = story();
    pod(&mut story, 1);
    service(&mut story, "six", json!({"selector": {"app": "web"}, "clusterIP": "None", "ipFamilies": ["IPv6"]}));
    check(&mut story, "six", &["ready p1, not ready"]);
    let json = endpoints(&story, "six").unwrap();
    assert_eq!(json["subsets"][0]["addresses"][0]["ip"], "fd00::1");
    assert_eq!(json["metadata"]["labels"], json!({MANAGED_BY: MANAGER, HEADLESS: ""}));
}

#[test]
fn endpoints_go_with_their_service_and_what_users_write_stays() {
    let mut story = story();
    let service = web(&mut story);
    pod(&mut story, 1);
    story.settle();
    story.delete(service);
    story.settle();
    assert_eq!(endpoints(&story, "web"), None);
    let by_hand = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "db", "namespace": "default"}});
    story.create(convert::from_json(Kind::Endpoints, by_hand).unwrap());
    story.settle();
    assert!(endpoints(&story, "db").is_some());
}
