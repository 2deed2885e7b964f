//! Stories of the EndpointSlice controller alone.

use serde_json::{Value, json};

use super::*;
use crate::api::{PodIps, PodPhase, convert};
use crate::controllers::test_support::{Story, labels, ready_node, running_pod};

fn story(max: &str) -> Story {
    let mut flags = Flags::default();
    flags.set(&MAX_ENDPOINTS_PER_SLICE, max).unwrap();
    flags.set(&crate::client::KUBE_API_QPS, "0").unwrap();
    let mut story = Story::new(&[&ENTRY], &flags);
    story.kubelet.idle = true;
    story.create(ready_node("n1", "topology.kubernetes.io/zone=z1").into_object());
    story
}

fn service(story: &mut Story, name: &str, mut spec: Value) -> ObjectId {
    // As the server would give it.
    if spec["clusterIP"].is_null() {
        spec["clusterIP"] = json!("10.96.0.10");
    }
    let json = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec
    });
    story.create(convert::from_json(Kind::Service, json).unwrap())
}

fn web(story: &mut Story) -> ObjectId {
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]);
    service(story, "web", json!({"selector": {"app": "web"}, "ports": ports}))
}

fn pod(story: &mut Story, number: u8) -> ObjectId {
    let mut pod = running_pod(&format!("p{number}"), "n1");
    pod.meta.labels = labels("app=web");
    let second = Some(format!("fd00::{number:x}").parse().unwrap());
    pod.body.status.pod_ips = PodIps { first: Some([10, 0, 0, number].into()), second };
    story.create(pod.into_object())
}

/// All slices of a Service, sorted, as `IPv4 http:8080/TCP p1=rs- p2=---`: ready, serving, terminating.
fn slices(story: &Story, service: &str) -> Vec<String> {
    let slices = story.objects.values().filter_map(|object| match object {
        Object::Untyped(object) if object.meta.id.kind == Kind::EndpointSlice => Some(Slice::of(object)),
        _ => None,
    });
    let text = |slice: Slice| {
        let mut words = vec![slice.family.unwrap().as_str().to_owned()];
        let port = |port: &Value| {
            format!("{}:{}/{}", port["name"].as_str().unwrap(), port["port"], port["protocol"].as_str().unwrap())
        };
        words.extend(slice.ports.iter().map(port));
        let endpoint = |endpoint: &Value| {
            let is = |name: &str, letter: &'static str| {
                if endpoint["conditions"][name] == json!(true) { letter } else { "-" }
            };
            let name = endpoint["targetRef"]["name"].as_str().unwrap();
            format!("{name}={}{}{}", is("ready", "r"), is("serving", "s"), is("terminating", "t"))
        };
        words.extend(slice.endpoints.iter().map(endpoint));
        words.join(" ")
    };
    let mut texts: Vec<String> = slices
        .filter(|slice| slice.meta.labels.get(SERVICE_NAME).is_some_and(|name| name == service))
        .map(text)
        .collect();
    texts.sort();
    texts
}

#[track_caller]
fn check(story: &mut Story, service: &str, expected: &[&str]) {
    story.settle();
    assert_eq!(slices(story, service), expected);
}

#[test]
fn a_service_has_a_slice_of_its_pods_that_follows_them() {
    let mut story = story("100");
    web(&mut story);
    check(&mut story, "web", &["IPv4"]);
    let first = pod(&mut story, 1);
    pod(&mut story, 2);
    check(&mut story, "web", &["IPv4 http:8080/TCP p1=rs- p2=rs-"]);
    story.set_ready(first, false);
    check(&mut story, "web", &["IPv4 http:8080/TCP p1=--- p2=rs-"]);
    story.set_ready(first, true);
    story.settle();
    story.delete(first);
    story.run_for(Span::from_millis(100));
    assert_eq!(slices(&story, "web"), ["IPv4 http:8080/TCP p1=-st p2=rs-"]);
    check(&mut story, "web", &["IPv4 http:8080/TCP p2=rs-"]);
    assert!(story.events.is_empty());
    let slice = story.objects.values().find(|object| object.kind() == Kind::EndpointSlice).unwrap();
    let json = convert::to_json(slice);
    assert_eq!(json["metadata"]["labels"], json!({SERVICE_NAME: "web", MANAGED_BY: MANAGER}));
    assert_eq!(json["metadata"]["ownerReferences"][0]["kind"], "Service");
    assert_eq!(json["endpoints"][0]["nodeName"], "n1");
    assert_eq!(json["endpoints"][0]["zone"], "z1");
    assert_eq!(json["endpoints"][0]["addresses"], json!(["10.0.0.2"]));
    assert_eq!(story.requests.iter().filter(|request| *request == "POST EndpointSlice").count(), 1);
}

