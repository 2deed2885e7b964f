//! Services as the server gives them what they need. Stories of requests and answers.

use serde_json::{Value, json};

use super::*;
use crate::event::{DeleteOptions, Patch, PatchKind, Reply, Request, Subresource, Target};
use crate::store::tests::{Server, read};

fn server(ranges: &str) -> Server {
    let cluster_ips = ServiceRanges::cluster_ips(ranges).unwrap();
    Server::with_ranges(&[crate::kernel::Span::ZERO], &ServiceRanges { cluster_ips, node_ports: (30000, 30019) })
}

fn dual() -> Server {
    server("10.0.0.0/16,fd00:10::/108")
}

fn create(server: &mut Server, name: &str, spec: Value) -> Result<Value, String> {
    let json = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec});
    told(server.handle(Request::Create(read(json))))
}

fn patch(server: &mut Server, name: &str, body: Value) -> Result<Value, String> {
    let target = Target::Name(Kind::Service, "default".into(), name.into());
    let patch = Arc::new(Patch { kind: PatchKind::Merge, body: json!({"spec": body}) });
    told(server.handle(Request::Patch { target, subresource: Subresource::None, patch }))
}

fn delete(server: &mut Server, name: &str) {
    let target = Target::Name(Kind::Service, "default".into(), name.into());
    server.handle(Request::Delete { target, options: DeleteOptions::default() }).unwrap();
}

fn told(reply: Reply) -> Result<Value, String> {
    reply
        .map(|answer| convert::to_json(answer.object().unwrap())["spec"].clone())
        .map_err(|error| error.message.to_string())
}

fn ports(count: u64) -> Value {
    (0..count).map(|number| json!({"name": format!("p{number}"), "port": 80 + number})).collect()
}

/// What a Service comes to, as `policy families ips`: `4` and `6` for addresses.
fn shape(spec: &Value) -> String {
    let list = |field: &str| spec[field].as_array().cloned().unwrap_or_default();
    let family = |ip: &Value| match ip.as_str().unwrap() {
        "None" => "None",
        ip if ip.contains(':') => "6",
        _ => "4",
    };
    let ips: Vec<&str> = list("clusterIPs").iter().map(family).collect();
    let families: Vec<String> = list("ipFamilies").iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(spec["clusterIP"], list("clusterIPs").first().cloned().unwrap_or_default(), "the first one");
    format!("{} [{}] [{}]", spec["ipFamilyPolicy"].as_str().unwrap_or("-"), families.join(" "), ips.join(" "))
}

#[track_caller]
fn check(server: &mut Server, spec: Value, expected: &str) {
    let mut spec = spec;
    if spec["ports"].is_null() {
        spec["ports"] = ports(1);
    }
    let found = match create(server, "web", spec) {
        Ok(spec) => {
            delete(server, "web");
            shape(&spec)
        }
        Err(message) => message,
    };
    assert_eq!(found, expected);
}

#[test]
fn policy_and_families_are_filled_in_by_what_the_cluster_has() {
    let (mut dual, mut four, mut six) = (dual(), server("10.0.0.0/16"), server("fd00:10::/108,10.0.0.0/16"));
    let selector = json!({"app": "web"});
    check(&mut dual, json!({"selector": selector}), "SingleStack [IPv4] [4]");
    check(&mut six, json!({"selector": selector}), "SingleStack [IPv6] [6]");
    check(&mut dual, json!({"ipFamilyPolicy": "PreferDualStack"}), "PreferDualStack [IPv4 IPv6] [4 6]");
    check(&mut four, json!({"ipFamilyPolicy": "PreferDualStack"}), "PreferDualStack [IPv4] [4]");
    check(&mut six, json!({"ipFamilyPolicy": "RequireDualStack"}), "RequireDualStack [IPv6 IPv4] [6 4]");
    check(
        &mut four,
        json!({"ipFamilyPolicy": "RequireDualStack"}),
        "Service \"web\" is invalid: spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
    );
    check(
        &mut four,
        json!({"ipFamilies": ["IPv6"]}),
        "Service \"web\" is invalid: spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster",
    );
    check(&mut dual, json!({"ipFamilies": ["IPv6"]}), "SingleStack [IPv6] [6]");
    check(&mut dual, json!({"clusterIP": "fd00:10::7"}), "SingleStack [IPv6] [6]");
    check(
        &mut dual,
        json!({"ipFamilies": ["IPv6", "IPv4"]}),
        "Service \"web\" is invalid: spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified",
    );
    check(&mut dual, json!({"clusterIP": "None", "selector": selector}), "SingleStack [IPv4] [None]");
    check(&mut four, json!({"clusterIP": "None"}), "RequireDualStack [IPv4 IPv6] [None]");
    let name = json!({"type": "ExternalName", "externalName": "example.com"});
    check(&mut dual, name, "- [] []");
}

