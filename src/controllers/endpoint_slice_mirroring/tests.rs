//! Stories of the EndpointSlice mirroring controller alone.

use serde_json::{Value, json};

use super::*;
use crate::api::convert;
use crate::controllers::test_support::Story;

fn story() -> Story {
    Story::without_limits(&[&ENTRY])
}

fn object(kind: Kind, metadata: Value, fields: Value) -> Object {
    let info = kind.info().expect("a built-in kind");
    let mut json = json!({"apiVersion": info.api_version(), "kind": info.kind, "metadata": metadata});
    json["metadata"]["namespace"] = "default".into();
    for (key, value) in fields.as_object().expect("a mapping") {
        json[key] = value.clone();
    }
    convert::from_json(kind, json).expect("a good object")
}

fn service(name: &str, selector: Value) -> Object {
    object(Kind::Service, json!({"name": name}), json!({"spec": {"selector": selector, "clusterIP": "10.96.0.10"}}))
}

/// Endpoints of addresses on one port.
fn endpoints(name: &str, addresses: &[&str], not_ready: &[&str]) -> Object {
    let list = |addresses: &[&str]| addresses.iter().map(|ip| json!({"ip": ip})).collect::<Value>();
    let metadata = json!({"name": name, "labels": {"team": "db"}, "annotations": {"note": "by hand",
        "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z"}});
    let subset = json!({"addresses": list(addresses), "notReadyAddresses": list(not_ready),
        "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}]});
    object(Kind::Endpoints, metadata, json!({"subsets": [subset]}))
}

/// The slices, sorted: `IPv4 db 5432 10.0.0.1 (10.0.0.2)`, those in brackets not ready.
fn slices(story: &Story) -> Vec<String> {
    let mut told: Vec<String> = story
        .objects
        .values()
        .filter(|object| object.kind() == Kind::EndpointSlice)
        .map(|object| {
            let slice = convert::to_json(object);
            let endpoints = slice["endpoints"].as_array().cloned().unwrap_or_default();
            let mut words: Vec<String> = endpoints
                .iter()
                .map(|endpoint| {
                    let address = endpoint["addresses"][0].as_str().unwrap_or_default();
                    if endpoint["conditions"]["ready"] == true { address.to_owned() } else { format!("({address})") }
                })
                .collect();
            words.sort();
            let service = slice["metadata"]["labels"][SERVICE_NAME].as_str().unwrap_or_default();
            let family = slice["addressType"].as_str().unwrap_or_default();
            format!("{family} {service} {} {}", slice["ports"][0]["port"], words.join(" "))
        })
        .collect();
    told.sort();
    told
}

#[test]
fn endpoints_that_a_user_writes_are_mirrored_in_each_family() {
    let mut story = story();
    story.create(service("db", Value::Null));
    let id = story.create(endpoints("db", &["10.0.0.1", "fd00::1"], &["10.0.0.2"]));
    story.settle();
    assert_eq!(slices(&story), ["IPv4 db 5432 (10.0.0.2) 10.0.0.1", "IPv6 db 5432 fd00::1"]);
    let slice = story.objects.values().find(|object| object.kind() == Kind::EndpointSlice).expect("there is one");
    let meta = slice.meta();
    let owner = meta.controller().expect("an owner");
    assert_eq!((owner.kind.as_str(), owner.api_version.as_str(), owner.name.as_str()), ("Endpoints", "v1", "db"));
    assert!(meta.name.starts_with("db-"));
    assert_eq!(meta.labels.get(MANAGED_BY).map(Name::as_str), Some(MANAGER));
    assert_eq!(meta.labels.get("team").map(Name::as_str), Some("db"));
    let annotations: Vec<_> = meta.annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(annotations, ["note=by hand"], "when Endpoints have changed is not mirrored");

    // One address moves, the other family goes.
    story.forget();
    let mut changed = endpoints("db", &["10.0.0.3"], &[]);
    changed.meta_mut().id = id;
    changed.meta_mut().uid = story.objects[&id].meta().uid;
    story.put(changed);
    story.settle();
    assert_eq!(slices(&story), ["IPv4 db 5432 10.0.0.3"]);
    assert_eq!(story.requests, ["PUT Endpoints", "PUT EndpointSlice", "DELETE EndpointSlice"]);
}

#[test]
fn slices_come_and_go_with_what_makes_them_needed() {
    let mut story = story();
    story.create(endpoints("db", &["10.0.0.1"], &[]));
    story.settle();
    assert!(slices(&story).is_empty(), "there is no Service");
    let id = story.create(service("db", Value::Null));
    story.settle();
    assert_eq!(slices(&story).len(), 1);
    let mut selecting = service("db", json!({"app": "db"}));
    selecting.meta_mut().id = id;
    selecting.meta_mut().uid = story.objects[&id].meta().uid;
    story.put(selecting);
    story.settle();
    assert!(slices(&story).is_empty(), "a Service with a selector is the other controller's");
    story.create(service("web", Value::Null));
    let web = story.create(endpoints("web", &["10.0.0.9"], &[]));
    story.settle();
    assert_eq!(slices(&story).len(), 1);
    story.delete(web);
    story.settle();
    assert!(slices(&story).is_empty());
}

#[track_caller]
fn check(metadata: Value) {
    let mut story = story();
    story.create(service("db", Value::Null));
    let subsets = json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 1, "protocol": "TCP"}]}]});
    story.create(object(Kind::Endpoints, metadata.clone(), subsets));
    story.settle();
    assert!(slices(&story).is_empty(), "{metadata}");
}

#[test]
fn some_endpoints_are_not_mirrored() {
    check(json!({"name": "db", "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}));
    check(json!({"name": "db", "annotations": {LEADER: "{}"}}));
}

#[test]
fn a_thousand_addresses_are_mirrored_and_events_tell_of_the_others() {
    let mut story = story();
    story.create(service("db", Value::Null));
    let addresses: Vec<String> = (0..1005).map(|number| format!("10.0.{}.{}", number / 250, number % 250)).collect();
    let mut addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    addresses.insert(0, "no address");
    story.create(endpoints("db", &addresses, &[]));
    story.settle();
    let slice = story.objects.values().find(|object| object.kind() == Kind::EndpointSlice).expect("there is one");
    assert_eq!(convert::to_json(slice)["endpoints"].as_array().map(Vec::len), Some(1000));
    assert_eq!(
        story.events[..2],
        [
            "Endpoints/db InvalidIPAddress Skipped 1 invalid IP addresses when mirroring to EndpointSlices",
            "Endpoints/db TooManyAddressesToMirror A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints \
             subset. 6 addresses were skipped",
        ]
    );
}

#[test]
fn a_slice_that_somebody_spoils_is_put_right() {
    let mut story = story();
    story.create(service("db", Value::Null));
    story.create(endpoints("db", &["10.0.0.1"], &[]));
    story.settle();
    let mut spoilt = story.objects.values().find(|object| object.kind() == Kind::EndpointSlice).expect("one").clone();
    if let Object::Untyped(slice) = &mut spoilt {
        Arc::make_mut(slice).body.fields.insert("endpoints".to_owned(), json!([]));
    }
    let id = spoilt.meta().id;
    story.put(spoilt);
    story.settle();
    assert_eq!(slices(&story), ["IPv4 db 5432 10.0.0.1"]);
    story.delete(id);
    story.settle();
    assert_eq!(slices(&story), ["IPv4 db 5432 10.0.0.1"]);
}