#[test]
fn a_pod_is_work_only_for_the_services_that_select_it() {
    let mut story = story("100");
    web(&mut story);
    service(&mut story, "other", json!({"selector": {"app": "other"}, "ports": []}));
    service(&mut story, "none", json!({"ports": []}));
    story.settle();
    story.forget();
    pod(&mut story, 1);
    check(&mut story, "web", &["IPv4 http:8080/TCP p1=rs-"]);
    let wrote: Vec<&String> = story.requests.iter().filter(|request| request.contains("EndpointSlice")).collect();
    assert_eq!(wrote, ["PUT EndpointSlice"]);
    assert!(slices(&story, "none").is_empty());
}

#[test]
fn slices_are_filled_up_and_never_packed_anew() {
    let mut story = story("3");
    web(&mut story);
    let pods: Vec<ObjectId> = (1..=7).map(|number| pod(&mut story, number)).collect();
    story.settle();
    let all = slices(&story, "web");
    assert_eq!(all.len(), 3);
    assert!(all.iter().all(|slice| slice.matches('=').count() <= 3));
    story.forget();
    story.delete(pods[0]);
    story.settle();
    let wrote = story.requests.iter().filter(|request| request.contains("EndpointSlice")).count();
    assert_eq!(wrote, 2, "terminating, then gone: one slice each time");
}

#[test]
fn a_dual_stack_service_has_slices_of_both_families_and_a_named_port_is_looked_up() {
    let mut story = story("100");
    let mut one = running_pod("p1", "n1");
    one.meta.labels = labels("app=web");
    one.body.status.pod_ips = PodIps { first: Some([10, 0, 0, 1].into()), second: Some("fd00::1".parse().unwrap()) };
    let mut full = one.body.spec.full.clone();
    full.containers[0].ports = Some(vec![k8s_openapi::api::core::v1::ContainerPort {
        name: Some("http".into()),
        container_port: 8080,
        protocol: Some("TCP".into()),
        ..Default::default()
    }]);
    one.body.spec = crate::api::PodSpec::new(full);
    story.create(one.into_object());
    pod(&mut story, 2);
    let ports = json!([{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}, {"name": "m", "port": 90, "targetPort": 9090, "protocol": "TCP"}]);
    let families = json!(["IPv4", "IPv6"]);
    service(&mut story, "web", json!({"selector": {"app": "web"}, "ports": ports, "ipFamilies": families}));
    check(
        &mut story,
        "web",
        &[
            "IPv4 http:8080/TCP m:9090/TCP p1=rs-",
            "IPv4 m:9090/TCP p2=rs-",
            "IPv6 http:8080/TCP m:9090/TCP p1=rs-",
            "IPv6 m:9090/TCP p2=rs-",
        ],
    );
}

#[test]
fn unready_pods_are_published_where_the_service_wishes_and_finished_ones_never() {
    let mut story = story("100");
    let id = pod(&mut story, 1);
    story.set_ready(id, false);
    let done = pod(&mut story, 2);
    story.change_status::<Pod>(done, |pod| pod.body.status.phase = PodPhase::Succeeded);
    service(&mut story, "pub", json!({"selector": {"app": "web"}, "ports": [], "publishNotReadyAddresses": true}));
    check(&mut story, "pub", &["IPv4 p1=r--"]);
}

#[test]
fn a_pod_of_an_unknown_node_is_left_out_and_said_so() {
    let mut story = story("100");
    web(&mut story);
    let mut lost = running_pod("lost", "n9");
    lost.meta.labels = labels("app=web");
    lost.body.status.pod_ips = PodIps { first: Some([10, 0, 0, 9].into()), second: None };
    story.create(lost.into_object());
    story.run_for(Span::from_secs(1));
    assert_eq!(
        story.events[0],
        "Service/web FailedToUpdateEndpointSlices Error updating Endpoint Slices for Service default/web: skipping Pod \
         lost for Service default/web: Node n9 Not Found"
    );
}

#[test]
fn a_slice_that_somebody_else_changes_or_deletes_is_put_right() {
    let mut story = story("100");
    web(&mut story);
    pod(&mut story, 1);
    story.settle();
    let id = story.objects.values().find(|object| object.kind() == Kind::EndpointSlice).unwrap().meta().id;
    let mut spoilt = story.objects[&id].clone();
    if let Object::Untyped(slice) = &mut spoilt {
        Arc::make_mut(slice).body.fields.insert("endpoints".to_owned(), json!([]));
    }
    story.put(spoilt);
    check(&mut story, "web", &["IPv4 http:8080/TCP p1=rs-"]);
    let id = story.objects.values().find(|object| object.kind() == Kind::EndpointSlice).unwrap().meta().id;
    story.delete(id);
    check(&mut story, "web", &["IPv4 http:8080/TCP p1=rs-"]);
}