#[test]
fn a_service_goes_up_to_two_families_and_down_again() {
    let mut server = dual();
    let first = create(&mut server, "web", json!({"ports": ports(1)})).unwrap();
    let up = patch(&mut server, "web", json!({"ipFamilyPolicy": "RequireDualStack"})).unwrap();
    assert_eq!(shape(&up), "RequireDualStack [IPv4 IPv6] [4 6]");
    assert_eq!(up["clusterIP"], first["clusterIP"]);
    let pools = |server: &Server| -> Vec<usize> {
        server.store.services.addresses.iter().map(|range| range.pool.taken()).collect()
    };
    assert_eq!(pools(&server), [2, 1], "one is for the Service kubernetes");
    let wrong = patch(&mut server, "web", json!({"clusterIPs": [up["clusterIP"]]})).unwrap_err();
    assert!(wrong.contains("must be 'SingleStack' to release the secondary cluster IP"), "{wrong}");
    let down = patch(&mut server, "web", json!({"ipFamilyPolicy": "SingleStack"})).unwrap();
    assert_eq!(shape(&down), "SingleStack [IPv4] [4]");
    assert_eq!(pools(&server), [2, 0]);
    let name = json!({"type": "ExternalName", "externalName": "example.com"});
    assert_eq!(shape(&patch(&mut server, "web", name).unwrap()), "- [] []");
    assert_eq!(pools(&server), [1, 0]);
    let back = patch(&mut server, "web", json!({"type": "ClusterIP", "externalName": null})).unwrap();
    assert_eq!(shape(&back), "SingleStack [IPv4] [4]");
    delete(&mut server, "web");
    assert_eq!(pools(&server), [1, 0]);
}

#[test]
fn an_address_is_given_once_until_its_service_is_deleted() {
    let mut server = dual();
    let spec = || json!({"ports": ports(1), "clusterIP": "10.0.0.10"});
    create(&mut server, "a", spec()).unwrap();
    let taken = create(&mut server, "b", spec()).unwrap_err();
    assert_eq!(
        taken,
        "Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"10.0.0.10\"]: failed to allocate IP 10.0.0.10: provided IP is already allocated"
    );
    let outside = create(&mut server, "b", json!({"ports": ports(1), "clusterIP": "10.1.0.10"})).unwrap_err();
    assert!(
        outside.ends_with("failed to allocate IP 10.1.0.10: the provided network does not match the current range")
    );
    let kubernetes = create(&mut server, "b", json!({"ports": ports(1), "clusterIP": "10.0.0.1"})).unwrap_err();
    assert!(kubernetes.ends_with("provided IP is already allocated"));
    let changed = patch(&mut server, "a", json!({"clusterIP": "10.0.0.11"})).unwrap_err();
    assert_eq!(
        changed,
        "Service \"a\" is invalid: spec.clusterIPs[0]: Invalid value: [\"10.0.0.11\"]: may not change once set"
    );
    delete(&mut server, "a");
    assert_eq!(create(&mut server, "b", spec()).unwrap()["clusterIP"], "10.0.0.10");
}

#[test]
fn what_is_refused_keeps_nothing() {
    let mut server = dual();
    let before = server.store.services.ports.taken();
    let wrong = json!({"type": "NodePort", "ports": ports(2), "sessionAffinity": "Yes"});
    create(&mut server, "web", wrong).unwrap_err();
    assert_eq!(server.store.services.ports.taken(), before);
    let full = create(&mut server, "web", json!({"type": "NodePort", "ports": ports(21)})).unwrap_err();
    assert_eq!(full, "Internal error occurred: failed to allocate a nodePort: range is full");
    assert_eq!(server.store.services.ports.taken(), before);
    create(&mut server, "web", json!({"type": "NodePort", "ports": ports(20)})).unwrap();
}

