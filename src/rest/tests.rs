//! Paths and calls as clients write them.

use serde_json::json;

use super::*;
use crate::event::{ApiError, ErrorReason, Request};

#[track_caller]
fn check(path: &str, expected: &str) {
    let text = match Place::of(path, &BuiltIn) {
        Some(place) => {
            format!("{} {} {} {}", place.info.plural, place.namespace, place.name, place.subresource).trim().to_owned()
        }
        None => "nothing".to_owned(),
    };
    assert_eq!(text, expected, "{path}");
}

#[test]
fn paths_name_a_kind_a_namespace_an_object_and_a_part_of_it() {
    check("/api/v1/namespaces/default/pods", "pods default");
    check("/api/v1/pods", "pods");
    check("/api/v1/namespaces/default/pods/p/status", "pods default p status");
    check("/apis/apps/v1/namespaces/a/deployments/web/scale", "deployments a web scale");
    check("/api/v1/namespaces", "namespaces");
    check("/api/v1/namespaces/default", "namespaces  default");
    check("/api/v1/namespaces/default/finalize", "namespaces  default finalize");
    check("/api/v1/nodes/n1", "nodes  n1");
    check("/apis/apps/v9/deployments", "nothing");
    check("/api/v1/namespaces/default/nodes", "namespaces  default nodes");
    check("/healthz", "nothing");
}

fn call(method: &str, path: &str, query: &[(&str, &str)], body: serde_json::Value) -> Call {
    let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Call { method: method.to_owned(), path: path.to_owned(), query, body, ..Call::default() }
}

#[test]
fn what_the_server_need_not_be_asked_is_refused_with_its_code() {
    #[track_caller]
    fn check(method: &str, path: &str, query: &[(&str, &str)], code: u16, part: &str) {
        let response = understand(&call(method, path, query, json!({})), &BuiltIn).expect_err("it is refused");
        assert_eq!(response.code, code, "{}", response.body);
        assert!(response.body.to_string().contains(part), "{}", response.body);
    }
    let pods = "/api/v1/namespaces/a/pods";
    check("GET", "/nowhere", &[], 404, "404 page not found");
    check("GET", pods, &[("labelSelector", "a in")], 400, "BadRequest");
    check("GET", pods, &[("fieldSelector", "spec.nodename=n")], 400, "field label not supported: spec.nodename");
    check("GET", pods, &[("resourceVersionMatch", "Exact")], 422, "forbidden unless resourceVersion is provided");
    check("GET", pods, &[("continue", "?")], 400, "continue key is not valid");
    check("BREW", pods, &[], 405, "MethodNotAllowed");
    check("GET", "/api/v1/namespaces/a/configmaps/x/status", &[], 404, "could not find the requested resource");
}

#[test]
fn errors_say_what_they_are_about() {
    let details = |reason, message: &str| status(&ApiError::new(reason, message)).body["details"].clone();
    let gone = details(ErrorReason::NotFound, "deployments.apps \"web\" not found");
    assert_eq!(gone, json!({"name": "web", "group": "apps", "kind": "deployments"}));
    let there = details(ErrorReason::AlreadyExists, "object is being deleted: pods \"x\" already exists");
    assert_eq!(there, json!({"name": "x", "kind": "pods"}));
    let bound = "Operation cannot be fulfilled on pods/binding \"x\": pod x is already assigned to node \"n\"";
    assert_eq!(details(ErrorReason::Conflict, bound), json!({"name": "x", "kind": "pods/binding"}));
    let unnamed = details(ErrorReason::Invalid, "ReplicaSet.apps \"\" is invalid: metadata.name: Required value");
    assert_eq!(unnamed, json!({"group": "apps", "kind": "ReplicaSet"}));
    assert_eq!(details(ErrorReason::BadRequest, "no"), json!(null));
}

#[test]
fn a_list_is_given_page_by_page() {
    let object = |name: &str| {
        let value = json!({"metadata": {"name": name, "namespace": "a"}, "data": {}});
        crate::api::convert::from_json(Kind::ConfigMap, value).expect("a config map")
    };
    let items: Vec<crate::api::Object> = ["a", "b", "c", "d", "e"].map(object).to_vec();
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let asked =
            call("GET", "/api/v1/namespaces/a/configmaps", &[("limit", "2"), ("continue", &token)], json!(null));
        let asked = understand(&asked, &BuiltIn).expect("it is a good call");
        assert!(matches!(asked.request, Request::List { .. }));
        let reply = Ok(crate::event::Answer::List { items: items.clone(), resource_version: 7 });
        let body = asked.response(&reply).body;
        let names = body["items"].as_array().expect("a list").iter().map(|item| item["metadata"]["name"].clone());
        seen.extend(names);
        match body["metadata"]["continue"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}