#[test]
fn node_ports_come_and_go_with_the_type() {
    let mut server = dual();
    let node_ports = |spec: &Value| -> Vec<i64> {
        spec["ports"].as_array().unwrap().iter().filter_map(|port| port["nodePort"].as_i64()).collect()
    };
    let both = json!([
        {"name": "tcp", "port": 53, "protocol": "TCP"}, {"name": "udp", "port": 53, "protocol": "UDP"}, {"name": "m", "port": 90},
    ]);
    let spec = create(&mut server, "dns", json!({"type": "NodePort", "ports": both})).unwrap();
    let given = node_ports(&spec);
    assert_eq!(given[0], given[1], "TCP and UDP of a port share its node port");
    assert_ne!(given[1], given[2]);
    assert_eq!(spec["externalTrafficPolicy"], "Cluster");
    let taken = json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": given[0]}]});
    assert_eq!(
        create(&mut server, "b", taken).unwrap_err(),
        format!(
            "Service \"b\" is invalid: spec.ports[0].nodePort: Invalid value: {}: provided port is already allocated",
            given[0]
        )
    );
    let same = patch(&mut server, "dns", json!({"selector": {"a": "b"}})).unwrap();
    assert_eq!(node_ports(&same), given, "they stay");
    let none = patch(&mut server, "dns", json!({"type": "ClusterIP"})).unwrap();
    assert_eq!(node_ports(&none), [] as [i64; 0]);
    assert!(none["externalTrafficPolicy"].is_null());
    assert_eq!(server.store.services.ports.taken(), 0);
    let balanced = json!({"type": "LoadBalancer", "externalTrafficPolicy": "Local"});
    let balanced = patch(&mut server, "dns", balanced).unwrap();
    assert!(balanced["healthCheckNodePort"].as_i64().is_some_and(|port| port >= 30000));
    assert_eq!(server.store.services.ports.taken(), 4, "three ports, and one for the health check");
    let cluster = patch(&mut server, "dns", json!({"externalTrafficPolicy": "Cluster"})).unwrap();
    assert!(cluster["healthCheckNodePort"].is_null());
    assert_eq!(server.store.services.ports.taken(), 3);
}

/// A ServiceCIDR, ready or not.
fn service_cidr(server: &mut Server, cidr: &str, status: &str) {
    let json = json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "more"},
        "spec": {"cidrs": [cidr]}});
    server.handle(Request::Create(read(json))).unwrap();
    let body = json!({"status": {"conditions": [{"type": "Ready", "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "", "message": ""}]}});
    let target = Target::Name(Kind::ServiceCIDR, "".into(), "more".into());
    let patch = Arc::new(Patch { kind: PatchKind::Merge, body });
    server.handle(Request::Patch { target, subresource: Subresource::Status, patch }).unwrap();
}

#[test]
fn the_server_keeps_a_service_and_a_service_cidr_called_kubernetes() {
    let server = dual();
    let find = |kind, namespace| server.store.by_name(kind, namespace, "kubernetes").map(convert::to_json).unwrap();
    let service = find(Kind::Service, "default");
    assert_eq!(shape(&service["spec"]), "SingleStack [IPv4] [4]");
    assert_eq!(
        (&service["spec"]["clusterIP"], &service["spec"]["ports"][0]["targetPort"]),
        (&json!("10.0.0.1"), &json!(6443))
    );
    let slice = find(Kind::EndpointSlice, "default");
    assert_eq!(slice["metadata"]["labels"], json!({"kubernetes.io/service-name": "kubernetes"}));
    assert_eq!(
        slice["endpoints"][0]["addresses"],
        find(Kind::Endpoints, "default")["subsets"][0]["addresses"]
            .as_array()
            .map(|all| all.iter().map(|address| address["ip"].clone()).collect::<Value>())
            .unwrap()
    );
    let cidr = find(Kind::ServiceCIDR, "");
    assert_eq!(cidr["spec"]["cidrs"], json!(["10.0.0.0/16", "fd00:10::/108"]));
    assert_eq!(cidr["status"]["conditions"][0]["message"], "Kubernetes default Service CIDR is ready");
}

#[test]
fn a_service_cidr_that_is_ready_brings_addresses_where_the_first_range_is_full() {
    let mut server = server("10.0.0.0/30");
    let plain = || json!({"ports": ports(1)});
    assert_eq!(create(&mut server, "a", plain()).unwrap()["clusterIP"], "10.0.0.2");
    let full = create(&mut server, "b", plain()).unwrap_err();
    assert!(full.ends_with("failed to allocate a serviceIP: range is full"), "{full}");
    service_cidr(&mut server, "10.9.0.0/30", "False");
    assert!(create(&mut server, "b", plain()).is_err(), "it is not ready");
    let target = Target::Name(Kind::ServiceCIDR, "".into(), "more".into());
    server.handle(Request::Delete { target: target.clone(), options: DeleteOptions::default() }).unwrap();
    service_cidr(&mut server, "10.9.0.0/30", "True");
    let second = create(&mut server, "b", plain()).unwrap()["clusterIP"].clone();
    assert!(second.as_str().unwrap().starts_with("10.9.0."), "{second}");
    let named = json!({"ports": ports(1), "clusterIP": "10.9.0.1"});
    let other = if second == "10.9.0.1" { json!({"ports": ports(1), "clusterIP": "10.9.0.2"}) } else { named };
    create(&mut server, "c", other).unwrap();
    delete(&mut server, "b");
    server.handle(Request::Delete { target, options: DeleteOptions::default() }).unwrap();
    let gone = create(&mut server, "b", plain()).unwrap_err();
    assert!(gone.ends_with("range is full"), "{gone}");
}
